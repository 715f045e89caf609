// Times at which something holds, as spans that include their beginning and not their end, sorted and apart.

export type Span = readonly [fromMs: number, untilMs: number]
export type Spans = readonly Span[]

/** Sorted, without overlaps, and nothing at or behind `endMs`. */
export function spansOf(spans: readonly Span[], endMs: number): Spans {
  const sorted = spans
    .map(([fromMs, untilMs]): Span => [Math.max(0, fromMs), Math.min(untilMs, endMs)])
    .filter(([fromMs, untilMs]) => fromMs < untilMs)
    .toSorted((a, b) => a[0] - b[0] || a[1] - b[1])
  const merged: [number, number][] = []
  for (const [fromMs, untilMs] of sorted) {
    const last = merged.at(-1)
    if (last && fromMs <= last[1]) last[1] = Math.max(last[1], untilMs)
    else merged.push([fromMs, untilMs])
  }
  return merged
}

export function holdsAt(spans: Spans, atMs: number): boolean {
  let [low, high] = [0, spans.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((spans[middle]?.[1] ?? 0) > atMs) high = middle
    else low = middle + 1
  }
  const [fromMs] = spans[low] ?? []
  return fromMs !== undefined && fromMs <= atMs
}

/** The greatest index whose value is not above `value`, or -1. `rising` is sorted. */
export function lastNotAfter(rising: readonly number[], value: number): number {
  let [low, high] = [0, rising.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((rising[middle] ?? 0) <= value) low = middle + 1
    else high = middle
  }
  return low - 1
}
