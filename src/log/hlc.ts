// Hybrid logical clock: 48 bits of UTC milliseconds and 16 bits of counter in one u64 (a bigint here). It orders
// events of many nodes; it never runs backwards in one log, whatever the wall clock does (PROTOCOL 3.7).

export type Hlc = bigint

/** A stamp from elsewhere that is further ahead than this is stored, but our own clock does not follow it. */
export const MAX_LEAD_MS = 10 * 60 * 1000
const MAX_WALL_MS = 2 ** 48 - 1

export function hlcOf(wallMs: number, counter = 0): Hlc {
  const bounded = Math.min(Math.max(0, Math.floor(wallMs)), MAX_WALL_MS)
  return (BigInt(bounded) << 16n) | BigInt(counter)
}

/** The next stamp of our own: the wall clock's, or just behind the last one. */
export function tick(last: Hlc, wallMs: number): Hlc {
  const wall = hlcOf(wallMs)
  return wall > last ? wall : last + 1n
}

/** Our clock after we have seen a stamp from elsewhere. */
export function merge(last: Hlc, remote: Hlc, wallMs: number): Hlc {
  return remote > last && remote <= hlcOf(wallMs + MAX_LEAD_MS) ? remote : last
}

export function wallOf(hlc: Hlc): number {
  return Number(hlc >> 16n)
}
