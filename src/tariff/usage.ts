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
