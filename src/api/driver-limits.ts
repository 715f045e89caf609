// How often somebody may ask on the driver's plane. Card ids are short and guessable, so whoever names cards is slowed by
// address, by card and altogether, and misses weigh most. Buckets refill by the monotonic clock and are bounded.
type Rate = { readonly burst: number; readonly perMinute: number }
type Bucket = { tokens: number; atMs: number }

/** By address. */
const ASKING: Rate = { burst: 60, perMinute: 240 }
const NAMING_CARDS: Rate = { burst: 10, perMinute: 20 }
const MISSES: Rate = { burst: 5, perMinute: 2 }
/** Starts only: nobody who knows a card's id shall keep its owner from stopping. */
const OF_CARD: Rate = { burst: 20, perMinute: 30 }
/** Of everybody: a look-up stretches the id, which costs 10 ms of a thread that chargers' taps need too. */
const ALTOGETHER: Rate = { burst: 40, perMinute: 300 }
/** Addresses and cards remembered; who was quiet longest is forgotten, with a full bucket. */
const MAX_BUCKETS = 10_000

export type Limits = {
  /** Seconds to wait, or 0. */
  readonly ask: (address: string, nowMs: number) => number
  /** Before a card is looked up. */
  readonly nameCard: (address: string, nowMs: number) => number
  readonly startWith: (tokenRef: string, nowMs: number) => number
  /** A card that nobody knows, or that may not: counts against the address. */
  readonly missed: (address: string, nowMs: number) => void
}

export function createLimits(): Limits {
  const asking = createBuckets(ASKING)
  const naming = createBuckets(NAMING_CARDS)
  const misses = createBuckets(MISSES)
  const cards = createBuckets(OF_CARD)
  const altogether = createBuckets(ALTOGETHER)
  return {
    ask: (address, nowMs) => asking.take(networkOf(address), nowMs),
    nameCard: (address, nowMs) => {
      const network = networkOf(address)
      // Looked at first: whoever has to wait shall not use up what others need.
      const waitS = Math.max(misses.waitS(network, nowMs), naming.waitS(network, nowMs))
      if (waitS > 0) return waitS
      naming.take(network, nowMs)
      return altogether.take('', nowMs)
    },
    startWith: (tokenRef, nowMs) => cards.take(tokenRef, nowMs),
    missed: (address, nowMs) => void misses.take(networkOf(address), nowMs),
  }
}

/** Whoever has one IPv6 address has 2^64 of them. */
export function networkOf(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('%', 1)[0]?.split('::', 2) ?? []
  const groups = head === '' ? [] : head.split(':')
  const behind = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - groups.length - behind.length)
  return [...groups, ...Array<string>(zeros).fill('0'), ...behind].slice(0, 4).join(':')
}

type Buckets = {
  readonly waitS: (name: string, nowMs: number) => number
  readonly take: (name: string, nowMs: number) => number
}

function createBuckets({ burst, perMinute }: Rate): Buckets {
  const buckets = new Map<string, Bucket>()
  const filled = (name: string, nowMs: number): Bucket => {
    const held = buckets.get(name)
    const bucket = held ?? { tokens: burst, atMs: nowMs }
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) * perMinute) / 60_000)
    bucket.atMs = nowMs
    // Newest last.
    buckets.delete(name)
    buckets.set(name, bucket)
    const oldest = buckets.size > MAX_BUCKETS ? buckets.keys().next() : undefined
    if (oldest && !oldest.done) buckets.delete(oldest.value)
    return bucket
  }
  const wait = ({ tokens }: Bucket): number =>
    tokens >= 1 ? 0 : Math.max(1, Math.ceil(((1 - tokens) * 60) / perMinute))
  return {
    waitS: (name, nowMs) => wait(filled(name, nowMs)),
    take: (name, nowMs) => {
      const bucket = filled(name, nowMs)
      const waitS = wait(bucket)
      if (waitS === 0) bucket.tokens -= 1
      return waitS
    },
  }
}
