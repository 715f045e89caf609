// What is sent to a charger whose list has this version: nothing, the difference, everything, or blocked cards alone. The order
// of the questions is the rule (PROTOCOL 2.8):
//   empty                                     -> everything
//   we gave it and know what is in it         -> the difference
//   made of nothing that we do not hold       -> everything, unless it is what we would send
//   made of we do not know what               -> blocked cards only: whoever made it may know of revocations that we do not

import type { EventRef } from '../log/body.ts'
import { sameBytes, type TokenRef } from '../units.ts'
import { isCovered, type ListRecord, makersOf } from './list-records.ts'
import { type ListEntry, type LocalList, listChange, listDigest } from './local-list.ts'

/** A signed integer of 32 bits. */
export const MAX_LIST_VERSION = 2 ** 31 - 1
const NUMBERS_AN_EVENT = 64

export type Held = {
  /** As the charger says. */
  readonly version: number
  /** What we know to be in it. */
  readonly entries: ReadonlyMap<TokenRef, ListEntry> | undefined
  readonly records: readonly ListRecord[]
  /** Cards that were blocked, or taken out, over a list of which nothing is known; and whether it had room for that. */
  readonly blocked: ReadonlySet<TokenRef>
  readonly hasRoom: boolean
  readonly holds: (head: EventRef) => boolean
  /** A person said that whatever is there may go. */
  readonly mayReplace: boolean
}

export type ListUpdate =
  /** `isSame`: the charger holds just what is wanted. */
  | { readonly kind: 'none'; readonly isSame: boolean }
  | { readonly kind: 'full'; readonly put: readonly ListEntry[] }
  | {
      readonly kind: 'change'
      readonly put: readonly ListEntry[]
      readonly removed: readonly ListEntry[]
    }
  /** What was put is told once; where a list has no room for it, the cards are taken out instead. */
  | {
      readonly kind: 'blocks'
      readonly put: readonly ListEntry[]
      readonly removed: readonly ListEntry[]
    }

export function chooseUpdate(held: Held, list: LocalList): ListUpdate {
  const wanted = list.entries
  if (held.mayReplace) return { kind: 'full', put: wanted }
  if (held.version <= 0)
    return wanted.length > 0 ? { kind: 'full', put: wanted } : { kind: 'none', isSame: true }
  if (held.entries) {
    const { put, removed } = listChange(held.entries, wanted)
    if (put.length + removed.length === 0) return { kind: 'none', isSame: true }
    return wanted.length > 0 ? { kind: 'change', put, removed } : { kind: 'full', put: [] }
  }
  if (isCovered(held.records, held.version, held.holds)) {
    return isThere(held, wanted) ? { kind: 'none', isSame: true } : { kind: 'full', put: wanted }
  }
  const put = list.blocked.filter(({ tokenRef }) => !held.blocked.has(tokenRef))
  if (put.length === 0) return { kind: 'none', isSame: false }
  return held.hasRoom ? { kind: 'blocks', put, removed: [] } : { kind: 'blocks', put: [], removed: put }
}

/** Whoever made it made just this. */
function isThere({ records, version }: Held, wanted: readonly ListEntry[]): boolean {
  const digest = listDigest(wanted)
  const makers = makersOf(records, version)
  const isThis = ({ body }: ListRecord): boolean =>
    body.onto === undefined && body.lastVersion === version && sameBytes(body.digest, digest)
  return makers.length > 0 && makers.every(isThis)
}

/**
 * The first version of an update: above what the charger holds, and above the operator's events that went into it, which all
 * nodes that know the same count alike; so many numbers for each, so that a charger which forgot its list is not given the
 * number of another one, made of more news, by pieces and by what time alone changes. Undefined when the numbers are used up.
 */
export function nextVersion(heldVersion: number, knownEvents: number, steps: number): number | undefined {
  const next = Math.max(heldVersion, Math.min(knownEvents * NUMBERS_AN_EVENT, 2 ** 30)) + 1
  return next + steps - 1 <= MAX_LIST_VERSION ? next : undefined
}
