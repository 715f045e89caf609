// What is known here of one charger's own list: how far the asking has come, what it surely holds, and how that is told to
// people. Forgotten with the process; what must be known longer stands in records (authorization/list-records.ts).
import { makersOf } from './authorization/list-records.ts'
import { EMPTY_LIST, type ListEntry, type LocalList } from './authorization/local-list.ts'
import type { Ledger } from './ledger.ts'
import type { ListLimits } from './list-talk.ts'
import { wallOf } from './log/hlc.ts'
import type { ChargerId, DeviceId, TokenRef } from './units.ts'

/** After a connection or a boot a charger has other things to say first. */
const SETTLE_MS = 3000
const RETRY_MS = 60_000
const MAX_RETRY_MS = 3600_000

export type LocalListReport = {
  /** The site's policy. */
  readonly policy: 'on' | 'off'
  readonly isConnected: boolean
  readonly version?: number
  readonly entries?: number
  readonly maxEntries?: number
  readonly perMessage?: number
  /** Cards that found no room, and cards whose grants carry no sealed id. */
  readonly leftOut?: number
  readonly unsealed?: number
  readonly lastSentAt?: number
  readonly lastSentBy?: DeviceId
  /** How it stands, or why not. */
  readonly state: string
}

export type ListState = {
  /** Grows when what is under way is of no use any more. */
  life: number
  isBusy: boolean
  readyAtMs: number
  failures: number
  isUnsupported: boolean
  mayReplace: boolean
  limits: ListLimits | undefined
  /** As it said last. */
  version: number | undefined
  known: { readonly version: number; readonly entries: ReadonlyMap<TokenRef, ListEntry> } | undefined
  /** Blocked over a list of which nothing is known. */
  blocked: ReadonlySet<TokenRef>
  /** It took what was put over such a list. */
  hasRoom: boolean
  checkedFor: string
  /** Minutes of the monotonic clock. */
  checkedIn: number
  list: LocalList
  state: string
}

export function newListState(): ListState {
  return {
    ...{ life: 0, isBusy: false, readyAtMs: 0, failures: 0, isUnsupported: false, mayReplace: false },
    ...{
      limits: undefined,
      version: undefined,
      known: undefined,
      blocked: new Set<TokenRef>(),
      hasRoom: true,
    },
    ...{ checkedFor: '', checkedIn: -1, list: EMPTY_LIST, state: 'not asked yet' },
  }
}

/** It came, or booted: nothing that was under way counts. */
export function startAnew(charger: ListState, nowMs: number): void {
  charger.life += 1
  Object.assign(charger, { isBusy: false, version: undefined, failures: 0, checkedFor: '' })
  Object.assign(charger, { blocked: new Set<TokenRef>(), hasRoom: true })
  charger.readyAtMs = nowMs + SETTLE_MS
}

/** Not now: what the charger holds is asked for again later. */
export function retryLater(charger: ListState, nowMs: number, reason: string): void {
  const waitMs = Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** Math.min(charger.failures, 10))
  charger.failures += 1
  charger.readyAtMs = nowMs + waitMs
  charger.version = undefined
  charger.checkedFor = ''
  charger.state = `${reason}; the next try is in ${waitMs / 1000} s`
}

/** It holds the list that was last made for it, under this version. */
export function agree(charger: ListState, version: number): void {
  const entries = new Map(charger.list.entries.map(entry => [entry.tokenRef, entry]))
  Object.assign(charger, { version, known: { version, entries }, failures: 0, mayReplace: false })
  charger.state = 'holds what it should'
}

export type Reported = {
  readonly chargerId: ChargerId
  readonly charger: ListState | undefined
  readonly isConnected: boolean
}

export function reportList(ledger: Ledger, { chargerId, charger, isConnected }: Reported): LocalListReport {
  const view = ledger.view()
  const [last] = view.lists.of(chargerId)
  const made =
    charger?.version === undefined ? undefined : makersOf(view.lists.of(chargerId), charger.version)[0]
  const isKnown = charger?.known !== undefined && charger.known.version === charger.version
  return {
    ...{ policy: view.sitePolicy.value('local-lists'), isConnected },
    ...(charger?.version !== undefined && { version: charger.version }),
    ...(isKnown && { entries: charger.known?.entries.size ?? 0 }),
    ...(!isKnown && made && { entries: made.body.entries }),
    ...charger?.limits,
    ...(isKnown && { leftOut: charger.list.leftOut, unsealed: charger.list.unsealed }),
    ...(last && { lastSentAt: wallOf(last.hlc), lastSentBy: last.deviceId }),
    state: isConnected ? (charger?.state ?? 'not asked yet') : 'not connected to this node',
  }
}
