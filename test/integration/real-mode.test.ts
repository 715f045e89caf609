import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChargerSession } from '../../simulations/charger/connector.ts'
import type { Plan, Visit } from '../../simulations/plan.ts'
import { type Played, play } from '../../simulations/real/drive.ts'
import { gather } from '../../simulations/real/evidence.ts'
import type { RealStation } from '../../simulations/real/guests.ts'
import { type Judgement, judge, judgeEvidence } from '../../simulations/real/judge.ts'
import type { Member } from '../../simulations/world/observer.ts'
import { type Closers, createClosers } from '../../src/host/closers.ts'
import { systemLogger } from '../../src/host/system.ts'
import { BATTERY, charger, GOOD, planOf, SECOND_GOOD, UNKNOWN } from '../simulations/hand-plan.ts'

const DEADLINE_MS = 120_000
const SECOND = 1000

const visit = (atS: number, at: number, card: number, stayS: number): Visit => ({
  ...{ atMs: atS * SECOND, stayMs: stayS * SECOND, charger: at, connector: 1, card },
  battery: { ...BATTERY, maxPowerW: 3_600_000 },
})

/** Three nodes of which the first is cut off while both cars charge; one driver has a card that nobody knows. */
const PLAN: Plan = planOf({
  ...{ scenario: 'small', durationMs: 15 * SECOND, quietMs: 60 * SECOND },
  chargers: [
    { ...charger(1), nodes: [1] },
    { ...charger(2), nodes: [2, 3] },
  ].map((one, i) => ({
    ...{ ...one, meterEveryMs: SECOND, registerWh: 1000 * (i + 1) },
  })),
  visits: [visit(1, 1, GOOD, 10), visit(2, 2, SECOND_GOOD, 8), visit(12, 2, UNKNOWN, 2)],
  operator: [{ kind: 'revoke', card: GOOD, node: 2, atMs: 6 * SECOND }],
  faults: [{ kind: 'split', groups: [[1], [2, 3]], atMs: 4 * SECOND, forMs: 6 * SECOND }],
})

const quiet = {
  chapter: () => undefined,
  tell: () => undefined,
  watch: () => undefined,
  end: () => undefined,
}
let [dir, closers]: [string, Closers | undefined] = ['', undefined]
let played: Played

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'chargemesh-real-test-'))
  closers = createClosers(systemLogger('error', 'test'))
  played = await play(PLAN, { dir, closers, narrator: quiet })
}, DEADLINE_MS)
afterAll(async () => {
  await closers?.unwind()
  await rm(dir, { recursive: true, force: true })
}, DEADLINE_MS)

async function judged(change: Partial<Played> = {}): Promise<Judgement> {
  const own = createClosers(systemLogger('error', 'judge'))
  try {
    return await judge({ ...played, ...change }, own)
  } finally {
    await own.unwind()
  }
}

/** A session at the first charger's meter that no node was ever told of. */
function withGhost([first, ...others]: readonly RealStation[]): readonly RealStation[] {
  const ghost = (session: ChargerSession): ChargerSession => ({
    ...session,
    ...{ meterStartWh: 900_000, meterStopWh: 901_000 },
  })
  if (!first) return []
  const sessions = first.charger.sessions()
  return [
    {
      ...first,
      charger: { ...first.charger, sessions: () => [...sessions, ...sessions.slice(0, 1).map(ghost)] },
    },
    ...others,
  ]
}

/** A node that has lost a log. */
function forgetful(member: Member): Member {
  const node = member.node()
  if (!node) return member
  const ledger = node.ledger()
  const logs = { ...ledger.logs, count: () => ledger.logs.count() - 1 }
  return { ...member, node: () => ({ ...node, ledger: () => ({ ...ledger, logs }) }) }
}

const said = ({ violations }: Judgement): readonly string[] =>
  violations.map(({ invariant, checker, detail }) => `${invariant} ${checker} ${detail}`)

describe('a plan on real machines', () => {
  it('is played to the end: cars charge, the unknown card is refused, all nodes and the cloud hold all of it', () => {
    const outcomes = played.stations.flatMap(station => station.visits).map(one => one.outcome)
    expect(outcomes.toSorted()).toEqual(['refused', 'served', 'served'])
    expect(played.wholeMs).toBeLessThan(PLAN.quietMs)
    expect(played.fallen).toEqual([])
    expect(played.reconcileMs).toHaveLength(2)
  })

  it('has its bytes counted by the nodes and on the wires, where the same costs more', () => {
    const sum = (bytes: readonly number[]): number => bytes.reduce((total, one) => total + one, 0)
    expect(sum(played.wireBytes)).toBe(2 * played.meshBytes)
    expect(sum(played.applicationBytes)).toBeGreaterThan(5000)
    expect(sum(played.wireBytes)).toBeGreaterThan(sum(played.applicationBytes))
    expect(played.uplinkBytes).toBeGreaterThan(1000)
  })

  it('heals after the split, in a time that was measured', () => {
    expect(played.healMs).toBeGreaterThanOrEqual(0)
    expect(played.healMs).toBeLessThan(30_000)
  })

  it('is found good by the checkers of the simulator', async () => {
    const judgement = await judged()
    expect(said(judgement)).toEqual([])
    expect(judgement.books).toMatchObject({ sessions: 2, doubleBills: 0, lost: [] })
    expect(judgement.books.billed.size).toBe(2)
    expect(judgement.events).toBeGreaterThan(10)
  })

  it('is not, when a session at a meter was recorded by nobody', async () => {
    const words = said(await judged({ stations: withGhost(played.stations) }))
    expect(words).toEqual([expect.stringMatching(/^I23 billing CP-1 900000 to 901000 Wh is not billed/)])
  })

  it('is not, when the cloud lost a bill', async () => {
    const [bill, ...bills] = played.cloud.bills
    expect(bill).toBeDefined()
    const words = said(await judged({ cloud: { ...played.cloud, bills } }))
    expect(words).toEqual([expect.stringMatching(/^I23 billing CP-\d .* is not billed/)])
  })

  it('is not, when the cloud billed what no charger reported, or billed twice', async () => {
    const stations = played.stations.slice(1)
    const words = said(await judged({ stations }))
    expect(words).toEqual([expect.stringMatching(/^I23 billing CP-1 1000 Wh is billed, and no charger/)])
    const bills = [...played.cloud.bills, ...played.cloud.bills.slice(0, 1)]
    expect(said(await judged({ cloud: { ...played.cloud, bills } }))).toContainEqual(
      expect.stringMatching(/^I20 billing session .* 2 invoices/),
    )
  })

  it('is not, when a process ended by itself', async () => {
    expect(said(await judged({ fallen: [2] }))).toEqual([expect.stringMatching(/^crash process node 2/)])
  })

  it('is not, when a node lacks what the others hold', async () => {
    const own = createClosers(systemLogger('error', 'judge'))
    try {
      const evidence = await gather(played, own)
      const members = evidence.members().map((member, i) => (i === 1 ? forgetful(member) : member))
      const words = said(await judgeEvidence({ ...evidence, members: () => members }))
      expect(words).toContainEqual(
        expect.stringMatching(/^I7 convergence nodes 1 and 2 hold \d+ and \d+ logs/),
      )
    } finally {
      await own.unwind()
    }
  })
})
