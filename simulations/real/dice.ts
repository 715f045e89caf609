// Seeded dice (mulberry32): equal seeds, equal throws.
import type { Random } from '../../src/ports.ts'

export type Dice = {
  /** A whole number, 0 <= n < limit. */
  readonly below: (limit: number) => number
  /** 0 <= n < 1. */
  readonly share: () => number
  readonly random: Random
}

export function seededRandom(seed: number): Dice {
  let state = seed >>> 0
  const share = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    share,
    below: limit => Math.floor(share() * limit),
    random: { bytes: length => Uint8Array.from({ length }, () => Math.floor(share() * 256)) },
  }
}
