// Ends what still runs on a card that was revoked meanwhile, where the site wants that (PROTOCOL 2.3): the node that the
// charger is connected to asks it, within a tick of the news, and again a few times while the session stays open.
// Whatever the charger does, the session is recorded and billed as it says.
import type { Acting } from './acting.ts'
import type { Aliases } from './card.ts'
import type { AnyBody } from './log/body.ts'
import type { ChargePoints, CommandOutcome } from './ports.ts'
import type { Session } from './session/fold.ts'
import type { ChargerId, SessionId, TokenRef } from './units.ts'
import type { View } from './view.ts'

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
  return {
    tick: act => {
      act.record(outcomes.splice(0))
      const here = new Set(chargePoints.connected())
      if (here.size === 0) return
      // Of a charger that is away nothing is asked, and nothing is forgotten.
      const next = new Map([...asked].filter(([, { chargerId }]) => !here.has(chargerId)))
      const { monotonicMs } = act.times
      for (const session of openRevoked(act.ledger.view(), here, aliases)) {
        const { sessionId, chargerId } = session
        const past = asked.get(sessionId) ?? { chargerId, tries: 0, nextAtMs: 0 }
        next.set(sessionId, past)
        if (past.tries >= MAX_TRIES || monotonicMs < past.nextAtMs) continue
        const tries = past.tries + 1
        next.set(sessionId, { chargerId, tries, nextAtMs: monotonicMs + FIRST_WAIT_MS * 2 ** past.tries })
        act.afterwards(() => {
          void chargePoints
            .command(chargerId, stopOf(session, tries))
            .then(outcome => void outcomes.push(noteOf(session, tries, outcome)))
        })
      }
      asked = next
    },
  }
}

function alone(tokenRef: TokenRef): readonly TokenRef[] {
  return [tokenRef]
}

/** Sessions here that run on a card whose revocation no grant undoes; none where the site lets them finish. */
function openRevoked(view: View, here: ReadonlySet<ChargerId>, aliases: Aliases): readonly Session[] {
  const { policy, sitePolicy } = view
  if (sitePolicy.value('revoked-while-charging') !== 'stop') return []
  const isRevoked = ({ tokenRef }: Session): boolean => policy.tokenOf(aliases(tokenRef)).kind === 'revoked'
  return [...here].flatMap(chargerId =>
    view.ofCharger(chargerId).sessions.filter(session => !session.end && isRevoked(session)),
  )
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

function noteOf(
  { chargerId, connectorId, tokenRef }: Session,
  tries: number,
  outcome: CommandOutcome,
): AnyBody {
  const detail = `try ${tries} of ${MAX_TRIES}: ${wordsOf(outcome)}`.slice(0, MAX_DETAIL_CHARACTERS)
  return { name: 'diagnostics', body: { code: 'stopped-revoked', detail, chargerId, connectorId, tokenRef } }
}

function wordsOf(outcome: CommandOutcome): string {
  if (outcome.kind === 'accepted') return 'the charger ends the session'
  if (outcome.kind === 'rejected') return `the charger refuses, ${outcome.status}`
  return `not reached, ${outcome.reason}`
}
