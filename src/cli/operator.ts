// What the operator's commands share: open the site folder, write entries, hand them to nodes.
import type { Command } from 'commander'
import { apiFileIn, type Client, clientOf } from '../api/client.ts'
import { MeshError } from '../errors.ts'
import { readText } from '../host/identity-files.ts'
import type { Operator } from '../host/operator.ts'
import type { Unlock } from '../host/unlock.ts'
import { print, printJson } from './output.ts'
import { type UnlockOptions, unlockOf, unlockOptions } from './unlock.ts'
import type { Via } from './via.ts'

const ISSUER_WARNING_DAYS = 30

export type OperatorOptions = UnlockOptions & {
  readonly site: string
  readonly via: readonly string[]
  readonly ca?: string
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
      'who takes the news at once: the folder of a running node, or of a cloud, or a cloud’s https address; repeat for more',
      collect,
      [],
    )
    .option('--ca <file>', 'PEM of the authority of a cloud whose address is named with --via')
    .option('--json', 'print JSON')
}

export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

export async function clientIn(dir: string): Promise<Client> {
  const file = apiFileIn(dir)
  const text = await readText(file, 'is the node running, and is this its folder?').catch(
    async (error: unknown) => {
      const { cloudAt } = await import('./via.ts')
      if (!(await cloudAt(dir))) throw error
      throw new MeshError('CONFIG_INVALID', `${dir} is a cloud, which cannot say this: name a running node`)
    },
  )
  return clientOf(file, text)
}

type Met = { readonly word: string; readonly via: Via }

/** Asks each node and cloud what it holds, before anything is written; those that do not answer are named at the end. */
async function meetAll(
  operator: Operator,
  { via: words, ca }: OperatorOptions,
): Promise<{ readonly met: readonly Met[]; readonly faults: string[] }> {
  const { cloudAt, viaCloud, viaNode } = await import('./via.ts')
  const met: Met[] = []
  const faults: string[] = []
  for (const word of words) {
    try {
      const cloud = await cloudAt(word, ca)
      const via = cloud ? await viaCloud(operator, cloud) : viaNode(word, await clientIn(word))
      const verdict = operator.meet(await via.held())
      const revoked = await via.revoked()
      if (revoked) operator.heardOfRevoked(revoked)
      if (verdict !== 'agrees') process.stderr.write(`${WARNINGS[verdict]}\n`)
      met.push({ word, via })
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      faults.push(`${word}: ${error.message}`)
    }
  }
  if (words.length > 0 && met.length === 0) {
    throw new MeshError('NODE_UNREACHABLE', `nothing was written, nobody answers: ${faults.join('; ')}`)
  }
  return { met, faults }
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
  const closing: (() => void)[] = []
  try {
    if (!options.mayBeWithdrawn) refuseWithdrawn(operator, options.site)
    const { met, faults } = await meetAll(operator, options)
    closing.push(...met.map(({ via }) => via.close))
    const result = await act(operator)
    if (operator.written() !== undefined) await keepUp(operator, options)
    const { hashAt } = operator
    const handover = { ...operator.submission(), written: operator.written(), hashAt }
    for (const { word, via } of met) {
      try {
        const report = await via.take(handover)
        if (report.refused.length > 0) faults.push(`${word} refused: ${report.refused.join('; ')}`)
        else if (!options.json) print(via.says(report.admitted))
      } catch (error) {
        if (!(error instanceof MeshError)) throw error
        faults.push(`${word}: ${error.message}`)
      }
    }
    if (faults.length > 0) {
      throw new MeshError(
        'NODE_UNREACHABLE',
        `written to the site folder, but not everybody took it: ${faults.join('; ')}`,
      )
    }
    if (options.via.length === 0 && !options.json) {
      print(
        'written to the site folder; give it to a running node with --via <its folder>, or make new nodes from it',
      )
    }
    return result
  } finally {
    for (const close of closing) close()
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
