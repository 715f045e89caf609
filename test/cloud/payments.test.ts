// Bills to a payment provider that loses answers, is asked by several at once, forgets keys and is restored under us: each
// is taken once (I21).
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/cloud/database.ts'
import {
  deliver,
  LEASE_MS,
  type PaymentOrder,
  type PaymentOutcome,
  type PaymentProvider,
  retryRefused,
} from '../../src/cloud/payments.ts'
import { enterSite, migrate } from '../../src/cloud/schema.ts'
import type { SiteId } from '../../src/units.ts'

const siteId = '51'.repeat(16) as SiteId
const KEY_WINDOW_MS = 3_600_000
const MINUTE = 60_000
const quiet = { debug: () => null, info: () => null, warn: () => null, error: () => null }
let database: Database
let nowMs = 0

beforeAll(async () => {
  database = await openDatabase({ dir: 'memory' })
  await migrate(database)
  await enterSite(database, { siteId, rootKey: new Uint8Array(32), name: 'site' }, 1)
})
afterAll(() => database?.close())
beforeEach(async () => {
  nowMs = Date.UTC(2026, 6, 4)
  await database.query('DELETE FROM outbox')
  await database.query('DELETE FROM bills')
})

const sessionOf = (i: number): string => i.toString(16).padStart(32, '0')

async function bill(i: number, revision: number, amount: string): Promise<void> {
  await database.query(
    `INSERT INTO bills (site_id, session_id, revision, kind, amount, currency, energy_wh, reason, input_hash, issued_at)
     VALUES ($1, $2, $3, $4, $5::numeric, 'EUR', 1, 'ended', '', 0)`,
    [siteId, sessionOf(i), revision, revision === 0 ? 'invoice' : 'credit', amount],
  )
  await database.query(
    'INSERT INTO outbox (site_id, session_id, revision, idempotency_key, created_at) VALUES ($1, $2, $3, $4, 0)',
    [siteId, sessionOf(i), revision, `${i}/${revision}`],
  )
}

type Mood = 'takes' | 'loses the answer' | 'loses the question' | 'refuses'

/** Takes a key once while it remembers it; what it did stands in `captured` for ever. */
function provider(moods: () => Mood) {
  const captured: { key: string; amount: string; at: number }[] = []
  const remembered = (order: PaymentOrder) =>
    captured.findLast(one => one.key === order.idempotencyKey && nowMs - one.at <= KEY_WINDOW_MS)
  const outcome = (order: PaymentOrder, amount: string): PaymentOutcome => ({
    ...{ kind: 'taken', reference: `ref ${order.idempotencyKey}`, amount },
  })
  const take: PaymentProvider['take'] = async order => {
    const mood = moods()
    if (mood === 'loses the question') throw new Error('connection reset')
    if (mood === 'refuses') return { kind: 'refused', reason: 'card declined' }
    const before = remembered(order)
    if (!before) captured.push({ key: order.idempotencyKey, amount: order.amount, at: nowMs })
    if (mood === 'loses the answer') throw new Error('timeout')
    return outcome(order, before?.amount ?? order.amount)
  }
  const find: PaymentProvider['find'] = async order => {
    const ever = captured.find(one => one.key === order.idempotencyKey)
    return ever && outcome(order, ever.amount)
  }
  return { captured, provider: { take, find, keyWindowMs: KEY_WINDOW_MS } }
}

function paymentsOf(to: PaymentProvider) {
  const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }
  return { database, siteId, provider: to, clock, logger: quiet }
}

async function refusals(): Promise<readonly unknown[]> {
  return (await database.query('SELECT refusal FROM outbox ORDER BY revision')).rows.map(row => row.refusal)
}

async function unsettled(): Promise<number> {
  const left = await database.query('SELECT revision FROM outbox WHERE sent_at IS NULL AND refusal IS NULL')
  return left.rows.length
}

describe('bills on their way to a payment provider', () => {
  it('are handed over once each, a credit behind what it corrects', async () => {
    await bill(1, 0, '5.00')
    await bill(1, 1, '-0.50')
    await bill(2, 0, '0.63')
    const at = provider(() => 'takes')
    expect(await deliver(paymentsOf(at.provider))).toBe(2)
    expect(at.captured.map(one => one.key).sort()).toEqual(['1/0', '2/0'])
    expect(await deliver(paymentsOf(at.provider))).toBe(1)
    expect(at.captured.at(-1)).toMatchObject({ key: '1/1', amount: '-0.50' })
    expect(await deliver(paymentsOf(at.provider))).toBe(0)
  })

  it('come again under the same key when nobody knows what became of them, later each time', async () => {
    await bill(1, 0, '5.00')
    const moods: Mood[] = ['loses the question', 'loses the answer', 'takes']
    const at = provider(() => moods.shift() ?? 'takes')
    const payments = paymentsOf(at.provider)
    expect(await deliver(payments)).toBe(0)
    expect(await deliver(payments)).toBe(0)
    expect(moods).toHaveLength(2)
    nowMs += 6_000
    expect(await deliver(payments)).toBe(0)
    nowMs += 6_000
    expect(await deliver(payments)).toBe(0)
    nowMs += 6_000
    expect(await deliver(payments)).toBe(1)
    expect(at.captured).toHaveLength(1)
  })

  it('are looked up first when the provider may have forgotten the key', async () => {
    await bill(1, 0, '5.00')
    const moods: Mood[] = ['loses the answer']
    const at = provider(() => moods.shift() ?? 'takes')
    await deliver(paymentsOf(at.provider))
    nowMs += 2 * KEY_WINDOW_MS
    expect(await deliver(paymentsOf(at.provider))).toBe(1)
    expect(at.captured).toHaveLength(1)
  })

  it('wait for a person when they are refused, with those that follow', async () => {
    await bill(1, 0, '5.00')
    await bill(1, 1, '-1.00')
    const at = provider(() => 'refuses')
    await deliver(paymentsOf(at.provider))
    nowMs += 60 * MINUTE
    expect(await deliver(paymentsOf(at.provider))).toBe(0)
    expect(await refusals()).toEqual(['card declined', null])
    expect(await retryRefused(paymentsOf(at.provider))).toBe(1)
    const willing = provider(() => 'takes')
    expect(await deliver(paymentsOf(willing.provider))).toBe(1)
    expect(await deliver(paymentsOf(willing.provider))).toBe(1)
    expect(willing.captured.map(one => one.amount)).toEqual(['5.00', '-1.00'])
  })

  it('are shown when the provider took something else under this key before a restore', async () => {
    await bill(1, 0, '5.00')
    const at = provider(() => 'takes')
    await deliver(paymentsOf(at.provider))
    await database.query(`DELETE FROM outbox`)
    await database.query(`DELETE FROM bills`)
    await bill(1, 0, '5.50')
    await deliver(paymentsOf(at.provider))
    expect(await refusals()).toEqual(['the provider took 5.00 under this key (ref 1/0)'])
    expect(at.captured).toHaveLength(1)
  })

  it('are taken over from a worker that died, and taken once whoever asks', async () => {
    const moods = fc.constantFrom<Mood>('takes', 'loses the answer', 'loses the question')
    const step = fc.record({
      workers: fc.integer({ min: 1, max: 3 }),
      waitMs: fc.integer({ min: 0, max: 40 * MINUTE }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(moods, { maxLength: 30 }),
        fc.array(step, { maxLength: 12 }),
        async (all, steps) => {
          await database.query('DELETE FROM outbox')
          await database.query('DELETE FROM bills')
          for (let i = 0; i < 4; i++) await bill(i, 0, `${i}.50`)
          await bill(0, 1, '-0.25')
          const left = [...all]
          const at = provider(() => left.shift() ?? 'takes')
          const payments = paymentsOf(at.provider)
          for (const { workers, waitMs } of steps) {
            await Promise.all(Array.from({ length: workers }, () => deliver(payments)))
            nowMs += waitMs
          }
          left.length = 0
          for (let i = 0; i < 6 && (await unsettled()) > 0; i++) {
            nowMs += LEASE_MS + 20 * MINUTE
            await deliver(payments)
          }
          expect(await unsettled()).toBe(0)
          expect(at.captured.map(one => one.key).sort()).toEqual(['0/0', '0/1', '1/0', '2/0', '3/0'])
        },
      ),
      { numRuns: 25 },
    )
  })
})
