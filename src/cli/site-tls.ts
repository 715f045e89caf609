// `chargemesh site tls`: what the nodes of a site show to chargers: made, renewed, for other names, under another authority.
import { join } from 'node:path'
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { AUTHORITY_FILE, DEFAULT_NAMES, renewSiteTls, type SiteTls } from '../host/site-tls.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { unlockOf } from './unlock.ts'

type TlsOptions = OperatorOptions & {
  readonly ocppName?: readonly string[]
  readonly newCa?: boolean
  readonly stolen?: boolean
}

export const NAME_OPTION = [
  '--ocpp-name <names>',
  `host names and addresses in the URLs of chargers, separated by commas (default: ${DEFAULT_NAMES.join(',')})`,
  (text: string, before: readonly string[] | undefined) => [
    ...(before ?? []),
    ...text.split(',').map(name => name.trim()),
  ],
] as const

export function addSiteTls(site: Command): void {
  operatorOptions(site.command('tls'))
    .description(
      'make or renew the certificate that all nodes show to chargers (OCPP security profiles 2 and 3)',
    )
    .option(...NAME_OPTION)
    .option(
      '--new-ca',
      'another authority too; the old one vouches for it until each charger has been given the new one',
    )
    .option(
      '--stolen',
      "with --new-ca, when the operator's folder was copied: the old authority counts nowhere, and each charger has to be given the new one by hand",
    )
    .addHelpText(
      'after',
      `
Chargers notice nothing of a renewal: they go by the authority. Any command of the operator renews the certificate by itself
while 90 days or less are left. Who stole a node can show chargers its certificate until that ends. To end it sooner: --new-ca,
then \`charger certificate install\` for each charger, and delete the old authority there.

Examples:
  chargemesh site tls --ocpp-name ocpp.stadium.local,10.0.0.5 --site ./stadium --via ./pole-07
  chargemesh site tls --new-ca --stolen --site ./stadium --via ./pole-07`,
    )
    .action(renew)
}

async function renew(options: TlsOptions): Promise<void> {
  if (options.stolen && !options.newCa) throw new MeshError('CONFIG_INVALID', '--stolen belongs to --new-ca')
  const another = options.newCa ? (options.stolen ? 'stolen' : 'planned') : undefined
  const unlock = unlockOf(options)
  await asOperator({ ...options, unlock }, async operator => {
    const made = await renewSiteTls(operator, {
      ...{ siteDir: options.site, unlock, nowAt: Date.now(), another },
      names: options.ocppName,
    })
    say(options, jsonOf(options.site, made), textOf(options.site, made))
  })
}

export function jsonOf(site: string, { names, notAfterAt, authority }: SiteTls) {
  const until = new Date(notAfterAt).toISOString()
  return { names, until, caFile: join(site, AUTHORITY_FILE), caSha256: authority.fingerprint256 }
}

export function textOf(site: string, made: SiteTls): string {
  const { names, until, caFile, caSha256 } = jsonOf(site, made)
  return `chargers are shown a certificate for ${names.join(', ')}, until ${until.slice(0, 10)}\n  authority ${caFile}, for every charger\n  SHA-256   ${caSha256}`
}
