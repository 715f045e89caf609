// What a seed may choose from: everything between two numbers, both included. A range that spans more than a factor of 100
// is drawn by magnitude first, so that `1s..10y` gives seconds as often as years.
import type { Dice } from '../dice.ts'

export type Range = { readonly min: number; readonly max: number }

const BY_MAGNITUDE = 100

export function exactly(value: number): Range {
  return { min: value, max: value }
}

/** Any number of the range, not whole. */
export function drawn({ min, max }: Range, dice: Dice): number {
  if (min === max) return min
  if (min <= 0 || max <= min * BY_MAGNITUDE) return dice.between(min, max)
  // Doubling instead of logarithms: the same bits on every platform.
  const steps: number[] = []
  for (let low = min; low < max; low *= 2) steps.push(low)
  const low = dice.pick(steps)
  return dice.between(low, Math.min(max, low * 2))
}

/** A whole number of the range: counts, milliseconds, bytes. */
export function drawnWhole({ min, max }: Range, dice: Dice): number {
  if (min === max) return Math.floor(min)
  return Math.min(max, Math.floor(drawn({ min, max: max + 1 }, dice)))
}

/** How many of something that is expected so often: the sum of many small chances, so 0.3 is mostly 0 and 40 about 40. */
export function drawnCount(expected: number, dice: Dice): number {
  const tries = Math.ceil(expected * 4)
  let count = 0
  for (let i = 0; i < tries; i++) if (dice.chance(expected / tries)) count++
  return count
}
