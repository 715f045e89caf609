// `chargemesh charger certificate` over OCPP: what a connected charger asks to be signed, and what it is given to believe.
import { join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import type { Client } from '../api/client.ts'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import type { Csr } from '../host/charger-ca.ts'
import { readText } from '../host/identity-files.ts'
import { AUTHORITY_FILE, authorityOf } from '../host/site-tls.ts'
import type { CertificateCommand } from '../ocpp/certificates.ts'
import type { CommandOutcome } from '../ports.ts'
import type { ChargerId } from '../units.ts'
import { registrationOf } from './charger-add.ts'
import { pin } from './charger-certificate.ts'
import { identityOf } from './charger-order.ts'
import { asOperator, clientIn, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'

const REQUESTS = z.array(z.object({ chargerId: z.string(), csr: z.string(), askedAt: z.string() }))
type Asked = { readonly chargerId: string; readonly csr: string; readonly askedAt: string }
type ViaOptions = { readonly via: string; readonly json?: boolean }

export function addCertificateTalk(certificate: Command): void {
  const via = (line: string) =>
    certificate
      .command(line)
      .requiredOption('--via <dir>', 'folder of the running node that the charger is connected to')
      .option('--json', 'print JSON')
  via('requests').description('what chargers at this node have asked to be signed').action(listRequests)
  via('request <identity>')
    .description('ask a charger to make a key and to ask for a certificate (SignCertificate)')
    .action(async (identity: string, options: ViaOptions) =>
      tellAndSay(identity, { kind: 'requestCertificate' }, options),
    )
  operatorOptions(certificate.command('sign <identity>'))
    .description('sign what a charger has asked for, and send it the certificate; needs --via')
    .option('--only', 'all earlier certificates of this charger are void at once')
    .addHelpText(
      'after',
      `
Look at it first: \`charger certificate requests\`. The charger then uses the certificate when it next connects.

Example:
  chargemesh charger certificate sign CP01 --site ./stadium --via ./pole-07`,
    )
    .action(sign)
  via('install <identity>')
    .description("give a charger the site's authority, by which it knows the nodes (InstallCertificate)")
    .requiredOption('--site <dir>', "the site's folder")
    .action(async (identity: string, options: ViaOptions & { site: string }) => {
      const file = join(options.site, AUTHORITY_FILE)
      const certificate = await readText(file, '`chargemesh site tls` makes it')
      await tellAndSay(identity, { kind: 'installCertificate', certificate }, options)
    })
  via('installed <identity>')
    .description('which authorities a charger knows the nodes by (GetInstalledCertificateIds)')
    .action(async (identity: string, options: ViaOptions) =>
      tellAndSay(identity, { kind: 'installedCertificates' }, options),
    )
}

/** Refuses with CHARGER_REFUSED or CHARGER_ABSENT. */
async function tell(identity: string, command: CertificateCommand, via: string): Promise<CommandOutcome> {
  const path = `/v1/chargers/${encodeURIComponent(identityOf(identity))}/commands`
  const outcome = (await (await clientIn(via)).post(path, command)) as CommandOutcome
  if (outcome.kind === 'rejected')
    throw new MeshError('CHARGER_REFUSED', `${identity}: refused, ${outcome.status}`)
  if (outcome.kind === 'unreachable') throw new MeshError('CHARGER_ABSENT', `${identity}: ${outcome.reason}`)
  return outcome
}

async function tellAndSay(identity: string, command: CertificateCommand, options: ViaOptions): Promise<void> {
  const outcome = await tell(identity, command, options.via)
  const detail = 'detail' in outcome ? `\n${JSON.stringify(outcome.detail, null, 2)}` : ''
  say(options, outcome, `accepted${detail}`)
}

async function requestsAt(client: Client): Promise<readonly Asked[]> {
  return check('certificate requests', REQUESTS, await client.get('/v1/certificate-requests'))
}

async function listRequests(options: ViaOptions): Promise<void> {
  const { readCsr } = await import('../host/charger-ca.ts')
  const asked = await requestsAt(await clientIn(options.via))
  const rows = await Promise.all(
    asked.map(async ({ chargerId, csr, askedAt }) => ({
      ...{ chargerId, askedAt },
      ...(await readCsr(csr).then(wordsOf, (error: unknown) => ({ fault: faultIn(error) }))),
    })),
  )
  if (options.json) printJson(rows)
  else
    print(
      tableOf<Partial<ReturnType<typeof wordsOf>> & (typeof rows)[number]>(rows, [
        ['charger', row => row.chargerId],
        ['asked', row => row.askedAt],
        ['common name', row => row.commonName ?? ''],
        ['organization', row => row.organization ?? ''],
        ['key', row => row.key ?? ('fault' in row ? row.fault : '')],
      ]),
    )
}

function wordsOf({ commonName, organization, keyKind }: Csr) {
  return { commonName, organization, key: keyKind }
}

function faultIn(error: unknown): string {
  if (error instanceof MeshError) return error.message
  throw error
}

async function sign(text: string, options: OperatorOptions & { readonly only?: boolean }): Promise<void> {
  const { readCsr, signCsr } = await import('../host/charger-ca.ts')
  const identity = identityOf(text)
  const { csr, via } = await requestOf(identity, options.via)
  const request = await readCsr(csr)
  const certificate = await asOperator({ ...options, json: true }, async operator => {
    registrationOf(operator, identity)
    const made = await signCsr(authorityOf(operator), request, { identity, nowAt: Date.now() })
    await pin(operator, identity, { certificate: made, only: options.only ?? false })
    return made
  })
  // Only now: the nodes know it before the charger can show it.
  await tell(identity, { kind: 'certificateSigned', chain: certificate }, via)
  const { commonName, key } = wordsOf(request)
  say(
    options,
    { identity, commonName, key, delivered: true },
    `${identity} has its certificate (common name ${commonName || identity}, ${key}) and will show it when it next connects`,
  )
}

async function requestOf(
  identity: ChargerId,
  via: readonly string[],
): Promise<{ readonly csr: string; readonly via: string }> {
  if (via.length === 0)
    throw new MeshError(
      'CONFIG_INVALID',
      '--via: name the folder of the running node that the charger has asked',
    )
  for (const dir of via) {
    const held = (await requestsAt(await clientIn(dir))).find(one => one.chargerId === identity)
    if (held) return { csr: held.csr, via: dir }
  }
  throw new MeshError(
    'CHARGER_ABSENT',
    `${identity} has not asked for a certificate there: \`chargemesh charger certificate request ${identity}\` makes it ask`,
  )
}
