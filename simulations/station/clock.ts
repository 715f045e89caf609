// A charge point's own clock, as wrong as its firmware: what its timestamps say. An ordinary one is right. Without a
// battery it counts from 1970 after each power-up until a boot is answered, and then believes whatever it was told.
import type { StationDeps } from './station.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const AHEAD_MS = [10 * MINUTE_MS, 2 * HOUR_MS, 26 * HOUR_MS, 30 * 24 * HOUR_MS]
/** Local time without a word of its zone; read as UTC it is so far off. */
const ZONES_MS = [0, HOUR_MS, 2 * HOUR_MS, -5 * HOUR_MS]

export type StationClock = {
  /** Now, as this firmware writes it. */
  readonly stamp: () => string
  /** The time that the central system told it. */
  readonly hear: (currentTime: unknown) => void
  readonly powerUp: () => void
  /** Whether it forgets the time with the power. */
  readonly isVolatile: boolean
}

export function createClock({ plan, startsAt, nowMs, dice }: StationDeps): StationClock {
  const isVolatile = plan.quirks.includes('no-clock')
  const isZoneless = plan.quirks.includes('zoneless-clock')
  const throws = dice.fork(`clock of ${plan.id}`)
  const aheadMs = plan.quirks.includes('clock-ahead') ? throws.pick(AHEAD_MS) : 0
  const zoneMs = isZoneless ? throws.pick(ZONES_MS) : 0
  const set = { at: isVolatile ? 0 : startsAt, sinceMs: isVolatile ? nowMs() : 0 }
  return {
    isVolatile,
    stamp: () => {
      const at = Math.floor(set.at + nowMs() - set.sinceMs) + aheadMs + zoneMs
      const text = new Date(at).toISOString()
      if (isZoneless) return text.slice(0, 19)
      return isVolatile ? `${text.slice(0, 19)}Z` : text
    },
    hear: currentTime => {
      const at = typeof currentTime === 'string' ? Date.parse(currentTime) : Number.NaN
      if (!isVolatile || Number.isNaN(at)) return
      set.at = at
      set.sinceMs = nowMs()
    },
    powerUp: () => {
      if (!isVolatile) return
      set.at = 0
      set.sinceMs = nowMs()
    },
  }
}
