// Ours beside the floor, interleaved within one run, because the machine is noisy: the ratio is the median of the pairs.
import type { Kind } from './drive.ts'

export type Figures = Readonly<Record<string, number>>
export type Paired = {
  readonly ours: readonly Figures[]
  readonly floor: readonly Figures[]
}

/** Runs both, turn by turn. */
export async function inPairs(
  { pairs, kinds }: { readonly pairs: number; readonly kinds: readonly Kind[] },
  measure: (kind: Kind, round: number) => Promise<Figures>,
  onDone: (kind: Kind, figures: Figures) => void,
): Promise<Paired> {
  const paired = { ours: [] as Figures[], floor: [] as Figures[] }
  for (let round = 0; round < pairs; round++) {
    for (const kind of kinds) {
      const figures = await measure(kind, round)
      paired[kind].push(figures)
      onDone(kind, figures)
    }
  }
  return paired
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low, high] = [sorted[middle - 1] ?? 0, sorted[middle] ?? 0]
  return sorted.length % 2 === 1 ? high : (low + high) / 2
}

/** The q-th part of the values is at most this (nearest rank). */
export function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0
}

/** Median, least and greatest of one figure over the rounds. */
export function spread(rounds: readonly Figures[], name: string): readonly [number, number, number] {
  const values = rounds.map(round => round[name] ?? Number.NaN)
  return [median(values), Math.min(...values), Math.max(...values)]
}

/** How many times the floor's figure ours is, the median of the pairs. */
export function ratio({ ours, floor }: Paired, name: string): number {
  return median(ours.map((mine, i) => (mine[name] ?? Number.NaN) / (floor[i]?.[name] ?? Number.NaN)))
}

/** By how much ours is above the floor's, the median of the pairs. */
export function difference({ ours, floor }: Paired, name: string): number {
  return median(ours.map((mine, i) => (mine[name] ?? Number.NaN) - (floor[i]?.[name] ?? Number.NaN)))
}
