// What happened in a session, as a price needs it. Whole seconds and whole Wh, so that everybody who computes with it comes
// to the same.

/** Wh since the start, by then. */
export type CurvePoint = { readonly at: number; readonly wh: number }

/**
 * A span in which nothing flowed. `parked`: the vehicle did not ask for power, OCPI's PARKING_TIME. `withheld`: the charger
 * gave none to a vehicle that asked, which costs no time at all.
 */
export type IdleSpan = {
  readonly fromAt: number
  readonly toAt: number
  readonly kind: 'parked' | 'withheld'
}

export type Usage = {
  /** UTC seconds. */
  readonly startedAt: number
  readonly stoppedAt: number
  /** From `{ at: startedAt, wh: 0 }` to `{ at: stoppedAt, wh: all of it }`; neither ever falls. */
  readonly curve: readonly CurvePoint[]
  /** In order, apart from one another, within the session. */
  readonly idle: readonly IdleSpan[]
}

export function energyOf({ curve }: Usage): number {
  return curve.at(-1)?.wh ?? 0
}

/** A session that its clock says lasted longer is left to a person; so is the number of its nights bounded. */
export const MAX_SESSION_S = 366 * 86_400

/** Whether it is what it should be: whole numbers, forwards, and no longer than a session lasts. */
export function isWhole({ startedAt, stoppedAt, curve, idle }: Usage): boolean {
  const [first, last] = [curve[0], curve.at(-1)]
  const inOrder = curve.every(
    ({ at, wh }, i) =>
      Number.isSafeInteger(at) &&
      Number.isSafeInteger(wh) &&
      at >= (curve[i - 1]?.at ?? at) &&
      wh >= (curve[i - 1]?.wh ?? 0),
  )
  return (
    inOrder &&
    first?.at === startedAt &&
    first.wh === 0 &&
    last?.at === stoppedAt &&
    stoppedAt - startedAt <= MAX_SESSION_S &&
    idle.every(
      ({ fromAt, toAt }, i) =>
        Number.isSafeInteger(fromAt) &&
        Number.isSafeInteger(toAt) &&
        fromAt <= toAt &&
        fromAt >= (idle[i - 1]?.toAt ?? startedAt) &&
        toAt <= stoppedAt,
    )
  )
}
