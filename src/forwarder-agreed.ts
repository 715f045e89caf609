// Where the operator lets several nodes agree at our receiver, the turn is whose lease it is (uplink/lease.ts), and the order
// only says who may begin and who may follow. The words of the holder before count as they do at a hand-over; where it fell
// silent, what it may have told unheard is a person's to decide.
import type { Acting } from './acting.ts'
import { heldWords, type Standing, type StandingDeps } from './forwarder-standing.ts'
import { wallOf } from './log/hlc.ts'
import type { DeviceId } from './units.ts'
import type { Agreeing } from './uplink/agreeing.ts'

/** A call has its answer within that time, or is given up. */
export const CALL_MS = 20_000

export function agreedStanding(
  { ledger }: Pick<Acting, 'ledger'>,
  { uplink, self, nameOf, agreeing }: StandingDeps & { readonly agreeing: Pick<Agreeing, 'state'> },
): Standing {
  const no = (reason: string): Standing => ({ mayForward: false, reason, isDoubtful: () => false })
  if (!ledger.view().forwarding.turns.order().includes(self))
    return no('the operator does not name this node among the forwarders')
  const state = agreeing.state(uplink)
  switch (state.kind) {
    case 'unasked':
      return no(`no turn is agreed upon at the receiver: ${state.reason}`)
    case 'waiting': {
      const seconds = Math.ceil(state.forMs / 1000)
      const holder = state.holder === undefined ? 'nobody' : nameOf(state.holder as DeviceId)
      return no(`waits for ${holder}, which holds the turn at the receiver: this node's in ${seconds} s of silence`)
    }
    case 'held': {
      const { heads = [], takenAt } = state
      if (!heldWords(ledger, heads)) return no('was handed the turn; waits for words of the node before')
      const isDoubtful: Standing['isDoubtful'] = ({ start, end }) =>
        takenAt !== undefined && wallOf((end ?? start).hlc) <= takenAt
      return { mayForward: state.forMs >= CALL_MS, reason: 'the turn is about to end', isDoubtful }
    }
  }
}
