// Ends what still runs on a card that was revoked meanwhile, where the site wants that (PROTOCOL 2.3): the node that the
// charger is connected to asks it, within a tick of the news, and again a few times while the session stays open.
// Whatever the charger does, the session is recorded and billed as it says.
import type { Acting } from './acting.ts'
import type { AnyBody } from './log/body.ts'
import type { ChargePoints, CommandOutcome } from './ports.ts'
import type { Send } from './replica/sends.ts'
import type { Session } from './session/fold.ts'
import type { SessionId } from './units.ts'
import type { View } from './view.ts'

/** A charger that refuses so often will not be talked into it; the wait doubles from the first to the last. */
const MAX_TRIES = 5
const FIRST_WAIT_MS = 30_000
const MAX_DETAIL_CHARACTERS = 256

export type Stops = {
  /** `back` brings an outcome into the mailbox. */
  readonly tick: (act: Acting, back: (result: (act: Acting) => readonly Send[]) => void) => void
}

type Asked = { readonly tries: number; readonly nextAtMs: number }

export function createStops({ chargePoints }: { readonly chargePoints: ChargePoints }): Stops {
  let asked: ReadonlyMap<SessionId, Asked> = new Map()
  return {
    tick: (act, back) => {
      const open = openRevoked(act.ledger.view())
      if (open.length === 0 && asked.size === 0) return
      const here = new Set(chargePoints.connected())
      const next = new Map<SessionId, Asked>()
      for (const session of open) {
        const { sessionId, chargerId } = session
        const past = asked.get(sessionId) ?? { tries: 0, nextAtMs: 0 }
        next.set(sessionId, past)
        const { monotonicMs } = act.times
        if (!here.has(chargerId) || past.tries >= MAX_TRIES || monotonicMs < past.nextAtMs) continue
        const tries = past.tries + 1
        next.set(sessionId, { tries, nextAtMs: monotonicMs + FIRST_WAIT_MS * 2 ** past.tries })
        act.afterwards(() => {
          void chargePoints.command(chargerId, stopOf(session, tries)).then(outcome =>
            back(then => {
              then.record([noteOf(session, tries, outcome)])
              return []
            }),
          )
        })
      }
      asked = next
    },
  }
}

/** Sessions that run on a card whose revocation no grant undoes; none where the site lets them finish. */
function openRevoked({ policy, sitePolicy, ofToken }: View): readonly Session[] {
  if (sitePolicy.value('revoked-while-charging') !== 'stop') return []
  return policy
    .everRevoked()
    .filter(tokenRef => policy.token(tokenRef).kind === 'revoked')
    .flatMap(tokenRef => ofToken(tokenRef).filter(session => !session.end))
}

/** Nodes that did not know of one another may have given it several ids: the charger knows one of them. */
function stopOf({ transactionIds, start }: Session, tries: number) {
  const transactionId = transactionIds.at(-1 - ((tries - 1) % transactionIds.length))
  return { kind: 'remoteStop', transactionId: transactionId ?? start.body.transactionId } as const
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
