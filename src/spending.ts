// What each way out has cost today (PROTOCOL 3.4). Where it is paid by the byte that is written down before a push goes, so
// that a node that is started again and again spends a day's budget once.
import { fromBytes, listOf, MalformedBytes, record, text, toBytes, uint } from './cbor.ts'
import { reasonOf } from './errors.ts'
import type { Clock, Disk, Logger } from './ports.ts'
import { dayOf, type Spent, spentNow } from './uplink/terms.ts'

const SPENT_FILE = 'uplinks/spent'
/** Names that are remembered; a way that was taken away may come again. */
const MAX_NAMES = 64
const FILE = record({
  ways: listOf(record({ name: text(64), day: uint, bytes: uint, ranMs: uint }), MAX_NAMES),
})
/** More than any budget. */
const UNKNOWN_BYTES = 2 ** 50
/** So far apart the wall clock and the monotonic clock may drift before somebody has set the former. */
const JUMP_MS = 10 * 60 * 1000

export type Spending = {
  readonly today: (name: string) => Spent
  /** Reads what an earlier process has written down; false until that is here. */
  readonly isRead: () => boolean
  /** Durable when resolved, if it is kept at all. */
  readonly add: (name: string, bytes: number, isKept: boolean) => Promise<void>
}

export type SpendingDeps = { readonly disk: Disk; readonly clock: Clock; readonly logger: Logger }

type Entry = { spent: Spent; readAtMs: number; offsetMs: number; hasJumped: boolean; isKept: boolean }

export function createSpending({ disk, clock, logger }: SpendingDeps): Spending {
  const entries = new Map<string, Entry>()
  let file: 'unread' | 'reading' | 'read' = 'unread'
  const offset = (): number => clock.wallMs() - clock.monotonicMs()
  const enter = (name: string, spent: Spent, isKept: boolean): Entry => {
    const entry = {
      ...{ spent, isKept, readAtMs: clock.monotonicMs(), offsetMs: offset(), hasJumped: false },
    }
    entries.set(name, entry)
    return entry
  }

  let unknown: Spent | undefined
  const take = (held: Uint8Array | undefined): void => {
    file = 'read'
    try {
      const { ways } = held ? fromBytes(FILE, held) : { ways: [] }
      for (const { name, ...spent } of ways) enter(name, spent, true)
    } catch (error) {
      if (!(error instanceof MalformedBytes)) throw error
      // Nobody can say how much of today is spent: all of it.
      unknown = { day: dayOf(clock.wallMs()), bytes: UNKNOWN_BYTES, ranMs: 0 }
      entries.clear()
      logger.error('what uplinks have cost cannot be read: their budgets count as spent for today', {
        reason: error.message,
      })
    }
  }

  const read = (name: string): Entry => {
    const day = dayOf(clock.wallMs())
    const first = unknown?.day === day ? unknown : { day, bytes: 0, ranMs: 0 }
    const entry = entries.get(name) ?? enter(name, first, false)
    const monotonicMs = clock.monotonicMs()
    const offsetMs = offset()
    entry.hasJumped ||= Math.abs(offsetMs - entry.offsetMs) > JUMP_MS
    entry.offsetMs = offsetMs
    const passed = { wallMs: clock.wallMs(), passedMs: monotonicMs - entry.readAtMs }
    const before = entry.spent
    entry.spent = spentNow(before, { ...passed, hasJumped: entry.hasJumped })
    entry.readAtMs = monotonicMs
    if (entry.spent.ranMs < before.ranMs) entry.hasJumped = false
    return entry
  }

  const save = async (): Promise<void> => {
    const ways = [...entries]
      .filter(([, { isKept }]) => isKept)
      .toSorted(([, a], [, b]) => b.spent.day - a.spent.day)
      .slice(0, MAX_NAMES)
      .map(
        ([
          name,
          {
            spent: { day, bytes, ranMs },
          },
        ]) => ({
          ...{ name, day, bytes: Math.max(0, Math.ceil(bytes)), ranMs: Math.floor(ranMs) },
        }),
      )
    await disk.replace(SPENT_FILE, toBytes(FILE, { ways }))
  }

  return {
    today: name => read(name).spent,
    isRead: () => {
      if (file !== 'unread') return file === 'read'
      file = 'reading'
      disk.read(SPENT_FILE).then(take, (error: unknown) => {
        file = 'unread'
        logger.warn('what uplinks have cost cannot be read yet', { reason: reasonOf(error) })
      })
      return false
    },
    add: async (name, bytes, isKept) => {
      const entry = read(name)
      entry.spent = { ...entry.spent, bytes: Math.max(0, entry.spent.bytes + bytes) }
      entry.isKept ||= isKept
      if (isKept) await save()
    },
  }
}
