// Drivers' wishes to start and to stop: what each asked, how far it came, and until when it stands. One idempotency key
// of one card names one wish: the same words again are the same wish, other words under it are refused. Wishes are
// written to disk before a driver hears that they wait; a queued start needs the card's own id, which is never written,
// so a start that a restart overtakes is lost and says so, and nothing begins unasked.
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { wallOf } from '../log/hlc.ts'
import { happenedAt } from '../session/clock.ts'
import type { Session } from '../session/fold.ts'
import type { ChargerId, SessionId, TokenRef } from '../units.ts'
import { type ProblemCode, REQUEST_STATES, type RequestAnswer } from './driver-words.ts'
import { isoOf } from './report.ts'

const MAX_PENDING = 256
/** One card cannot fill the queue; starts and stops apart, so that nobody's starts keep its owner from stopping. */
const MAX_PENDING_OF_CARD = 4
const MAX_FINISHED = 500
const KEEP_FINISHED_MS = 24 * 3600 * 1000

const WISH = z.object({
  id: z.string(),
  kind: z.enum(['start', 'stop']),
  /** Hash of the card's reference and the idempotency key. */
  scope: z.string(),
  words: z.string(),
  tokenRef: z.string(),
  chargerId: z.string(),
  connectorId: z.int().optional(),
  sessionId: z.string().optional(),
  createdAt: z.number(),
  expiresAt: z.number(),
  state: z.enum(REQUEST_STATES),
  text: z.string(),
  problem: z.string().optional(),
})
export const WISHES = z.array(WISH).max(MAX_PENDING + MAX_FINISHED)

export type Wish = {
  readonly id: string
  readonly kind: 'start' | 'stop'
  readonly scope: string
  /** Hash of what was asked. */
  readonly words: string
  readonly tokenRef: TokenRef
  readonly chargerId: ChargerId
  readonly connectorId?: number | undefined
  /** Of a stop from the first, of a start once it has begun. */
  sessionId?: SessionId | undefined
  readonly createdAt: number
  readonly expiresAt: number
  /** The same by the monotonic clock, in memory only: a clock that is set back must not start a car tomorrow. */
  readonly untilMs?: number | undefined
  state: (typeof REQUEST_STATES)[number]
  text: string
  problem?: ProblemCode | undefined
  /** In memory only, until the charger has it. */
  idTag?: string | undefined
  /** Not before this, by the monotonic clock: a charger that did not answer is not asked again at once. */
  notBeforeMs: number
  tries: number
  /** The charger was told to start and did not answer: it may have begun all the same. */
  mayHaveBegun?: true
}

export type Found =
  | { readonly kind: 'new' }
  | { readonly kind: 'same'; readonly wish: Wish }
  | { readonly kind: 'other-words' }

export type Wishes = {
  readonly find: (scope: string, words: string) => Found
  /** False when too many wait already. */
  readonly add: (wish: Wish) => boolean
  readonly remove: (wish: Wish) => void
  readonly byId: (id: string) => Wish | undefined
  readonly pending: () => readonly Wish[]
  readonly all: () => readonly Wish[]
  /** Gives up what has expired and forgets what is old; answers what changed. */
  readonly expire: (nowAt: number, nowMs: number) => readonly Wish[]
}

export function isPending({ state }: Pick<Wish, 'state'>): boolean {
  return state === 'queued' || state === 'sent' || state === 'accepted'
}

export function createWishes(before: readonly Wish[] = []): Wishes {
  const wishes = new Map<string, Wish>(before.map(wish => [wish.id, wish]))
  const scopes = new Map<string, Wish>(before.map(wish => [wish.scope, wish]))

  const remove = (wish: Wish): void => {
    wishes.delete(wish.id)
    if (scopes.get(wish.scope) === wish) scopes.delete(wish.scope)
  }
  const pending = (): readonly Wish[] => [...wishes.values()].filter(isPending)

  return {
    find: (scope, words) => {
      const wish = scopes.get(scope)
      if (!wish) return { kind: 'new' }
      return wish.words === words ? { kind: 'same', wish } : { kind: 'other-words' }
    },
    add: wish => {
      const waiting = pending()
      const ofCard = waiting.filter(({ tokenRef, kind }) => tokenRef === wish.tokenRef && kind === wish.kind)
      if (waiting.length >= MAX_PENDING || ofCard.length >= MAX_PENDING_OF_CARD) return false
      wishes.set(wish.id, wish)
      scopes.set(wish.scope, wish)
      const finished = [...wishes.values()].filter(each => !isPending(each))
      for (const old of finished.slice(0, Math.max(0, finished.length - MAX_FINISHED))) remove(old)
      return true
    },
    remove,
    byId: id => wishes.get(id),
    pending,
    all: () => [...wishes.values()],
    expire: (nowAt, nowMs) => {
      const isOver = ({ expiresAt, untilMs }: Wish): boolean =>
        expiresAt <= nowAt || (untilMs !== undefined && untilMs <= nowMs)
      const expired = pending().filter(wish => wish.state !== 'sent' && isOver(wish))
      for (const wish of expired) expireOne(wish)
      for (const wish of wishes.values())
        if (!isPending(wish) && nowAt - wish.expiresAt > KEEP_FINISHED_MS) remove(wish)
      return expired
    },
  }
}

function expireOne(wish: Wish): void {
  const wasAccepted = wish.state === 'accepted'
  wish.state = 'expired'
  wish.idTag = undefined
  if (wish.kind === 'start')
    wish.text = wasAccepted
      ? 'The charger was ready, but no car was plugged in in time. Ask again.'
      : 'The charger was not reached in time; nothing was started. Ask again, or use the card at the charger.'
  else
    wish.text = wasAccepted
      ? 'The charger has agreed to stop, but has not said that it did. Stop at the charger, with the card or its button.'
      : 'The charger was not reached in time; it may still charge. Stop at the charger, with the card or its button.'
}

export function scopeOf(kind: Wish['kind'], tokenRef: TokenRef, key: string): string {
  return digest(['chargemesh/driver/v1', kind, tokenRef, key])
}

export function digest(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

export function requestAnswer(wish: Wish): RequestAnswer {
  return {
    id: wish.id,
    kind: wish.kind,
    station_id: wish.chargerId,
    state: wish.state,
    text: wish.text,
    created_at: isoOf(wish.createdAt),
    expires_at: isoOf(wish.expiresAt),
  }
}

/** What is written down: no card's own id. */
export function recorded(wish: Wish): z.infer<typeof WISH> {
  const { idTag: _, untilMs: __, notBeforeMs: ___, tries: ____, mayHaveBegun: _____, ...written } = wish
  return written
}

/** What was written before a restart. A start that the charger had not heard cannot be said any more. */
export function recalled(written: z.infer<typeof WISHES>): readonly Wish[] {
  return written.map(one => {
    // The file is ours, and sealed where the store is: its ids are those that were written.
    const wish = { ...one, notBeforeMs: 0, tries: 0 } as Wish
    if (wish.kind === 'start' && (wish.state === 'queued' || wish.state === 'sent')) {
      wish.state = 'lost'
      wish.text = 'This node was restarted before the charger was asked. Ask again with a new key.'
    } else if (wish.state === 'sent') wish.state = 'queued'
    return wish
  })
}

/** Clocks of one node; a session that was recorded a moment before the wish is not the wish's. */
const SAME_CLOCK_MS = 1000
/** A charger's clock, where it was set; one that was away may tell of an older session only now. */
const CHARGER_CLOCK_MS = 2 * 60_000

/** Whether a session may be the one that a start led to. */
export function mayBeOf(wish: Wish, { start, end }: Session): boolean {
  // Under OCPP 2.0.1 a cable may begin a session that the card joins later.
  if (start.body.cardless === true && !end) return true
  const recordedAt = wallOf(start.hlc)
  if (recordedAt < wish.createdAt - SAME_CLOCK_MS) return false
  // Told late, it began before anybody wished for it; a charger that has agreed may have a clock that is wrong.
  const isRecent = happenedAt(start.body.startedAt, recordedAt) >= wish.createdAt - CHARGER_CLOCK_MS
  return isRecent || (wish.state === 'accepted' && !end)
}
