// Carries drivers' wishes to chargers: at once where the charger is connected here, and as soon as it comes back within
// the wish's time where it is not. A start is decided again in the moment in which it is sent. What came of it is read
// from the sessions that the charger reports, never from its promise alone.
import { reasonOf } from '../errors.ts'
import type { Random } from '../ports.ts'
import type { Session } from '../session/fold.ts'
import { hex, type SessionId, type TokenRef } from '../units.ts'
import {
  createWishes,
  digest,
  isPending,
  mayBeOf,
  recalled,
  recorded,
  requestAnswer,
  scopeOf,
  WISHES,
  type Wish,
} from './driver-requests.ts'
import { assertNotElsewhere, REFUSALS, type SendingDeps, sendWish, WAITING } from './driver-sending.ts'
import { nothingYet } from './driver-session.ts'
import { answerFor, isOffline, mayStop, sessionFinder, stationOf, stationsOf } from './driver-site.ts'
import { alternativesTo, chooseConnector, connectorState, type Station } from './driver-stations.ts'
import { Problem, type SessionAnswer, type StartWords, type StopWords } from './driver-words.ts'

/** Where wishes survive a restart. */
export type DriverMemory = {
  readonly load: () => Promise<unknown>
  readonly save: (wishes: unknown) => Promise<void>
}

export type ErrandDeps = SendingDeps & { readonly random: Random; readonly memory: DriverMemory }

export type Asked = {
  readonly tokenRef: TokenRef
  readonly idTag: string
  /** The driver's idempotency key. */
  readonly key: string | undefined
  /** How long the driver waits for more than a promise. */
  readonly waitMs: number
  /** The card is nobody's here, or may not: somebody may be trying ids. */
  readonly missed: () => void
}
export type Settled = {
  readonly status: 200 | 202
  readonly answer: SessionAnswer
  readonly isRepeat: boolean
}

export type Errands = {
  readonly start: (words: StartWords, asked: Asked) => Promise<Settled>
  readonly stop: (words: StopWords, asked: Asked) => Promise<Settled>
  readonly request: (id: string) => SessionAnswer | undefined
  readonly session: (sessionId: string) => Session | undefined
  /** Several times a second. */
  readonly tick: () => void
  readonly pending: () => number
}

type Waiter = { readonly wish: Wish; readonly endMs: number; readonly resolve: () => void }

export async function createErrands(deps: ErrandDeps): Promise<Errands> {
  const { node, clock, chargePoints, logger } = deps
  const written = WISHES.safeParse((await deps.memory.load()) ?? [])
  if (!written.success) logger.error('what drivers waited for cannot be read and is forgotten')
  const wishes = createWishes(written.success ? recalled(written.data) : [])
  const session = sessionFinder(node)
  let waiters: Waiter[] = []

  const save = (): Promise<void> => deps.memory.save(wishes.all().map(recorded))
  const saveBehind = (): void => {
    save().catch((error: unknown) => logger.error('drivers’ wishes not kept', { reason: reasonOf(error) }))
  }
  // What was lost is written down as lost, and a file from before the folder was encrypted is sealed.
  if (wishes.all().length > 0) saveBehind()
  const isHere = ({ chargerId }: Wish): boolean => chargePoints.connected().includes(chargerId)

  /** Among its charger's own: this is asked several times a second. */
  const sessionOf = (wish: Wish): Session | undefined =>
    node
      .ledger()
      .view()
      .ofCharger(wish.chargerId)
      .sessions.find(({ sessionId }) => sessionId === wish.sessionId)

  /** The session that a start led to. */
  const begunBy = (wish: Wish): Session | undefined => {
    if (wish.sessionId !== undefined) return sessionOf(wish)
    const taken = new Set(wishes.all().flatMap(({ sessionId }) => sessionId ?? []))
    return deps
      .aliases(wish.tokenRef)
      .flatMap(node.ledger().view().ofToken)
      .find(
        // On whichever connector: some chargers choose for themselves.
        session =>
          session.chargerId === wish.chargerId && !taken.has(session.sessionId) && mayBeOf(wish, session),
      )
  }

  /** What the charger has reported meanwhile; true when that settles it. */
  const isSettled = (wish: Wish): boolean => {
    const found = wish.kind === 'start' ? begunBy(wish) : sessionOf(wish)
    if (!found || (wish.kind === 'stop' && !found.end)) return false
    Object.assign(wish, { sessionId: found.sessionId, state: 'done', idTag: undefined })
    wish.text = wish.kind === 'start' ? 'Charging has begun.' : 'Charging has ended.'
    return true
  }

  const deliver = (wish: Wish): void => {
    void sendWish(deps, wish, sessionOf(wish)).finally(() => {
      saveBehind()
      tick()
    })
  }

  const isWaitedFor = (wish: Wish): boolean => isPending(wish) && (wish.state !== 'queued' || isHere(wish))

  const tick = (): void => {
    const before = wishes.pending()
    const settled = before.filter(isSettled)
    const expired = wishes.expire(clock.wallMs(), clock.monotonicMs())
    for (const wish of wishes.pending())
      if (wish.state === 'queued' && isHere(wish) && clock.monotonicMs() >= wish.notBeforeMs) deliver(wish)
    if (settled.length + expired.length > 0) saveBehind()
    const nowMs = clock.monotonicMs()
    const done = waiters.filter(({ wish, endMs }) => !isWaitedFor(wish) || nowMs >= endMs)
    waiters = waiters.filter(waiter => !done.includes(waiter))
    for (const { resolve } of done) resolve()
  }

  const answerOf = (wish: Wish): SessionAnswer => {
    const found = wish.kind === 'start' ? begunBy(wish) : sessionOf(wish)
    const request = requestAnswer(wish)
    return found ? answerFor(deps, found, request) : nothingYet(request, { isOffline: isOffline(deps) })
  }

  const settle = async (wish: Wish, waitMs: number, isRepeat: boolean): Promise<Settled> => {
    tick()
    if (isWaitedFor(wish)) {
      await new Promise<void>(resolve => {
        waiters.push({ wish, endMs: clock.monotonicMs() + waitMs, resolve })
      })
    }
    if (wish.state === 'done') return { status: 200, answer: answerOf(wish), isRepeat }
    if (isPending(wish)) return { status: 202, answer: answerOf(wish), isRepeat }
    const [status, code] =
      wish.state === 'refused' ? [409, wish.problem ?? 'CHARGER_REFUSED'] : [410, 'REQUEST_GONE' as const]
    const station = stationOf(deps, wish.chargerId)
    const alternatives = wish.kind === 'start' ? alternativesTo(station, stationsOf(deps)) : []
    throw new Problem(status, code, wish.text, {
      ...{ alternatives, request: requestAnswer(wish), session_id: wish.sessionId ?? null },
    })
  }

  /** Takes a wish on: remembered before anybody acts on it, and before its driver hears that it waits. */
  const takeOn = async (wish: Wish, waitMs: number): Promise<Settled> => {
    if (!wishes.add(wish))
      throw new Problem(429, 'TOO_MANY', 'Too many requests wait already; see what became of them first.')
    try {
      if (isHere(wish)) saveBehind()
      else await save()
    } catch (error) {
      wishes.remove(wish)
      logger.error('drivers’ wishes not kept', { reason: reasonOf(error) })
      throw new Problem(503, 'TRY_LATER', 'The charger is away, and this node cannot keep the request.')
    }
    return await settle(wish, waitMs, false)
  }

  const known = (scope: string, words: string): Wish | undefined => {
    const found = wishes.find(scope, words)
    if (found.kind === 'other-words')
      throw new Problem(
        422,
        'KEY_REUSED',
        'That idempotency key was used for another request; take a new one.',
      )
    return found.kind === 'same' ? found.wish : undefined
  }

  const newWish = (kind: Wish['kind'], station: Station, { tokenRef }: Asked, expiresInS: number) => {
    const createdAt = clock.wallMs()
    return {
      ...{ id: hex(deps.random.bytes(16)), kind, tokenRef, chargerId: station.chargerId, createdAt },
      expiresAt: createdAt + expiresInS * 1000,
      untilMs: clock.monotonicMs() + expiresInS * 1000,
      state: 'queued' as const,
      text: WAITING[kind],
      notBeforeMs: 0,
      tries: 0,
    }
  }

  const scoped = (kind: Wish['kind'], { key, tokenRef }: Asked): string =>
    scopeOf(kind, tokenRef, key ?? hex(deps.random.bytes(16)))

  return {
    start: async (words, asked) => {
      const scope = scoped('start', asked)
      const said = digest(['start', words.station_id, words.connector_id ?? null, words.expires_in_s])
      const before = known(scope, said)
      if (before) return await settle(before, asked.waitMs, true)
      const { tokenRef, idTag, missed } = asked
      // Whoever may not charge is not told more of the site than that.
      const asFound = stationOf(deps, words.station_id)
      const { allowed } = deps.mayCharge(asFound.chargerId, tokenRef)
      if (allowed !== 'ALLOWED') {
        missed()
        throw new Problem(403, allowed, REFUSALS[allowed])
      }
      await assertNotElsewhere(deps, asFound)
      // Whoever asks twice at once is served once, and what was asked took its time.
      const meanwhile = known(scope, said)
      if (meanwhile) return await settle(meanwhile, asked.waitMs, true)
      const station = stationOf(deps, words.station_id)
      const own = station.openSessions.find(
        ({ tokenRef: ref, connectorId }) =>
          deps.aliases(tokenRef).includes(ref) &&
          (words.connector_id ?? connectorId) === connectorId &&
          // The end of a session may be lost for days: where the connector is free, none runs.
          connectorState(station, connectorId) !== 'free',
      )
      if (own)
        throw new Problem(409, 'ALREADY_CHARGING', 'This card charges there already.', {
          session_id: own.sessionId,
        })
      const connectorId = chooseConnector(station, words.connector_id, () => stationsOf(deps))
      const wish = newWish('start', station, asked, words.expires_in_s)
      return await takeOn({ ...wish, scope, words: said, connectorId, idTag }, asked.waitMs)
    },
    stop: async (words, asked) => {
      const scope = scoped('stop', asked)
      const said = digest(['stop', words.session_id ?? null, words.station_id ?? null, words.expires_in_s])
      const before = known(scope, said)
      if (before) return await settle(before, asked.waitMs, true)
      const target =
        words.session_id === undefined ? atStation(words.station_id ?? '', asked) : words.session_id
      if (typeof target === 'object') return cancelled(target)
      const found = session(target)
      if (!found || !mayStop(deps, found, asked.tokenRef)) {
        asked.missed()
        throw new Problem(403, 'NOT_YOURS', 'This card cannot end that session.')
      }
      if (found.end) return { status: 200, answer: answerFor(deps, found), isRepeat: false }
      const station = stationOf(deps, found.chargerId)
      await assertNotElsewhere(deps, station)
      const meanwhile = known(scope, said)
      if (meanwhile) return await settle(meanwhile, asked.waitMs, true)
      const wish = newWish('stop', station, asked, words.expires_in_s)
      return await takeOn({ ...wish, scope, words: said, sessionId: found.sessionId }, asked.waitMs)
    },
    request: id => {
      const wish = wishes.byId(id)
      return wish && answerOf(wish)
    },
    session,
    tick,
    pending: () => wishes.pending().length,
  }

  /** The session that the card may end at a station, or its start that waits there. */
  function atStation(id: string, { tokenRef, missed }: Asked): SessionId | Wish {
    const station = stationOf(deps, id)
    const running = station.openSessions.findLast(one => mayStop(deps, one, tokenRef))
    if (running) return running.sessionId
    const waiting = wishes
      .pending()
      .find(one => one.kind === 'start' && one.chargerId === id && one.tokenRef === tokenRef)
    if (waiting) return waiting
    missed()
    throw new Problem(404, 'SESSION_UNKNOWN', 'This card charges nothing there.')
  }

  function cancelled(wish: Wish): Settled {
    if (wish.state !== 'queued')
      throw new Problem(
        409,
        'TRY_LATER',
        'The charger was told to start already; ask again once it has begun.',
        {
          request: requestAnswer(wish),
        },
      )
    Object.assign(wish, { state: 'cancelled', idTag: undefined, text: 'Nothing was started.' })
    saveBehind()
    tick()
    return { status: 200, answer: answerOf(wish), isRepeat: false }
  }
}
