// What the operator's commands share: open the site folder, write entries, hand them to nodes.
import { join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import { apiFileIn, type Client, clientOf, logsOf, submitTo } from '../api/client.ts'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import { readText } from '../host/identity-files.ts'
import type { Operator } from '../host/operator.ts'
import type { Unlock } from '../host/unlock.ts'
import type { DeviceId } from '../units.ts'
import { print, printJson } from './output.ts'
import { type UnlockOptions, unlockOf, unlockOptions } from './unlock.ts'

const ISSUER_WARNING_DAYS = 30
const REVOKED = z.array(z.object({ deviceId: z.string(), revoked: z.boolean() }))

export type OperatorOptions = UnlockOptions & {
  readonly site: string
  readonly via: readonly string[]
  readonly json?: boolean
  /** Instead of what the options name. */
  readonly unlock?: Unlock
  /** The command mends just that. */
  readonly mayBeWithdrawn?: boolean
}

/** --site, --via and --json on a command that writes into the operator's log. */
export function operatorOptions(command: Command): Command {
  return unlockOptions(command)
    .requiredOption('--site <dir>', "the site's folder (from `chargemesh site init`)")
    .option(
      '--via <dir>',
      'folder of a running node that takes the news at once; repeat for more',
      collect,
      [],
    )
    .option('--json', 'print JSON')
}

export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

export async function clientIn(dir: string): Promise<Client> {
  const file = apiFileIn(dir)
  return clientOf(file, await readText(file, 'is the node running, and is this its folder?'))
}

/** Devices that a node knows to be revoked. */
async function revokedAt(client: Client): Promise<readonly DeviceId[]> {
  const devices = check('devices', REVOKED, await client.get('/v1/devices'))
  return devices.flatMap(({ deviceId, revoked }) => (revoked ? [deviceId as DeviceId] : []))
}

type ViaNode = { readonly dir: string; readonly client: Client }

/** Asks each node what it holds, before anything is written; those that do not answer are named at the end. */
async function meetNodes(
  operator: Operator,
  dirs: readonly string[],
): Promise<{ readonly nodes: readonly ViaNode[]; readonly faults: string[] }> {
  const nodes: ViaNode[] = []
  const faults: string[] = []
  for (const dir of dirs) {
    try {
      const client = await clientIn(dir)
      const verdict = operator.meet(await logsOf(client))
      operator.heardOfRevoked(await revokedAt(client))
      if (verdict !== 'agrees') process.stderr.write(`${WARNINGS[verdict]}\n`)
      nodes.push({ dir, client })
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      faults.push(`${dir}: ${error.message}`)
    }
  }
  if (dirs.length > 0 && nodes.length === 0) {
    throw new MeshError('NODE_UNREACHABLE', `nothing was written, no node answers: ${faults.join('; ')}`)
  }
  return { nodes, faults }
}

const WARNINGS = {
  older:
    'this folder is older than what the site knows; entries written since are kept by the nodes. A new log is opened. This folder does not know what was granted or revoked since; what it wrote itself without --via since then counts nowhere, write it again',
  frozen:
    'the log of this folder has two branches and is frozen: entries behind the fork count nowhere, write them again. A new log is opened',
}

/** Opens the site, lets `act` write, hands everything to the nodes named with --via, and says what happened. */
export async function asOperator<T>(
  options: OperatorOptions,
  act: (operator: Operator) => Promise<T>,
): Promise<T> {
  // Loaded here: most commands only ask a node, on a small box.
  const { openOperator } = await import('../host/operator.ts')
  const operator = await openOperator(options.site, options.unlock ?? unlockOf(options))
  try {
    if (!options.mayBeWithdrawn) refuseWithdrawn(operator, options.site)
    const { nodes, faults } = await meetNodes(operator, options.via)
    const result = await act(operator)
    if (operator.written() !== undefined) await keepUp(operator, options)
    const { hashAt } = operator
    const handover = { ...operator.submission(), written: operator.written(), hashAt }
    for (const { dir, client } of nodes) {
      try {
        const report = await submitTo(client, handover)
        if (report.refused.length > 0) faults.push(`${dir} refused: ${report.refused.join('; ')}`)
        else if (!options.json)
          print(`given to the node in ${join(dir)}: ${report.admitted} entries; the mesh carries them on`)
      } catch (error) {
        if (!(error instanceof MeshError)) throw error
        faults.push(`${dir}: ${error.message}`)
      }
    }
    if (faults.length > 0) {
      throw new MeshError(
        'NODE_UNREACHABLE',
        `written to the site folder, but not every node took it: ${faults.join('; ')}`,
      )
    }
    if (options.via.length === 0 && !options.json) {
      print(
        'written to the site folder; give it to a running node with --via <its folder>, or make new nodes from it',
      )
    }
    return result
  } finally {
    await operator.close()
  }
}

export function refuseWithdrawn({ ledger, certificate }: Operator, site: string): void {
  if (!ledger.isVoid(certificate)) return
  throw new MeshError(
    'CERTIFICATE_INVALID',
    `the root has withdrawn the keys in ${site}: use the folder in which \`keys rotate issuer\` was run, or run it here to its end`,
  )
}

/** Certificates that end soon are renewed on the way: nobody has to think of it. */
async function keepUp(operator: Operator, { site }: OperatorOptions): Promise<void> {
  const nowAt = Date.now()
  if (!operator.certificate.roles.includes('issuer')) return
  const [{ DAY_MS, upkeepOf }, { keepSiteTls }] = await Promise.all([
    import('../host/upkeep.ts'),
    import('../host/site-tls.ts'),
  ])
  const { bodies, renewed } = upkeepOf(operator, nowAt)
  await operator.record(bodies)
  if (renewed.length > 0) process.stderr.write(`renewed the certificates of ${renewed.join(', ')}\n`)
  const tls = await keepSiteTls(operator, { siteDir: site, nowAt })
  if (tls) process.stderr.write('renewed the certificate that nodes show to chargers\n')
  const left = Math.floor((operator.certificate.notAfterAt - nowAt) / DAY_MS)
  if (left < ISSUER_WARNING_DAYS)
    process.stderr.write(
      `the operator's own certificate ends in ${left} days: \`chargemesh keys rotate issuer\` makes a new one\n`,
    )
}

export function say(options: { readonly json?: boolean }, value: unknown, text: string): void {
  if (options.json) printJson(value)
  else print(text)
}
