// Where nodes agree at our receiver, the turn is whose lease it is (uplink/lease.ts), and the operator's order only says who may
// begin and who may follow. The words of the holder before count as they do at a hand-over; where it fell silent, what it may
// have told unheard is a person's to decide.
import type { Acting } from './acting.ts'
import { doubtOf, heldWords, type Standing, type StandingDeps } from './forwarder-standing.ts'
import { wallOf } from './log/hlc.ts'
import type { AgreedTurn } from './upstream.ts'

/** A call has its answer within that time, or is given up (uplink/csms.ts). */
const CALL_MS = 30_000
/** From the decision to the disk's word, after which a call leaves. */
const FLUSH_MS = 2_000

/** Whether there is time left to decide on a call. */
export function mayDecide(turn: AgreedTurn | undefined): boolean {
  return !turn || turn.heldForMs() >= CALL_MS + FLUSH_MS
}

/** Whether a call may leave that was decided on: the disk may have been slow. */
export function mayLeave(turn: AgreedTurn | undefined): boolean {
  return !turn || turn.heldForMs() >= CALL_MS
}

export function agreedStanding(
  { ledger }: Pick<Acting, 'ledger'>,
  { uplink, self, nameOf, turn }: StandingDeps & { readonly turn: AgreedTurn },
): Standing {
  const no = (reason: string): Standing => ({ mayForward: false, reason, isDoubtful: () => false })
  const { turns, told } = ledger.view().forwarding
  if (!turns.order().includes(self)) {
    turn.tick(undefined)
    return no('the operator does not name this node among the forwarders')
  }
  const ordered = turns.of(uplink)
  turn.tick({ mayBegin: ordered?.holder === self, heads: () => told.heads(uplink) })
  const state = turn.state()
  switch (state.kind) {
    case 'unasked':
      return no(`no turn is agreed upon at the receiver: ${state.reason}`)
    case 'waiting': {
      const whom = state.holder === undefined ? 'a holder that is not known' : nameOf(state.holder)
      return no(
        `waits for ${whom}, which has the turn at the receiver; takes it after ${Math.ceil(state.forMs / 1000)} s of silence`,
      )
    }
    case 'held': {
      const { heads, takenAt } = state
      if (!heldWords(ledger, heads ?? []))
        return no('has the turn; waits for words of the node before, which are not here yet')
      // Nobody gave it up or fell silent here: what was before the agreement, only the order tells.
      const isFirst = heads === undefined && takenAt === undefined
      const isTakenOver = isFirst && ordered?.isTakenOver === true
      const isOld = doubtOf({ isTakenOver, orderedAt: ordered?.orderedAt ?? 0n }, ledger)
      const isDoubtful: Standing['isDoubtful'] = session =>
        isOld(session) || (takenAt !== undefined && wallOf((session.end ?? session.start).hlc) <= takenAt)
      return { mayForward: true, reason: '', isDoubtful }
    }
  }
}
