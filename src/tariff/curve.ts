// Places on the line that a session's energy draws over its time: straight between two points. A place is a whole second and
// whole Wh; both only ever grow along the line, so whatever is cut at places, its pieces sum to the whole.
import type { CurvePoint } from './usage.ts'

export type Place = {
  readonly at: number
  readonly wh: number
  /** The second in which the line comes here: what the clock says when the next begins. */
  readonly second: number
  /** Number of the curve's point that the line here comes from. */
  readonly segment: number
}

/** Where the line is at that second; below a step, where it has one. Parts of a Wh are still to come. */
export function placeAt(curve: readonly CurvePoint[], at: number): Place {
  const { before, after, segment } = around(curve, point => point.at >= at)
  const passed = after.at === before.at ? 0n : BigInt(after.at - before.at)
  const grown = BigInt(after.wh - before.wh) * BigInt(at - before.at)
  return { at, wh: before.wh + (passed === 0n ? 0 : Number(grown / passed)), second: at, segment }
}

/** Where so many Wh are first full; they are at most all of it. A second that has begun counts as before it. */
export function placeOf(curve: readonly CurvePoint[], wh: number): Place {
  const { before, after, segment } = around(curve, point => point.wh >= wh)
  const grown = BigInt(after.wh - before.wh)
  const passed = BigInt(after.at - before.at) * BigInt(wh - before.wh)
  if (grown === 0n) return { at: before.at, wh, second: before.at, segment }
  const second = before.at + Number(passed / grown)
  return { at: passed % grown === 0n ? second : second + 1, wh, second, segment }
}

type Around = { readonly before: CurvePoint; readonly after: CurvePoint; readonly segment: number }

/** The points around the first place where it is so. Once it is so it stays so. */
function around(curve: readonly CurvePoint[], isSo: (point: CurvePoint) => boolean): Around {
  let [low, high] = [0, curve.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    const point = curve[middle]
    if (point && isSo(point)) high = middle
    else low = middle + 1
  }
  const after = curve[low] ?? { at: 0, wh: 0 }
  const segment = Math.max(0, low - 1)
  return { before: curve[segment] ?? after, after, segment }
}
