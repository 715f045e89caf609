// A charger whose clock runs ahead of ours tells of what has not happened yet. What it says is recorded as it is; who looks
// at the charger sees it by this word.
import type { ChargerTime } from '../ports.ts'
import type { Draft } from './draft.ts'

/** A heartbeat sets a charger's clock to the second. */
const AGREE_MS = 2 * 60_000

export function clockAhead(drafts: readonly Draft[], nowAt: number): readonly string[] {
  const times = drafts.flatMap(timesIn)
  return times.some(({ at }) => at !== undefined && at > nowAt + AGREE_MS) ? ['clock-ahead'] : []
}

function timesIn(draft: Draft): readonly ChargerTime[] {
  const sampled = 'readings' in draft ? (draft.readings ?? []).map(({ sampledAt }) => sampledAt) : []
  if (draft.kind === 'start') return [draft.startedAt, ...sampled]
  return draft.kind === 'stop' ? [draft.stoppedAt, ...sampled] : sampled
}
