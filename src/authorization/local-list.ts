// Who belongs into a charger's own list: the policy, as far as a charger can hold it (OCPP 1.6 chapter 5.15). A list knows no
// policy age, no caps and no beginning, so what it promises ends early rather than late.
//
// With more cards than room: a quarter is kept for blocked cards, newest revocation first, so that there is room to block;
// the rest goes to cards that may charge, newest grant first; then cards that have just expired. Nothing else is listed, and
// an unlisted card is refused by a charger that is left to itself. A revoked card is never listed as anything but blocked.
import { hashOf } from '../identity/hash.ts'
import { concatBytes, type TokenRef, unhex } from '../units.ts'
import type { Grant, Policy, TokenState } from './policy.ts'

const HOUR_MS = 3600 * 1000
const DAY_MS = 24 * HOUR_MS
/** A charger's clock may be wrong by so much when it compares an end; behind it the card need not be named any more. */
const EXPIRED_FOR_MS = DAY_MS
/** A card that wants fresher news of the operator than this cannot be left to a list. */
const MIN_MAX_AGE_MS = HOUR_MS
/** Site policy `stale-policy` = allowlist: without the operator for so long, only cards that OCPI calls ALWAYS. */
const STALE_MS = 7 * DAY_MS
const BLOCKED_SHARE = 4

export type ListStatus = 'Accepted' | 'Blocked' | 'Expired'
export type ListEntry = {
  readonly tokenRef: TokenRef
  readonly status: ListStatus
  /** UTC ms; only of accepted cards. */
  readonly expiresAt?: number
  readonly groupRef?: TokenRef
  readonly tagSealed: Uint8Array
}
export type ListCircumstances = {
  readonly nowAt: number
  /** When the operator issued the newest beacon that counts here. */
  readonly beaconAt: number | undefined
  readonly zone: string | undefined
  readonly stalePolicy: 'reduced' | 'allowlist'
  readonly maxEntries: number
}
export type LocalList = {
  /** In the order of their references. */
  readonly entries: readonly ListEntry[]
  /** All that are blocked and would fit had the list nothing else, newest revocation first. */
  readonly blocked: readonly ListEntry[]
  /** Cards that would be listed, had the list more room. */
  readonly leftOut: number
  /** Cards whose own id no grant carries: granted before the site switched local lists on. */
  readonly unsealed: number
}

export const EMPTY_LIST: LocalList = { entries: [], blocked: [], leftOut: 0, unsealed: 0 }

export function projectList(policy: Policy, now: ListCircumstances): LocalList {
  const accepted: Ranked[] = []
  const blocked: Ranked[] = []
  const expired: Ranked[] = []
  let unsealed = 0
  for (const tokenRef of policy.tokens()) {
    const state = policy.token(tokenRef)
    const standing = standingOf(state, now)
    if (!standing) continue
    const tagSealed = policy.tagSealed(tokenRef)
    if (!tagSealed) {
      unsealed += 1
      continue
    }
    const { hlc, grant, ...entry } = standing
    const groupRef = grant.body.groupRef
    const ranked = { hlc, entry: { tokenRef, ...entry, tagSealed, ...(groupRef && { groupRef }) } }
    if (entry.status === 'Accepted') accepted.push(ranked)
    else (entry.status === 'Blocked' ? blocked : expired).push(ranked)
  }
  const room = Math.max(0, now.maxEntries)
  const first = newestFirst(accepted).slice(0, room - Math.floor(room / BLOCKED_SHARE))
  const more = [...newestFirst(blocked), ...newestFirst(expired)].slice(0, room - first.length)
  const chosen = [...first, ...more].map(({ entry }) => entry)
  return {
    entries: chosen.toSorted((a, b) => (a.tokenRef < b.tokenRef ? -1 : 1)),
    blocked: newestFirst(blocked)
      .slice(0, room)
      .map(({ entry }) => entry),
    leftOut: accepted.length + blocked.length + expired.length - chosen.length,
    unsealed,
  }
}

type Ranked = { readonly hlc: bigint; readonly entry: ListEntry }

function newestFirst(ranked: readonly Ranked[]): readonly Ranked[] {
  return ranked.toSorted((a, b) => {
    if (a.hlc !== b.hlc) return a.hlc > b.hlc ? -1 : 1
    return a.entry.tokenRef < b.entry.tokenRef ? -1 : 1
  })
}

type Standing = Pick<ListEntry, 'status' | 'expiresAt'> & { readonly hlc: bigint; readonly grant: Grant }

function standingOf(state: TokenState, now: ListCircumstances): Standing | undefined {
  if (state.kind === 'unknown' || !state.grant) return undefined
  const { grant } = state
  const { notBeforeAt, notAfterAt, whitelist, scope } = grant.body
  if (now.nowAt > notAfterAt + EXPIRED_FOR_MS) return undefined
  if (state.kind === 'revoked') return { status: 'Blocked', hlc: state.revocation.hlc, grant }
  if (whitelist === 'NEVER' || now.nowAt < notBeforeAt) return undefined
  if (scope.zones.length > 0 && (now.zone === undefined || !scope.zones.includes(now.zone))) return undefined
  // A list says nothing of connectors and power: such cards are for a node to judge.
  if (scope.connectorTypes.length > 0 || scope.maxPowerW !== undefined) return undefined
  if (now.nowAt > notAfterAt) return { status: 'Expired', hlc: grant.hlc, grant }
  const expiresAt = endOf(grant, now)
  return expiresAt > now.nowAt ? { status: 'Accepted', expiresAt, hlc: grant.hlc, grant } : undefined
}

/** When a charger that hears nothing more must stop accepting this card: its last day, or when the operator's news are too old. */
function endOf({ body }: Grant, { beaconAt, stalePolicy }: ListCircumstances): number {
  const whole = body.offline.maxAgeS * 1000
  const isBound = stalePolicy === 'allowlist' && body.whitelist !== 'ALWAYS'
  const maxAgeMs = isBound ? Math.min(whole, STALE_MS) : whole
  if (maxAgeMs < MIN_MAX_AGE_MS) return 0
  const heardAt = beaconAt ?? body.notBeforeAt
  // In steps of half the age: equal on all nodes, and lists are not sent anew with every beacon.
  const stepMs = maxAgeMs / 2
  return Math.min(body.notAfterAt, Math.floor(heardAt / stepMs) * stepMs + maxAgeMs)
}

/** Eight bytes that are equal where two lists say the same. */
export function listDigest(entries: readonly ListEntry[]): Uint8Array {
  const parts = entries.map(({ tokenRef, status, expiresAt = 0, groupRef }) => {
    const row = new Uint8Array(16 + 1 + 8 + 16)
    row.set(unhex(tokenRef))
    row[16] = status.charCodeAt(0)
    new DataView(row.buffer).setFloat64(17, expiresAt)
    if (groupRef) row.set(unhex(groupRef), 25)
    return row
  })
  return hashOf('chargemesh/local-list/v1', concatBytes(parts)).subarray(0, 8)
}

export type ListChange = {
  readonly put: readonly ListEntry[]
  /** Entries that are there and shall not be. */
  readonly removed: readonly ListEntry[]
}

export function listChange(held: ReadonlyMap<TokenRef, ListEntry>, wanted: readonly ListEntry[]): ListChange {
  const refs = new Set(wanted.map(({ tokenRef }) => tokenRef))
  return {
    put: wanted.filter(entry => !sayTheSame(held.get(entry.tokenRef), entry)),
    removed: [...held.values()].filter(({ tokenRef }) => !refs.has(tokenRef)),
  }
}

function sayTheSame(a: ListEntry | undefined, b: ListEntry): boolean {
  return a?.status === b.status && a.expiresAt === b.expiresAt && a.groupRef === b.groupRef
}

/** Of the cards that a charger accepts by its list, those that it must not accept any more: news that cannot wait. */
export function nowBlocked(policy: Policy, held: ReadonlyMap<TokenRef, ListEntry>): readonly TokenRef[] {
  return [...held.values()].flatMap(({ tokenRef, status }) =>
    status === 'Accepted' && policy.token(tokenRef).kind !== 'granted' ? [tokenRef] : [],
  )
}
