// Ends what still runs on a card that was revoked meanwhile, where the site wants that (PROTOCOL 2.3), and what runs longer
// than a session may: the node that the charger is connected to asks it, within a tick of the news, and again a few times
// while the session stays open.
// Whatever the charger does, the session is recorded and billed as it says.
import type { Acting } from './acting.ts'
import type { Aliases } from './card.ts'
import type { AnyBody } from './log/body.ts'
import { wallOf } from './log/hlc.ts'
import type { ChargePoints, CommandOutcome } from './ports.ts'
import type { Session } from './session/fold.ts'
import type { ChargerId, SessionId, TokenRef } from './units.ts'

/** A charger that refuses so often will not be talked into it; the wait doubles from the first to the last. */
const MAX_TRIES = 5
const FIRST_WAIT_MS = 30_000
const MAX_DETAIL_CHARACTERS = 256

/** Asks what is due, and writes down what came of it since the last tick. */
export type Stops = { readonly tick: (act: Acting) => void }

type Asked = { readonly chargerId: ChargerId; readonly tries: number; readonly nextAtMs: number }

export type StopsDeps = { readonly chargePoints: ChargePoints; readonly aliases?: Aliases | undefined }

export function createStops({ chargePoints, aliases = alone }: StopsDeps): Stops {
  let asked: ReadonlyMap<SessionId, Asked> = new Map()
  const outcomes: AnyBody[] = []
  const ages = createAges()
  return {
    tick: act => {
      act.record(outcomes.splice(0))
      const here = new Set(chargePoints.connected())
      if (here.size === 0) return
      // Of a charger that is away nothing is asked, and nothing is forgotten.
      const next = new Map([...asked].filter(([, { chargerId }]) => !here.has(chargerId)))
      const { monotonicMs } = act.times
      for (const { session, why } of dueHere(act, { here, aliases, ages })) {
        const { sessionId, chargerId } = session
        const past = asked.get(sessionId) ?? { chargerId, tries: 0, nextAtMs: 0 }
        next.set(sessionId, past)
        if (past.tries >= MAX_TRIES || monotonicMs < past.nextAtMs) continue
        const tries = past.tries + 1
        next.set(sessionId, { chargerId, tries, nextAtMs: monotonicMs + FIRST_WAIT_MS * 2 ** past.tries })
        act.afterwards(() => {
          void chargePoints
            .command(chargerId, stopOf(session, tries))
            .then(outcome => void outcomes.push(noteOf(session, why, wordsOf(tries, outcome))))
        })
      }
      asked = next
    },
  }
}

function alone(tokenRef: TokenRef): readonly TokenRef[] {
  return [tokenRef]
}

type Due = { readonly session: Session; readonly why: 'stopped-revoked' | 'stopped-overlong' }
type Looking = { readonly here: ReadonlySet<ChargerId>; readonly aliases: Aliases; readonly ages: Ages }

/** Sessions here that run on a card whose revocation no grant undoes, unless the site lets them finish, or for too long. */
function dueHere(act: Acting, { here, aliases, ages }: Looking): readonly Due[] {
  const { policy, sitePolicy, ofCharger } = act.ledger.view()
  const stopsRevoked = sitePolicy.value('revoked-while-charging') === 'stop'
  const mostMinutes = sitePolicy.number('max-session-minutes')
  if (!stopsRevoked && mostMinutes === undefined) return []
  const open = [...here].flatMap(chargerId => ofCharger(chargerId).sessions.filter(session => !session.end))
  const isOverlong = mostMinutes === undefined ? undefined : ages.of(act, open, here)
  return open.flatMap<Due>(session => {
    if (stopsRevoked && policy.tokenOf(aliases(session.tokenRef)).kind === 'revoked')
      return [{ session, why: 'stopped-revoked' }]
    const ageMs = isOverlong?.get(session.sessionId)
    if (ageMs === undefined || mostMinutes === undefined || ageMs < mostMinutes * MINUTE_MS) return []
    return [{ session, why: 'stopped-overlong' }]
  })
}

const MINUTE_MS = 60_000

/**
 * How long sessions have run. A wall clock is asked once, when a session is first seen here, and not while it is in doubt; from
 * then on the monotonic clock counts, or every session would end when a clock is set forward.
 */
type Ages = {
  readonly of: (
    act: Acting,
    open: readonly Session[],
    here: ReadonlySet<ChargerId>,
  ) => ReadonlyMap<SessionId, number>
}

function createAges(): Ages {
  let seen: ReadonlyMap<SessionId, { readonly chargerId: ChargerId; readonly sinceMs: number }> = new Map()
  return {
    of: ({ ledger, times }, open, here) => {
      const { nowAt, isClockInDoubt } = ledger.news(times)
      // Of a charger that is away nothing is forgotten.
      const next = new Map([...seen].filter(([, { chargerId }]) => !here.has(chargerId)))
      for (const { sessionId, chargerId, start } of open) {
        const ageMs = isClockInDoubt ? 0 : Math.max(0, nowAt - wallOf(start.hlc))
        next.set(sessionId, seen.get(sessionId) ?? { chargerId, sinceMs: times.monotonicMs - ageMs })
      }
      seen = next
      return new Map([...next].map(([sessionId, { sinceMs }]) => [sessionId, times.monotonicMs - sinceMs]))
    },
  }
}

/** Nodes that did not know of one another may have given it several ids: the charger knows one of them. */
function stopOf({ transactionIds, start }: Session, tries: number) {
  const transactionId = transactionIds.at(-1 - ((tries - 1) % transactionIds.length))
  const { stationTransactionId } = start.body
  return {
    kind: 'remoteStop',
    transactionId: transactionId ?? start.body.transactionId,
    ...(stationTransactionId !== undefined && { stationTransactionId }),
  } as const
}

function noteOf({ chargerId, connectorId, tokenRef }: Session, code: Due['why'], words: string): AnyBody {
  const detail = words.slice(0, MAX_DETAIL_CHARACTERS)
  return { name: 'diagnostics', body: { code, detail, chargerId, connectorId, tokenRef } }
}

function wordsOf(tries: number, outcome: CommandOutcome): string {
  const which = `try ${tries} of ${MAX_TRIES}`
  if (outcome.kind === 'accepted') return `${which}: the charger ends the session`
  if (outcome.kind === 'rejected') return `${which}: the charger refuses, ${outcome.status}`
  return `${which}: not reached, ${outcome.reason}`
}
