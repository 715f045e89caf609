// What is priced by terms comes to the same at a node, which folds every reading, and in the cloud, which loads few: each
// case of the accountant's table as real, signed events of two nodes, in whatever order their logs come.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dueOf } from '../../src/billing/due.ts'
import { usageOf } from '../../src/billing/usage.ts'
import { foldsOf } from '../../src/cloud/charger.ts'
import type { Database } from '../../src/cloud/database.ts'
import type { Session } from '../../src/session/fold.ts'
import { highestEnergyPrice } from '../../src/tariff/highest.ts'
import { encodeTerms } from '../../src/tariff/terms.ts'
import type { ChargerId, SessionId } from '../../src/units.ts'
import { createView, type View } from '../../src/view.ts'
import { wordsOfCase } from '../billing/case-words.ts'
import { type Story, unknowing, type Word, wordsOf } from '../billing/stories.ts'
import type { TestDevice, TestLog } from '../site.ts'
import { readTariffCases } from '../tariff/cases.ts'
import { type CloudBench, cloudBench, openTestDatabase } from './cloud-bench.ts'

let database: Database
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

const CHARGER = 'CP-1' as ChargerId
/** Behind every case: told late, by a clock that was right. */
const TOLD_AT = Date.UTC(2030, 0, 1)

type Mesh = {
  readonly bench: CloudBench
  readonly operator: TestLog
  readonly nodes: readonly TestDevice[]
  readonly logs: readonly TestLog[]
  readonly view: View
}

async function mesh(): Promise<Mesh> {
  const bench = await cloudBench(database)
  bench.clock.set(TOLD_AT + 86_400_000)
  const { site } = bench
  const nodes = ['north', 'south'].map(name => site.device(name))
  const logs = nodes.map(node => site.openLog(node))
  const operator = site.openLog(site.issuer)
  return { bench, operator, nodes, logs, view: createView(site.roster(nodes)) }
}

/** Everything reaches a node and the cloud, log by log in this order, and the cloud twice. */
async function deliver(
  { bench, operator, nodes, logs, view }: Mesh,
  order: readonly number[],
): Promise<void> {
  const certificates = nodes.map(node => node.certificate.encoded)
  for (const i of [...order, ...order]) {
    const log = [operator, ...logs][i]
    const { refused } = await bench.push({ segments: log?.segments() ?? [], certificates })
    expect(refused).toEqual([])
  }
  for (const i of order) {
    const author = [bench.site.issuer, ...nodes][i]
    for (const event of [operator, ...logs][i]?.events() ?? [])
      if (author) view.apply(event, author.certificate)
  }
}

async function inCloud(
  { bench }: Mesh,
  node: Session,
  finalise: readonly SessionId[] = [],
): Promise<Session> {
  const { sessionId } = node
  const sessions = new Map([[CHARGER, new Set([sessionId])]])
  const wanted = { siteId: bench.site.siteId, sessions, finalise: new Set(finalise) }
  const folds = await database.transaction(sql => foldsOf(sql, wanted))
  return only(folds.get(CHARGER)?.sessions ?? [])
}

function only(sessions: readonly Session[]): Session {
  const [session, ...others] = sessions
  if (!session || others.length > 0) throw new Error(`${sessions.length} sessions, wanted one`)
  return session
}

/** What is billed, and what waits for a person's word: a bill that readings came behind. */
function sumOf(
  bills: Awaited<ReturnType<CloudBench['bills']>>,
  sessions: Awaited<ReturnType<CloudBench['sessions']>>,
): { readonly currency: unknown; readonly total: number } {
  const waiting = sessions.map(session => session.reviewAmount)
  const amounts = [...bills.map(bill => bill.amount), ...waiting].map(amount => Number(amount ?? 0))
  const total = Number(amounts.reduce((sum, amount) => sum + amount, 0).toFixed(4))
  return { currency: bills[0]?.currency, total }
}

const ORDERS = [
  [0, 1, 2],
  [2, 1, 0],
  [1, 2, 0],
] as const

describe('a session by terms costs the same at a node and in the cloud', () => {
  it.each(readTariffCases().map((one, i) => [one.name, one, i] as const))('%s', async (_, one, i) => {
    const made = await mesh()
    const { operator, logs, view } = made
    const pricePerKwh = highestEnergyPrice(one.terms)
    const tariff = { tariffId: 'T1', currency: one.currency, pricePerKwh, effectiveAt: 0 }
    operator.append([{ name: 'tariff', body: { ...tariff, elements: encodeTerms(one.terms) } }], TOLD_AT)
    const { start, between, end } = wordsOfCase(one, operator.ref())
    logs[0]?.append(start, TOLD_AT)
    // Every other word by the other node, which in every other case does not know the session's start.
    between.forEach((body, n) => {
      const heard = n % 2 === 1 && i % 2 === 1 ? unknowing({ body }).body : body
      logs[n % 2]?.append([heard], TOLD_AT + n + 1)
    })
    logs[0]?.append([end], TOLD_AT + 1000)
    await deliver(made, ORDERS[i % ORDERS.length] ?? [])

    const atNode = only(view.sessions())
    const cloud = await inCloud(made, atNode)
    expect(cloud.curve).toEqual(atNode.curve)
    const energyWh = one.usage.curve.at(-1)?.wh ?? 0
    expect(atNode.energyWh).toBe(energyWh)
    expect(usageOf(atNode, energyWh)).toEqual(one.usage)
    for (const session of [atNode, cloud]) {
      const due = dueOf(session, view.tariffs.at, { energyWh })
      expect(due).toMatchObject({ kind: 'due', cost: one.expected })
    }
    const { currency, total } = sumOf(await made.bench.bills(), await made.bench.sessions())
    expect({ currency, total }).toEqual({ currency: one.currency, total: Number(one.expected.total) })
  })
})

const many = [...Array(200).keys()].map(n => [n * 0.3, 1000 + 50 * n] as const)
const told: readonly (readonly [name: string, story: Story])[] = [
  ['many readings', { readings: many }],
  ['readings out of order and doubled', { readings: [...many.toReversed(), ...many] }],
  [
    'readings of one minute that disagree',
    {
      readings: many.flatMap(
        ([at, wh]) =>
          [
            [at, wh],
            [at, wh + 7],
          ] as const,
      ),
    },
  ],
  ['a clock that is ahead', { readings: many, aheadMs: 7_200_000 }],
  ['a clock of 1970', { readings: many, aheadMs: -1.7e12 }],
  ['a clock that cannot be read', { readings: many, aheadMs: undefined }],
  [
    'a register that ran over',
    {
      readings: [
        [3, 999_400],
        [5, 999_900],
        [7, 300],
        [10, 500],
        [30, 4000],
      ],
      startWh: 999_000,
      stopWh: 9000,
    },
  ],
  [
    'forty days',
    { readings: [...Array(2400).keys()].map(n => [n * 24, 1000 + n] as const), stopMinute: 57_600 },
  ],
  ['no stop', { readings: many, isOpen: true }],
]

/** Thousands are told late, and are sealed together. */
function batches(words: readonly Word[]): readonly (readonly Word[])[] {
  const size = words.length > 500 ? 200 : 1
  return [...Array(Math.ceil(words.length / size)).keys()].map(n => words.slice(n * size, (n + 1) * size))
}

describe('the cloud loads what the curve is made of', () => {
  it.each(told)('of %s', async (_, story) => {
    const made = await mesh()
    const { logs, view } = made
    const words = wordsOf(story).toSorted((a, b) => a.recordedAt - b.recordedAt)
    const isOther = ({ body }: Word, i: number): boolean => body.name === 'meter_tick' && i % 3 === 0
    const heard = [
      words.filter((word, i) => !isOther(word, i)),
      words.filter(isOther).map(word => unknowing(word)),
    ]
    for (const [i, own] of heard.entries())
      for (const part of batches(own))
        logs[i]?.append(
          part.map(({ body }) => body),
          part.at(-1)?.recordedAt,
        )
    await deliver(made, [2, 1])
    const atNode = only(view.sessions())
    const cloud = await inCloud(made, atNode, [atNode.sessionId])
    expect(cloud.curve.readings.length).toBeGreaterThan(4)
    expect(cloud.curve).toEqual(atNode.curve)
    const energyWh = atNode.energyWh ?? atNode.soFar?.energyWh ?? 0
    expect(usageOf(cloud, energyWh)).toEqual(usageOf(atNode, energyWh))
  })

  it('and no more where nobody asks: of a plain price, and while a session is open', async () => {
    for (const story of [
      { readings: many, isPlain: true },
      { readings: many, isOpen: true },
    ]) {
      const made = await mesh()
      for (const word of wordsOf(story)) made.logs[0]?.append([word.body], word.recordedAt)
      await deliver(made, [1])
      expect((await inCloud(made, only(made.view.sessions()))).curve.readings.length).toBeLessThan(14)
    }
  })
})
