// Seeded dice for outbox tests: the same seed throws the same.

/** Numbers in [0, 1), by a linear congruential generator: good enough to jitter with. */
export function diceOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
