// How much a hot connector may still give. It goes down by a quarter each minute while it is too hot, to a quarter at the
// least, and up again by a quarter each five minutes when it is ten degrees below the threshold: in between it stays, so that
// it does not swing. Below the last step the charger's own protection decides.
export const SHARES = [1, 0.75, 0.5, 0.25] as const
const DOWN_AFTER_MS = 60_000
const UP_AFTER_MS = 5 * 60_000
/** So far below the threshold it counts as cool. */
const COOL_BY_C = 10

/** `step` counts in SHARES. */
export type Derating = { readonly step: number; readonly sinceMs: number }
export const FULL: Derating = { step: 0, sinceMs: Number.NEGATIVE_INFINITY }

export type Heat = {
  /** As measured last; undefined where nothing is. */
  readonly celsius?: number | undefined
  /** The charger itself says that it is too hot. */
  readonly isAlarm: boolean
}

export function derate(
  held: Derating,
  { celsius, isAlarm }: Heat,
  hotFromC: number,
  nowMs: number,
): Derating {
  const isHot = isAlarm || (celsius !== undefined && celsius >= hotFromC)
  const isCool = !isAlarm && (celsius === undefined || celsius <= hotFromC - COOL_BY_C)
  const forMs = nowMs - held.sinceMs
  if (isHot && held.step < SHARES.length - 1 && forMs >= DOWN_AFTER_MS)
    return { step: held.step + 1, sinceMs: nowMs }
  if (isCool && held.step > 0 && forMs >= UP_AFTER_MS) return { step: held.step - 1, sinceMs: nowMs }
  return held
}
