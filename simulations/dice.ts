// Seeded dice (mulberry32): equal seeds, equal throws, on every platform. A fork has throws of its own, so that one part of
// a world that throws more often leaves the other parts as they were.
import type { Random } from '../src/ports.ts'

export type Dice = {
  /** A whole number, 0 <= n < limit. */
  readonly below: (limit: number) => number
  /** 0 <= n < 1. */
  readonly share: () => number
  /** min <= n < max, not whole. */
  readonly between: (min: number, max: number) => number
  /** True so often. */
  readonly chance: (rate: number) => boolean
  readonly pick: <T>(from: readonly [T, ...T[]] | readonly T[]) => T
  /** A new array in another order. */
  readonly shuffled: <T>(items: readonly T[]) => T[]
  readonly fork: (name: string) => Dice
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
  const below = (limit: number): number => Math.floor(share() * limit)
  return {
    share,
    below,
    between: (min, max) => min + share() * (max - min),
    chance: rate => rate > 0 && share() < rate,
    pick: from => {
      if (from.length === 0) throw new RangeError('nothing to pick from')
      return from[below(from.length)] as (typeof from)[number]
    },
    shuffled: items => {
      const mixed = [...items]
      for (let i = mixed.length - 1; i > 0; i--) {
        const j = below(i + 1)
        ;[mixed[i], mixed[j]] = [mixed[j] as (typeof mixed)[number], mixed[i] as (typeof mixed)[number]]
      }
      return mixed
    },
    fork: name => seededRandom(mixedWith(seed, name)),
    random: {
      bytes: length => {
        const bytes = new Uint8Array(length)
        for (let i = 0; i < length; i++) bytes[i] = below(256)
        return bytes
      },
    },
  }
}

/** FNV-1a over the name, from the seed on. */
function mixedWith(seed: number, name: string): number {
  let hash = (0x811c9dc5 ^ Math.imul(seed, 0x9e3779b1)) >>> 0
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0
  return hash
}
