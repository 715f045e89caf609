// What a price is told of a session: how long it lasted, and how its energy came over that time. All from the fold, so that
// every node and the cloud say the same.
import { registersOf } from '../session/curve.ts'
import { sampledAt } from '../session/facts.ts'
import type { Session } from '../session/fold.ts'
import { timesOf, wrongClockOf } from '../session/times.ts'
import type { Usage } from '../tariff/usage.ts'
import { flowOf } from './flow.ts'
import { idleOf } from './idle.ts'

/** `energyWh` is what is billed; `untilAt` (ms) stands in for the stop that has not come: else the last reading does. */
export function usageOf(session: Session, energyWh: number, untilAt?: number): Usage {
  const { startedAt, stoppedAt } = timesOf(session)
  const from = secondsOf(startedAt.at)
  const to = Math.max(from, secondsOf(stoppedAt?.at ?? untilAt ?? lastReadAt(session) ?? startedAt.at))
  const curve = flowOf(session, { from, to, energyWh })
  return { startedAt: from, stoppedAt: to, curve, idle: idleOf(session, curve) }
}

/** The last reading that held a register; of a session without a curve, that held anything. */
function lastReadAt(session: Session): number | undefined {
  const wrong = wrongClockOf(session)
  const at = registersOf(session.curve).at(-1)?.at ?? (session.lastTick && sampledAt(session.lastTick))
  return at !== undefined && wrong?.isSet ? at - wrong.aheadMs : at
}

function secondsOf(ms: number): number {
  return Math.floor(ms / 1000)
}
