// What a price is told of a session: how long it lasted, and how its energy came over that time. All from the fold, so that
// every node and the cloud say the same.
import type { Session } from '../session/fold.ts'
import { timesOf } from '../session/times.ts'
import type { Usage } from '../tariff/usage.ts'

/** `energyWh` is what is billed; `untilAt` (ms) stands in for the stop that has not come. */
export function usageOf(session: Session, energyWh: number, untilAt?: number): Usage {
  const { startedAt, stoppedAt } = timesOf(session)
  const from = secondsOf(startedAt.at)
  const to = Math.max(from, secondsOf(stoppedAt?.at ?? untilAt ?? startedAt.at))
  return {
    startedAt: from,
    stoppedAt: to,
    curve: [
      { at: from, wh: 0 },
      { at: to, wh: energyWh },
    ],
    idle: [],
  }
}

function secondsOf(ms: number): number {
  return Math.floor(ms / 1000)
}
