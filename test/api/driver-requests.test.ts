import { describe, expect, it } from 'vitest'
import {
  createWishes,
  digest,
  recalled,
  recorded,
  scopeOf,
  WISHES,
  type Wish,
} from '../../src/api/driver-requests.ts'
import type { ChargerId, TokenRef } from '../../src/units.ts'

const CARD = 'aa'.repeat(16) as TokenRef
const OTHER = 'bb'.repeat(16) as TokenRef
let made = 0

function wish(over: Partial<Wish> = {}): Wish {
  made += 1
  return {
    ...{ id: `w${made}`, kind: 'start', scope: `s${made}`, words: 'w', tokenRef: CARD },
    ...{ chargerId: 'CP1' as ChargerId, createdAt: 0, expiresAt: 60_000, state: 'queued', text: 'waits' },
    ...{ idTag: '04AABBCC', notBeforeMs: 0, tries: 0 },
    ...over,
  }
}

describe('wishes', () => {
  it('one key of one card is one wish; of another card, or for a stop, another', () => {
    const scopes = [
      scopeOf('start', CARD, 'k'),
      scopeOf('start', OTHER, 'k'),
      scopeOf('stop', CARD, 'k'),
      scopeOf('start', CARD, 'l'),
    ]
    expect(new Set(scopes).size).toBe(4)
    const wishes = createWishes()
    const scope = scopeOf('start', CARD, 'k')
    const first = wish({ scope, words: digest(['CP1']) })
    wishes.add(first)
    expect(wishes.find(scope, digest(['CP1']))).toEqual({ kind: 'same', wish: first })
    expect(wishes.find(scope, digest(['CP2']))).toEqual({ kind: 'other-words' })
    expect(wishes.find(scopeOf('start', OTHER, 'k'), digest(['CP1']))).toEqual({ kind: 'new' })
  })

  it('are given up at their time, but not while a charger is being asked', () => {
    const wishes = createWishes()
    const [waits, asked, accepted, done] = [
      wish(),
      wish({ state: 'sent' }),
      wish({ kind: 'stop', state: 'accepted' }),
      wish({ state: 'done', tokenRef: OTHER }),
    ]
    for (const each of [waits, asked, accepted, done]) wishes.add(each)
    expect(wishes.expire(59_999, 0)).toEqual([])
    expect(wishes.expire(60_000, 0)).toEqual([waits, accepted])
    expect([waits, asked, accepted, done].map(({ state }) => state)).toEqual([
      ...['expired', 'sent', 'expired', 'done'],
    ])
    expect(waits.text).toContain('nothing was started')
    expect(accepted.text).toContain('has not said that it did')
    // The card's own id is kept no longer than it is needed.
    expect(waits.idTag).toBeUndefined()
  })

  it('are given up at their time also when the clock is set back meanwhile', () => {
    const wishes = createWishes()
    const waits = wish({ untilMs: 65_000 })
    wishes.add(waits)
    expect(wishes.expire(-86_400_000, 64_999)).toEqual([])
    expect(wishes.expire(-86_400_000, 65_000)).toEqual([waits])
    expect(recorded(waits)).not.toHaveProperty('untilMs')
  })

  it('of one card are four at most, and of all 256; what is finished makes room', () => {
    const wishes = createWishes()
    const own = [1, 2, 3, 4].map(() => wish())
    for (const each of own) expect(wishes.add(each)).toBe(true)
    expect(wishes.add(wish())).toBe(false)
    ;(own[0] as Wish).state = 'done'
    expect(wishes.add(wish())).toBe(true)
    // Whoever knows a card's id shall not keep its owner from stopping.
    const stop = wish({ kind: 'stop' })
    expect(wishes.add(stop)).toBe(true)
    stop.state = 'done'
    for (let at = 0; at < 252; at++) wishes.add(wish({ tokenRef: `card${at}` as TokenRef }))
    expect(wishes.pending()).toHaveLength(256)
    expect(wishes.add(wish({ tokenRef: OTHER }))).toBe(false)
    for (let at = 0; at < 1000; at++) {
      for (const each of wishes.pending()) each.state = 'done'
      wishes.add(wish({ tokenRef: OTHER }))
    }
    expect(wishes.all().length).toBeLessThanOrEqual(501)
  })

  it('are forgotten a day after their time', () => {
    const wishes = createWishes()
    const done = wish({ state: 'done' })
    wishes.add(done)
    wishes.expire(60_000 + 24 * 3600 * 1000, 0)
    expect(wishes.byId(done.id)).toBe(done)
    wishes.expire(60_001 + 24 * 3600 * 1000, 0)
    expect(wishes.byId(done.id)).toBeUndefined()
    expect(wishes.find(done.scope, done.words)).toEqual({ kind: 'new' })
  })

  it('survive a restart without the card; a start that was not heard is lost and says so, a stop goes on', () => {
    const states = ['queued', 'sent', 'accepted', 'done', 'expired'] as const
    const all = states.flatMap(state => [wish({ state }), wish({ state, kind: 'stop' })])
    const written = JSON.parse(JSON.stringify(all.map(recorded))) as unknown
    expect(JSON.stringify(written)).not.toContain('04AABBCC')
    const back = recalled(WISHES.parse(written))
    expect(back.map(({ kind, state }) => `${kind} ${state}`)).toEqual([
      ...['start lost', 'stop queued', 'start lost', 'stop queued', 'start accepted', 'stop accepted'],
      ...['start done', 'stop done', 'start expired', 'stop expired'],
    ])
    expect(createWishes(back).find(all[1]?.scope ?? '', 'w')).toMatchObject({ kind: 'same' })
  })
})
