// News to servers that are away, lose answers, refuse some, are asked by several workers at once: each event arrives, those of
// a subject in order, and what is sent again bears the same id.
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/cloud/database.ts'
import { tell } from '../../src/cloud/news.ts'
import { enterSite, migrate } from '../../src/cloud/schema.ts'
import {
  deliverNews,
  GIVE_UP_AFTER_MS,
  LAST_RETRY_MS,
  LEASE_MS,
  retryAfterMs,
} from '../../src/cloud/webhook-delivery.ts'
import type { Letter, Posted } from '../../src/cloud/webhook-post.ts'
import { OVERLAP_MS } from '../../src/cloud/webhook-secrets.ts'
import {
  addWebhook,
  enableWebhook,
  forgetNews,
  KEPT_MS,
  listWebhooks,
  type NewWebhook,
  removeWebhook,
  replayNews,
  rotateSecret,
  testWebhook,
} from '../../src/cloud/webhooks.ts'
import type { SiteId } from '../../src/units.ts'

const siteId = '51'.repeat(16) as SiteId
const quiet = { debug: () => null, info: () => null, warn: () => null, error: () => null }
const MINUTE = 60_000
let database: Database
let nowMs = 0
let dice = 0

beforeAll(async () => {
  database = await openDatabase({ dir: 'memory' })
  await migrate(database)
  await enterSite(database, { siteId, rootKey: new Uint8Array(32), name: 'site' }, 1)
})
afterAll(() => database?.close())
beforeEach(async () => {
  nowMs = Date.UTC(2026, 6, 4)
  for (const table of ['webhooks', 'webhook_events', 'webhook_deliveries'])
    await database.query(`DELETE FROM ${table}`)
})

const clock = { wallMs: () => nowMs, monotonicMs: () => nowMs }
const random = { bytes: (length: number) => new Uint8Array(length).map(() => dice++ % 256) }
const book = () => ({ database, siteId, clock, random })

async function hook(only: Partial<NewWebhook> = {}): Promise<string> {
  return await addWebhook(book(), {
    ...{ name: 'shop', url: 'https://shop.example/', events: [], network: 'public' },
    ...only,
  })
}

/** `n` is the place within the subject. */
async function say(subject: string, n: number, type: 'bill.issued' | 'session.started' = 'bill.issued') {
  await database.transaction(sql => tell(sql, { siteId, nowAt: nowMs }, [{ type, subject, data: { n } }]))
}

const TAKEN: Posted = { kind: 'taken' }
const REFUSED: Posted = { kind: 'failed', reason: 'answered 500', answered: true }
const AWAY: Posted = { kind: 'failed', reason: 'connection refused', answered: false }

/** Remembers what it heard; `mood` answers, `lost` says whether the sender hears of it. */
function server(mood: (letter: Letter) => Posted) {
  const heard: { subject: string; n: number; id: string; signedBy: number }[] = []
  const post = async (letter: Letter): Promise<Posted> => {
    const posted = mood(letter)
    if (posted === AWAY) return posted
    const { data } = JSON.parse(letter.body) as { data: { n: number } }
    const row = (
      await database.query('SELECT subject FROM webhook_events WHERE event_id = $1', [letter.eventId])
    ).rows[0]
    heard.push({
      subject: String(row?.subject),
      n: data.n,
      id: letter.eventId,
      signedBy: letter.secrets.length,
    })
    return posted
  }
  const deliver = (): Promise<number> =>
    deliverNews({ database, siteId, post, clock, random, logger: quiet, isClosing: () => false })
  return { heard, deliver }
}

const only = async () => (await listWebhooks(book()))[0]

describe('news to webhooks', () => {
  it('is written only where somebody listens, and only what they listen to', async () => {
    await say('a', 0)
    expect((await database.query('SELECT * FROM webhook_events')).rows).toEqual([])
    await hook({ events: ['bill.issued'] })
    await hook({ name: 'all' })
    await say('a', 0, 'session.started')
    await say('a', 1)
    const waiting = (await listWebhooks(book())).map(({ name, waiting }) => [name, waiting])
    expect(waiting).toEqual([
      ['all', 2],
      ['shop', 1],
    ])
  })

  it('is rolled back with what it tells', async () => {
    await hook()
    await expect(
      database.transaction(async sql => {
        await tell(sql, { siteId, nowAt: nowMs }, [{ type: 'bill.issued', subject: 'a', data: {} }])
        throw new Error('the push was refused')
      }),
    ).rejects.toThrow('refused')
    expect(await only()).toMatchObject({ waiting: 0 })
  })

  it('of one subject waits for what comes before it; others go on', async () => {
    await hook()
    for (const n of [0, 1, 2]) await say('a', n)
    await say('b', 0)
    let isSick = true
    const shop = server(({ body }) => (isSick && body.includes('"n":1') ? REFUSED : TAKEN))
    await shop.deliver()
    expect(shop.heard.map(({ subject, n }) => `${subject}${n}`).sort()).toEqual(['a0', 'a1', 'b0'])
    expect(await only()).toMatchObject({ state: 'on', waiting: 2, lastError: 'answered 500' })
    isSick = false
    nowMs += MINUTE
    expect(await shop.deliver()).toBe(2)
    expect(shop.heard.slice(-2).map(({ n }) => n)).toEqual([1, 2])
    expect(shop.heard[3]?.id).toBe(shop.heard.find(({ n }) => n === 1)?.id)
  })

  it('comes again after 5 s to 8 h, and no two come at once', () => {
    const of = (attempts: number, byte: number) =>
      retryAfterMs(attempts, { bytes: () => new Uint8Array([byte]) })
    expect([of(1, 0), of(1, 255)]).toEqual([3_750, 6_250])
    expect(of(2, 128)).toBeGreaterThan(15_000)
    expect(of(30, 128)).toBeLessThanOrEqual(LAST_RETRY_MS * 1.01)
    expect(of(30, 255)).toBe(LAST_RETRY_MS * 1.25)
  })

  it('asks a server that is away about one at a time, and says since when', async () => {
    await hook()
    for (let i = 0; i < 40; i++) await say(`s${i}`, 0)
    let tries = 0
    let mood: Posted = AWAY
    const shop = server(() => {
      tries += 1
      return mood
    })
    await shop.deliver()
    const first = tries
    expect(first).toBeLessThanOrEqual(32)
    await shop.deliver()
    expect(tries).toBe(first)
    expect(await only()).toMatchObject({ state: 'failing', waiting: 40, lastError: 'connection refused' })
    nowMs += MINUTE
    await shop.deliver()
    expect(tries).toBe(first + 1)
    mood = TAKEN
    nowMs += 10 * MINUTE
    expect(await shop.deliver()).toBe(40)
    expect(await only()).toMatchObject({ state: 'on', waiting: 0 })
  })

  it('comes when a server that has no time asks for it', async () => {
    await hook()
    await say('a', 0)
    let mood: Posted = { kind: 'failed', reason: 'answered 429', answered: false, retryAfterMs: 3_600_000 }
    const shop = server(() => mood)
    await shop.deliver()
    mood = TAKEN
    nowMs += 59 * MINUTE
    expect(await shop.deliver()).toBe(0)
    nowMs += MINUTE
    expect(await shop.deliver()).toBe(1)
  })

  it('is given up after three days, said so, and can be told again', async () => {
    await hook()
    await say('a', 0)
    let mood: Posted = REFUSED
    const shop = server(() => mood)
    for (const until = nowMs + GIVE_UP_AFTER_MS + LAST_RETRY_MS * 2; nowMs < until; nowMs += 4 * 60 * MINUTE)
      await shop.deliver()
    expect(await only()).toMatchObject({ waiting: 0, gaveUp: 1 })
    mood = TAKEN
    expect(await replayNews(book(), 'shop', { fromAt: 0 })).toBe(1)
    expect(await shop.deliver()).toBe(1)
    expect(new Set(shop.heard.map(({ id }) => id)).size).toBe(1)
    expect(await only()).toMatchObject({ gaveUp: 0 })
  })

  it('that a server was never asked about, because it was away for days, is given up with the rest', async () => {
    await hook()
    for (let i = 0; i < 35; i++) await say(`s${i}`, 0)
    const shop = server(() => AWAY)
    for (const until = nowMs + GIVE_UP_AFTER_MS + 12 * 60 * MINUTE; nowMs < until; nowMs += 6 * 60 * MINUTE)
      await shop.deliver()
    expect(await only()).toMatchObject({ waiting: 0, gaveUp: 35, state: 'failing' })
  })

  it('stops at 410, keeps what waits, and goes on when told to', async () => {
    await hook()
    for (const n of [0, 1]) await say('a', n)
    let mood: Posted = { kind: 'gone' }
    const shop = server(() => mood)
    await shop.deliver()
    await say('b', 0)
    expect(await shop.deliver()).toBe(0)
    expect(shop.heard).toHaveLength(1)
    expect(await only()).toMatchObject({ state: 'gone', waiting: 2 })
    await expect(replayNews(book(), 'shop', { fromAt: 0 })).rejects.toThrow('webhook enable')
    mood = TAKEN
    await enableWebhook(book(), 'shop')
    expect(await shop.deliver()).toBe(2)
    // What was told meanwhile is not queued, and not lost either.
    expect(await replayNews(book(), 'shop', { fromAt: 0 })).toBe(3)
    expect(await shop.deliver()).toBe(3)
  })

  it('is told again as far as it was asked for: a time, a session', async () => {
    await hook()
    await say('aa01', 0)
    nowMs += MINUTE
    const from = nowMs
    await say('aa01', 1)
    await say('bb02', 0)
    const shop = server(() => TAKEN)
    await shop.deliver()
    expect(await replayNews(book(), 'shop', { fromAt: from, session: 'aa' })).toBe(1)
    expect(await replayNews(book(), 'shop', { fromAt: 0, toAt: from })).toBe(1)
    await shop.deliver()
    expect(shop.heard.slice(3).map(({ n }) => n)).toEqual([0, 1])
    await expect(replayNews(book(), 'nobody', { fromAt: 0 })).rejects.toThrow('no webhook nobody')
  })

  it('is signed by two secrets for a day when one was rotated', async () => {
    const before = await hook()
    const after = await rotateSecret(book(), 'shop')
    expect(after).not.toBe(before)
    expect(after).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/)
    const shop = server(() => TAKEN)
    await say('a', 0)
    await shop.deliver()
    nowMs += OVERLAP_MS
    await say('a', 1)
    await shop.deliver()
    expect(shop.heard.map(({ signedBy }) => signedBy)).toEqual([2, 1])
  })

  it('is let go of after a month, and with its webhook', async () => {
    await hook()
    await say('a', 0)
    nowMs += KEPT_MS + 1
    await say('b', 0)
    await forgetNews(book())
    expect(await only()).toMatchObject({ waiting: 1 })
    await removeWebhook(book(), 'shop')
    expect((await database.query('SELECT * FROM webhook_deliveries')).rows).toEqual([])
    await expect(removeWebhook(book(), 'shop')).rejects.toThrow('no webhook shop')
  })

  it('may be tried, whatever a webhook listens to', async () => {
    await hook({ events: ['fork.found'] })
    await hook({ name: 'other' })
    await testWebhook(book(), 'shop')
    const shop = server(() => TAKEN)
    expect(await shop.deliver()).toBe(1)
  })

  it('is refused a second webhook of one name, too many, and hostile addresses', async () => {
    await hook()
    await expect(hook()).rejects.toThrow('already')
    await expect(hook({ name: 'x', url: 'https://169.254.169.254/' })).rejects.toThrow('metadata')
    for (let i = 1; i < 16; i++) await hook({ name: `n${i}` })
    await expect(hook({ name: 'n16' })).rejects.toThrow('at most 16')
  })

  it('arrives, in order, whatever the server does and however many workers send', async () => {
    const moods = fc.constantFrom<Posted>(TAKEN, REFUSED, AWAY)
    const step = fc.record({
      workers: fc.integer({ min: 1, max: 3 }),
      waitMs: fc.integer({ min: 0, max: 40 * MINUTE }),
      says: fc.integer({ min: 0, max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(moods, { maxLength: 40 }),
        fc.array(step, { maxLength: 10 }),
        async (all, steps) => {
          for (const table of ['webhooks', 'webhook_events', 'webhook_deliveries'])
            await database.query(`DELETE FROM ${table}`)
          await hook()
          const left = [...all]
          const shop = server(() => left.shift() ?? TAKEN)
          const said = new Map<string, number>()
          for (const { workers, waitMs, says } of steps) {
            const subject = `s${says}`
            const n = said.get(subject) ?? 0
            said.set(subject, n + 1)
            await say(subject, n)
            await Promise.all(Array.from({ length: workers }, shop.deliver))
            nowMs += waitMs
          }
          left.length = 0
          for (let i = 0; i < 6; i++) {
            nowMs += LEASE_MS + LAST_RETRY_MS * 2
            await shop.deliver()
          }
          for (const [subject, count] of said) {
            const firsts = [...new Set(shop.heard.filter(one => one.subject === subject).map(({ n }) => n))]
            expect(firsts).toEqual(Array.from({ length: count }, (_, n) => n))
          }
          expect(await only()).toMatchObject({ waiting: 0, gaveUp: 0 })
        },
      ),
      { numRuns: 10 },
    )
  })
})
