// How many bytes a connection may bring: a bucket that fills at a rate and holds one second of it (PROTOCOL 1.6).
// Pure; instants are monotonic milliseconds.

export type Bucket = {
  /** Takes so many bytes out; below zero means that the sender is too loud. */
  readonly take: (bytes: number, nowMs: number) => number
  /** Milliseconds until a bucket below zero is at zero again. */
  readonly waitMs: (nowMs: number) => number
  /** Goes on at another rate, with a full bucket. */
  readonly widen: (bytesPerS: number, nowMs: number) => void
}

export function createBucket(bytesPerS: number, nowMs: number): Bucket {
  let rate = bytesPerS
  let level = bytesPerS
  let filledMs = nowMs

  function fill(atMs: number): void {
    level = Math.min(rate, level + ((atMs - filledMs) * rate) / 1000)
    filledMs = atMs
  }

  return {
    take: (bytes, atMs) => {
      fill(atMs)
      level -= bytes
      return level
    },
    waitMs: atMs => {
      fill(atMs)
      return level >= 0 ? 0 : Math.ceil((-level * 1000) / rate)
    },
    widen: (nextBytesPerS, atMs) => {
      rate = nextBytesPerS
      level = nextBytesPerS
      filledMs = atMs
    },
  }
}
