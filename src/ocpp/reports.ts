// What a station reports in parts after it was asked (OCPP 2.0.1, GetBaseReport and NotifyReport): gathered, bounded, and
// given to whoever asked.
import type { ReportPart } from './draft.ts'

export const MAX_ENTRIES = 5000
/** As JSON. What a station of a site tells of itself is some 100 KB; entries may be as long as a message. */
export const MAX_REPORT_CHARACTERS = 4_000_000
const REPORT_TIMEOUT_MS = 60_000

export type Reports = {
  /** Resolves with all parts of the report, or with what came of it in time; without any when the connection closed. */
  readonly expect: (requestId: number) => Promise<readonly unknown[] | undefined>
  /** Nobody waits for it any more. */
  readonly drop: (requestId: number) => void
  readonly take: (part: ReportPart) => void
  /** No part can come any more: half a report would pass for a station that has no more to tell. */
  readonly close: () => void
}

type Gathering = { readonly entries: unknown[]; characters: number; readonly end: (isLost?: true) => void }

export function createReports(): Reports {
  const gathering = new Map<number, Gathering>()
  return {
    expect: requestId =>
      new Promise(resolve => {
        const entries: unknown[] = []
        const end = (isLost?: true): void => {
          clearTimeout(timer)
          gathering.delete(requestId)
          resolve(isLost ? undefined : entries)
        }
        const timer = setTimeout(() => end(), REPORT_TIMEOUT_MS)
        timer.unref()
        gathering.set(requestId, { entries, characters: 0, end })
      }),
    drop: requestId => gathering.get(requestId)?.end(),
    take: ({ requestId, entries, more }) => {
      const held = gathering.get(requestId)
      if (!held) return
      held.characters += JSON.stringify(entries).length
      const isWithin = held.characters <= MAX_REPORT_CHARACTERS
      if (isWithin) held.entries.push(...entries.slice(0, MAX_ENTRIES - held.entries.length))
      if (!more || !isWithin) held.end()
    },
    close: () => {
      for (const { end } of [...gathering.values()]) end(true)
    },
  }
}
