// What the readings of a session show of its register, in four of them: the two highest and the two lowest. More is not
// kept, and less would not do: what one reading alone says may be a slip of the meter, and the second bears it out. The
// four of two sets are the four of both, whatever the order, so that every node and the cloud come to the same.
import type { BodyOf } from '../log/body.ts'
import { type Hlc, wallOf } from '../log/hlc.ts'
import { clockedAt } from './clock.ts'

/** A value of the register, and when it was first read: by the charger's clock where that was set, else as recorded. */
export type Register = { readonly wh: number; readonly at: number }

export type Extremes = {
  /** Highest first; each value once. */
  readonly highest: readonly Register[]
  /** Lowest first. */
  readonly lowest: readonly Register[]
}

export const NO_EXTREMES: Extremes = { highest: [], lowest: [] }
const KEPT = 2

export function registerOf(tick: {
  readonly body: BodyOf<'meter_tick'>
  readonly hlc: Hlc
}): Register | undefined {
  const { energyWh, sampledAt } = tick.body
  return energyWh === undefined ? undefined : { wh: energyWh, at: clockedAt(sampledAt) ?? wallOf(tick.hlc) }
}

/** The extremes of all readings of both. */
export function joinExtremes(a: Extremes, b: Extremes): Extremes {
  return {
    highest: b.highest.reduce((kept, one) => insert(kept, one, higher), a.highest),
    lowest: b.lowest.reduce((kept, one) => insert(kept, one, lower), a.lowest),
  }
}

export function withRegister({ highest, lowest }: Extremes, register: Register): Extremes {
  return { highest: insert(highest, register, higher), lowest: insert(lowest, register, lower) }
}

type Order = (a: Register, b: Register) => number

function insert(kept: readonly Register[], one: Register, order: Order): readonly Register[] {
  const same = kept.find(({ wh }) => wh === one.wh)
  if (same && same.at <= one.at) return kept
  const last = kept.at(-1)
  if (!same && last && kept.length === KEPT && order(last, one) < 0) return kept
  return [...kept.filter(other => other !== same), one].sort(order).slice(0, KEPT)
}

function higher(a: Register, b: Register): number {
  return b.wh - a.wh
}

function lower(a: Register, b: Register): number {
  return a.wh - b.wh
}
