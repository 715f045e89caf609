// All cases: each pair of nodes plays those that are its own, one after another, the pairs beside one another; then the cut
// links are mended, everything goes to the cloud, and the books are compared.
import type { SessionReport } from '../../src/api/report.ts'
import { reasonOf } from '../../src/errors.ts'
import type { Closers } from '../../src/host/closers.ts'
import { seededRandom } from '../dice.ts'
import { truthOf } from '../real/audit.ts'
import type { Narrator } from '../real/narrator.ts'
import { waitFor } from '../real/processes.ts'
import { type CaseTruth, compare, type Finding, readBills } from './books.ts'
import type { KillCase, Link } from './cases.ts'
import { birth, type Ground, type Pair, whole } from './ground.ts'
import { play } from './play.ts'

export type Failure = { readonly name: string; readonly reason: string }
export type Outcome = {
  readonly played: readonly KillCase[]
  readonly findings: readonly Finding[]
  readonly failures: readonly Failure[]
  readonly seconds: number
}
export type MatrixOptions = {
  readonly dir: string
  readonly pairs: number
  readonly seed: number
  readonly closers: Closers
  readonly narrator: Narrator
}

/** From the last answer to a charger until the last bill. */
const BILLED_WITHIN_MS = 120_000

export async function runCases(cases: readonly KillCase[], options: MatrixOptions): Promise<Outcome> {
  const { dir, seed, closers, narrator } = options
  const fromMs = performance.now()
  const shares = sharesOf(cases, options.pairs)
  narrator.chapter(`A site of ${2 * shares.length} nodes and a cloud, for ${cases.length} cases`)
  const links = shares.map(({ link }) => link)
  const ground = await birth({ dir, cases, links, closers })
  narrator.chapter('Nodes are killed')
  const dice = seededRandom(seed)
  const truths: CaseTruth[] = []
  const failures: Failure[] = []
  const playAll = async (pair: Pair, own: readonly number[]): Promise<void> => {
    for (const i of own) {
      const [one, charger] = [cases[i], ground.chargers[i]]
      if (!one || !charger) continue
      const { name } = one
      try {
        const virtual = await play(one, { pair, charger, cloudDir: ground.cloudDir, dice: dice.fork(name) })
        truths.push({ name, sessions: truthOf([virtual]) })
        narrator.tell(`${String(truths.length + failures.length).padStart(3)} of ${cases.length}  ${name}`)
      } catch (error) {
        failures.push({ name, reason: reasonOf(error) })
        narrator.tell(`not played: ${name}: ${reasonOf(error)}`)
      }
    }
  }
  await Promise.all(ground.pairs.map((pair, i) => playAll(pair, shares[i]?.cases ?? [])))
  narrator.chapter('Links are mended, and the books compared')
  const findings = await settle(ground, truths)
  return { played: cases, findings, failures, seconds: (performance.now() - fromMs) / 1000 }
}

type Share = { readonly link: Link; readonly cases: readonly number[] }

/** Cases by number. Those that need no cut link go where there is least to do. */
function sharesOf(cases: readonly KillCase[], pairs: number): readonly Share[] {
  const numbered = cases.map((one, i) => ({ one, i }))
  const cut = numbered.filter(({ one }) => one.link === 'cut').map(({ i }) => i)
  const linked = numbered.filter(({ one }) => one.link === 'linked').map(({ i }) => i)
  const forCut = cut.length === 0 ? 0 : Math.max(1, Math.round((pairs * cut.length) / cases.length))
  const forLinked = linked.length === 0 ? 0 : Math.max(1, pairs - forCut)
  const deal = (link: Link, own: readonly number[], among: number): readonly Share[] =>
    Array.from({ length: Math.min(among, own.length) }, (_, n) => ({
      link,
      cases: own.filter((_one, at) => at % among === n),
    }))
  return [...deal('linked', linked, forLinked), ...deal('cut', cut, forCut)]
}

type LogRow = { readonly logId: string; readonly seq: number; readonly ackedSeq: number }

/** The cloud has confirmed everything that either node holds, and the near one has heard of it. */
async function isAllTold({ posts: [near, far] }: Pair): Promise<boolean> {
  const held = (await far.node.client?.get('/v1/logs')) as readonly LogRow[]
  const own = (await near.node.client?.get('/v1/logs')) as readonly LogRow[]
  const acked = new Map(own.map(({ logId, ackedSeq }) => [logId, ackedSeq]))
  return [...held, ...own].every(({ logId, seq }) => (acked.get(logId) ?? -1) >= seq)
}

/** What is still not billed when the time is over will not be. */
async function settle(
  { pairs, cloudDir }: Ground,
  truths: readonly CaseTruth[],
): Promise<readonly Finding[]> {
  const mended = pairs.map((pair): Pair => ({ ...pair, link: 'linked' }))
  for (const { wires, way } of pairs) for (const relay of [...wires, way.relay]) relay.mend()
  for (const pair of mended) await whole(pair)
  let findings: readonly Finding[] = []
  let isTold = false
  const look = async (): Promise<boolean> => {
    // What is still on its way may be a second bill.
    isTold = (await Promise.all(pairs.map(isAllTold))).every(Boolean)
    const nodeSessions = await Promise.all(
      pairs.map(async ({ posts: [{ node }] }) => {
        await node.client?.post('/v1/uplinks/hurry', {})
        return (await node.client?.get('/v1/sessions')) as SessionReport[]
      }),
    )
    const bills = await readBills({ dir: cloudDir, nodeSessions: nodeSessions.flat() })
    findings = truths.flatMap(truth => compare(truth, bills.get(truth.sessions[0]?.chargerId ?? '') ?? []))
    return isTold && findings.length === 0 && truths.every(({ sessions }) => sessions.length > 0)
  }
  await waitFor('all is told and billed', look, BILLED_WITHIN_MS).catch((error: unknown) => {
    // Books that are not whole prove nothing.
    if (!isTold) throw error
  })
  return findings
}
