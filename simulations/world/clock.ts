// The clock of one simulated machine: true time, bent by what a plan does to it. The monotonic clock drifts, but never jumps.
import type { Clock } from '../../src/ports.ts'

export type BentClock = Clock & {
  readonly jump: (byMs: number) => void
  /** Parts per million from now on. */
  readonly drift: (ppm: number) => void
  /** The wall clock says this UTC instant now. */
  readonly set: (wallMs: number) => void
  readonly reboot: () => void
  /** As a time server would mend it: right now, and from now on. */
  readonly mend: () => void
  readonly errorMs: () => number
}

export function bentClock(nowMs: () => number, startsAt: number): BentClock {
  let offsetMs = 0
  let ppm = 0
  let driftFromMs = 0
  let bootedMs = 0
  const drifted = (): number => ((nowMs() - driftFromMs) * ppm) / 1e6
  const errorMs = (): number => Math.round(offsetMs + drifted())
  const settle = (): void => {
    offsetMs += drifted()
    driftFromMs = nowMs()
  }
  return {
    wallMs: () => Math.max(0, Math.floor(startsAt + nowMs()) + errorMs()),
    monotonicMs: () => (nowMs() - bootedMs) * (1 + ppm / 1e6),
    jump: byMs => {
      offsetMs += byMs
    },
    drift: rate => {
      settle()
      ppm = rate
    },
    set: wallMs => {
      settle()
      offsetMs = wallMs - startsAt - nowMs()
    },
    reboot: () => {
      bootedMs = nowMs()
    },
    mend: () => {
      offsetMs = 0
      ppm = 0
      driftFromMs = nowMs()
    },
    errorMs,
  }
}
