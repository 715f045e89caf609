// When drivers come: a weight for each slot, by the hour of the day (UTC, which is the site's time here) or, for an event,
// by the share of the run that has passed. Weights only compare: how many come in all is said elsewhere.
import * as read from './reading.ts'

export const PROFILE_NAMES = ['flat', 'campus', 'depot', 'festival', 'stadium'] as const
export type Profile = {
  readonly by: 'hour' | 'share-of-run'
  readonly weights: readonly number[]
}

export const PROFILES: Readonly<Record<(typeof PROFILE_NAMES)[number], Profile>> = {
  flat: { by: 'hour', weights: Array.from({ length: 24 }, () => 1) },
  // Lectures from eight, a second wave after lunch, nearly nobody at night.
  campus: {
    by: 'hour',
    weights: [0, 0, 0, 0, 0, 1, 4, 10, 14, 12, 8, 6, 7, 9, 7, 5, 4, 3, 2, 2, 1, 1, 0, 0],
  },
  // Vans come back from their tours from four in the afternoon; a few swap at noon.
  depot: {
    by: 'hour',
    weights: [1, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 3, 4, 3, 4, 8, 16, 22, 20, 14, 8, 4, 2, 1],
  },
  // Late mornings and the night after the last band.
  festival: {
    by: 'hour',
    weights: [8, 6, 4, 2, 1, 1, 1, 2, 4, 6, 9, 10, 10, 9, 8, 8, 7, 6, 5, 4, 3, 4, 6, 8],
  },
  // Twelfths of the event. At four hours: most within the first 90 minutes, hardly anybody after half-time.
  stadium: { by: 'share-of-run', weights: [14, 24, 26, 18, 9, 4, 2, 1, 1, 0.5, 0.3, 0] },
}

export type Slot = { readonly fromMs: number; readonly untilMs: number; readonly arrivals: number }
export type Season = {
  readonly startsAt: number
  readonly durationMs: number
  /** Mean over the profile's day, or over the run for an event. */
  readonly perHour: number
}

/** Slots that cover the run without a gap, with the arrivals that are expected in each. */
export function slotsOf(profile: Profile, season: Season): readonly Slot[] {
  const mean = profile.weights.reduce((sum, weight) => sum + weight, 0) / profile.weights.length
  if (mean === 0) return []
  const borders = profile.by === 'hour' ? hoursOf(season) : partsOf(profile, season)
  return borders.slice(1).map((untilMs, i) => {
    const fromMs = borders[i] ?? 0
    const hour = Math.floor((season.startsAt + fromMs) / read.HOUR) % 24
    const weight = profile.weights[profile.by === 'hour' ? hour : i] ?? 0
    return { fromMs, untilMs, arrivals: (((untilMs - fromMs) / read.HOUR) * season.perHour * weight) / mean }
  })
}

function hoursOf({ startsAt, durationMs }: Season): readonly number[] {
  const borders = [0]
  for (let ms = read.HOUR - (startsAt % read.HOUR); ms < durationMs; ms += read.HOUR) borders.push(ms)
  return [...borders, durationMs]
}

function partsOf({ weights }: Profile, { durationMs }: Season): readonly number[] {
  return [...weights.map((_, i) => Math.floor((i * durationMs) / weights.length)), durationMs]
}

/** A day's profile as a scenario file has it: by its name, or hour by hour. */
export const PROFILE = read.field(
  `${PROFILE_NAMES.join(', ')}, or a list of 24 numbers, one for each hour of the day`,
  (value): Profile | undefined => {
    const name = PROFILE_NAMES.find(one => one === value)
    if (name !== undefined) return PROFILES[name]
    if (!Array.isArray(value) || value.length !== 24) return undefined
    const weights = value.filter(one => typeof one === 'number' && one >= 0)
    return weights.length === 24 ? { by: 'hour', weights } : undefined
  },
)
