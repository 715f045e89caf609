// What nodes gave chargers as lists, by their own word, written before they did it: so that a node which meets a charger with
// a list can tell whether it knows at least what that list was made of. A version number alone cannot say: islands with
// different news may count alike, and of two revokers each may know what the other does not.
import type { AnyBody, BodyOf, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import type { ChargerId, DeviceId, LogId } from '../units.ts'

/** Of one charger; the newest stay. A list whose record is gone is taken for one of which nothing is known. */
const MAX_RECORDS = 64

/** As many logs of operators as one record can name. */
const MAX_HEADS = 64

export type ListRecord = {
  readonly hlc: Hlc
  readonly logId: LogId
  readonly deviceId: DeviceId
  readonly body: BodyOf<'local_list'>
}

export type ListRecords = {
  readonly add: (record: ListRecord) => void
  /** Newest first. */
  readonly of: (chargerId: ChargerId) => readonly ListRecord[]
  /** The newest of each charger. */
  readonly newest: () => readonly ListRecord[]
}

export function createListRecords(): ListRecords {
  const held = new Map<ChargerId, ListRecord[]>()
  return {
    add: record => {
      const { chargerId, firstVersion, lastVersion, onto } = record.body
      // A chain of lists that were laid over one another leads downwards, or it would have no end.
      if (lastVersion < firstVersion || (onto !== undefined && onto >= firstVersion)) return
      const records = [...(held.get(chargerId) ?? []), record].sort((a, b) =>
        a.hlc === b.hlc ? (a.deviceId < b.deviceId ? -1 : 1) : a.hlc > b.hlc ? -1 : 1,
      )
      held.set(chargerId, records.slice(0, MAX_RECORDS))
    },
    of: chargerId => held.get(chargerId) ?? [],
    newest: () => [...held.values()].flatMap(records => records.slice(0, 1)),
  }
}

/** Those who may have made the list that bears this version. */
export function makersOf(records: readonly ListRecord[], version: number): readonly ListRecord[] {
  return records.filter(({ body }) => body.firstVersion <= version && version <= body.lastVersion)
}

/**
 * Whether everything that went into the list of this version is held here. Where several records name the version, each must
 * be; where none does, who knows what it was made of?
 */
export function isCovered(
  records: readonly ListRecord[],
  version: number,
  holds: (head: EventRef) => boolean,
): boolean {
  // Records that name one another twice at each step would have it ask 2^steps times.
  const found = new Map<number, boolean>()
  const isHeld = (asked: number): boolean => {
    const known = found.get(asked)
    if (known !== undefined) return known
    const makers = makersOf(records, asked)
    const isSo =
      makers.length > 0 &&
      makers.every(
        ({ body }) => body.policyHead.every(holds) && (body.onto === undefined || isHeld(body.onto)),
      )
    found.set(asked, isSo)
    return isSo
  }
  return isHeld(version)
}

/** What each record of one list names; one record for most sites. */
export function partsOf(heads: readonly EventRef[]): readonly (readonly EventRef[])[] {
  const count = Math.max(1, Math.ceil(heads.length / MAX_HEADS))
  return Array.from({ length: count }, (_, i) => heads.slice(i * MAX_HEADS, (i + 1) * MAX_HEADS))
}

type Steps = {
  readonly start: number
  readonly lastVersion: number
  readonly onto: number | undefined
  readonly parts: readonly (readonly EventRef[])[]
}

/**
 * The records of one list that is about to be sent. What one has no room for stands in records below it, under numbers that no
 * charger is given: who lacks one of them does not know what the list was made of.
 */
export function recordsOf(
  made: Pick<BodyOf<'local_list'>, 'chargerId' | 'entries' | 'digest'>,
  { start, lastVersion, onto, parts }: Steps,
): readonly AnyBody[] {
  return parts.map((part, i) => {
    const firstVersion = start + i
    const below = i === 0 ? onto : firstVersion - 1
    const last = i === parts.length - 1 ? lastVersion : firstVersion
    const { chargerId, entries, digest } = made
    const versions = { chargerId, firstVersion, lastVersion: last, entries, digest }
    const body = { ...versions, ...(below !== undefined && { onto: below }), policyHead: [...part] }
    return { name: 'local_list', body }
  })
}
