// `chargemesh site`: a site is born.
import { join } from 'node:path'
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { checkedNames } from '../host/certificate-names.ts'
import { readIdentity } from '../host/identity-files.ts'
import { type Sharing, sharingIn } from '../host/root-shares.ts'
import { announce, CLOUD_FOLDER, createSite, REVOKER_FOLDER } from '../host/site-birth.ts'
import { renewSiteTls } from '../host/site-tls.ts'
import { isCurrency } from '../tariff/price.ts'
import { asOperator, say } from './operator.ts'
import { addSiteRoot } from './site-root.ts'
import { addSiteTls, jsonOf, NAME_OPTION, textOf } from './site-tls.ts'
import { sealOf, sealOptions, type UnlockOptions } from './unlock.ts'

type InitOptions = UnlockOptions & {
  readonly name: string
  readonly currency: string
  readonly rootShares?: string
  readonly ocppName?: readonly string[]
  readonly json?: boolean
}

const SEALED =
  'all keys are encrypted: without that passphrase or key nobody opens them again, so keep a copy elsewhere'
const SHARES = '\nthe shares are not: too few of them say nothing'
const PLAIN =
  'all keys lie in the clear: who copies this folder is the operator of the site. `chargemesh keys encrypt --dir` with this folder changes that'

export function addSiteCommands(program: Command): void {
  const site = program.command('site').description('make a site: its trust root and its operator')
  addSiteTls(site)
  addSiteRoot(site)
  sealOptions(site.command('init <dir>'))
    .description('make the root key, the issuer and the cloud credentials of a new site')
    .requiredOption('--name <name>', 'name of the site, for people')
    .option('--currency <code>', 'ISO 4217', 'EUR')
    .option(
      '--root-shares <k>of<n>',
      'no root key, but n shares of it, of which any k are the key, such as 2of3',
    )
    .option(...NAME_OPTION)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  chargemesh site init ./stadium --name "North Stand" --currency EUR')
    .action(async (dir: string, options: InitOptions) => {
      if (!isCurrency(options.currency)) {
        throw new MeshError(
          'CONFIG_INVALID',
          `--currency ${options.currency}: wanted three capital letters, such as EUR`,
        )
      }
      const sharing = options.rootShares === undefined ? undefined : sharingIn(options.rootShares)
      if (options.rootShares !== undefined && !sharing)
        throw new MeshError(
          'CONFIG_INVALID',
          `--root-shares ${options.rootShares}: wanted such as 2of3, at most 16`,
        )
      // Before anything is made.
      if (options.ocppName) checkedNames(options.ocppName)
      const unlock = await sealOf(options, dir)
      const made = await createSite(dir, { ...options, nowAt: Date.now(), unlock, sharing })
      const others = await Promise.all(
        [CLOUD_FOLDER, REVOKER_FOLDER].map(one => readIdentity(join(dir, one), unlock)),
      )
      const tls = await asOperator({ site: dir, via: [], json: true, unlock }, async operator => {
        for (const identity of others) await announce(operator, identity)
        const nowAt = Date.now()
        return await renewSiteTls(operator, { siteDir: dir, unlock, nowAt, names: options.ocppName })
      })
      say(
        options,
        { siteId: made.siteId, dir, ocpp: jsonOf(dir, tls) },
        `site ${made.name} (${made.siteId}) is born in ${dir}\n` +
          `${rootLine(dir, sharing)}\n` +
          `  ${dir}/revoker   lock it away elsewhere: it can revoke cards and nodes, and do nothing else (--site ${dir}/revoker)\n` +
          `  ${dir}/issuer    the operator's own log: cards, tariffs, nodes\n` +
          `  ${dir}/cloud     hand this folder to whoever runs \`chargemesh cloud run\`\n${textOf(dir, tls)}\n${unlock.isChosen ? SEALED : PLAIN}${unlock.isChosen && sharing ? SHARES : ''}`,
      )
    })
}

function rootLine(dir: string, sharing: Sharing | undefined): string {
  return sharing
    ? `  ${dir}/root-1.share to root-${sharing.of}.share  give each to another person: any ${sharing.needed} are the root, for \`keys rotate issuer\``
    : `  ${dir}/root.key  lock it away: it is needed only for \`keys rotate issuer\``
}
