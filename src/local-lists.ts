// The chargers' own lists of cards: each tick compares what every connected charger holds with what the policy says, and sends
// what is missing. Before a list leaves, a record of what it was made of is durable; a node that meets the charger later
// reads it there (authorization/list-update.ts has the rule). A revocation goes at once, anything else once a minute.
import type { Acting } from './acting.ts'
import { partsOf, recordsOf } from './authorization/list-records.ts'
import { chooseUpdate, type ListUpdate, nextVersion } from './authorization/list-update.ts'
import {
  EMPTY_LIST,
  type ListEntry,
  type LocalList,
  listDigest,
  nowBlocked,
  projectList,
} from './authorization/local-list.ts'
import type { Ledger } from './ledger.ts'
import {
  agree,
  type ListState,
  type LocalListReport,
  newListState,
  reportList,
  retryLater,
  startAnew,
} from './list-state.ts'
import { commandTo, type OpenTag, type Prepared, piecesOf, prepareList, sendList } from './list-talk.ts'
import type { EventRef } from './log/body.ts'
import type { ChargePoints, ChargerInput, CommandOutcome, Logger } from './ports.ts'
import type { Send } from './replica/sends.ts'
import type { ChargerId } from './units.ts'

/** All chargers are looked at together once in so long, so that a list is made once for all of them. */
const LOOK_EVERY_MS = 60_000

export type LocalLists = {
  /** A charger came, went or booted. */
  readonly heard: (input: ChargerInput, nowMs: number) => void
  readonly tick: (act: Acting, back: (result: () => readonly Send[]) => void) => void
  /** What was under way is forgotten with the rest of the memory. */
  readonly forget: () => void
  /** A person says: whatever list is there, put ours in its place. */
  readonly replace: (chargerId: ChargerId) => void
  readonly report: (ledger: Ledger, chargerId: ChargerId) => LocalListReport
}

export type LocalListsDeps = {
  readonly chargePoints: ChargePoints
  readonly openTag: OpenTag
  readonly logger: Logger
  readonly count: (name: string, by?: number) => void
}

/** What all chargers of one tick are compared with. */
type Round = {
  readonly act: Acting
  readonly nowMs: number
  readonly minute: number
  readonly heads: readonly EventRef[]
  /** Changes with the policy. */
  readonly key: string
  readonly isOn: boolean
  readonly project: (chargerId: ChargerId, maxEntries: number) => LocalList
  readonly back: (result: () => readonly Send[]) => void
}

export function createLocalLists(deps: LocalListsDeps): LocalLists {
  const chargers = new Map<ChargerId, ListState>()
  const made: { last: Made } = { last: { name: '', lists: new Map() } }
  const of = (chargerId: ChargerId): ListState => {
    const held = chargers.get(chargerId) ?? newListState()
    chargers.set(chargerId, held)
    return held
  }
  return {
    heard: ({ chargerId, message }, nowMs) => {
      if (message.kind !== 'connected' && message.kind !== 'boot') return
      const charger = of(chargerId)
      startAnew(charger, nowMs)
      if (message.kind === 'boot') Object.assign(charger, { isUnsupported: false, limits: undefined })
    },
    forget: () => {
      for (const charger of chargers.values()) startAnew(charger, charger.readyAtMs)
    },
    replace: chargerId => {
      const charger = of(chargerId)
      Object.assign(charger, { mayReplace: true, checkedFor: '', readyAtMs: 0, isUnsupported: false })
    },
    tick: (act, back) => {
      const connected = deps.chargePoints.connected()
      if (connected.length === 0) return
      const round = roundOf(act, back, made)
      for (const chargerId of connected) step(deps, round, { chargerId, charger: of(chargerId) })
    },
    report: (ledger, chargerId) => {
      const isConnected = deps.chargePoints.connected().includes(chargerId)
      return reportList(ledger, { chargerId, charger: chargers.get(chargerId), isConnected })
    },
  }
}

/** Lists that were made already, of this policy and in this minute; chargers with equal limits in one zone share theirs. */
type Made = { readonly name: string; readonly lists: Map<string, LocalList> }

function roundOf(act: Acting, back: Round['back'], made: { last: Made }): Round {
  const { ledger, times } = act
  const view = ledger.view()
  const heads = view.policyHeads(Number.POSITIVE_INFINITY)
  const isOn = view.sitePolicy.value('local-lists') === 'on'
  const key = `${isOn} ${heads.map(({ logId, seq }) => `${logId}/${seq}`).join(' ')}`
  const minute = Math.floor(times.monotonicMs / LOOK_EVERY_MS)
  if (made.last.name !== `${minute} ${key}`) made.last = { name: `${minute} ${key}`, lists: new Map() }
  const { lists } = made.last
  const make = (zone: string | undefined, maxEntries: number): LocalList => {
    const { nowAt, policyAgeMs } = ledger.news(times)
    const beaconAt = policyAgeMs === undefined ? undefined : nowAt - policyAgeMs
    const stalePolicy = view.sitePolicy.value('stale-policy')
    return projectList(view.policy, { nowAt, beaconAt, zone, stalePolicy, maxEntries })
  }
  return {
    ...{ act, back, heads, isOn, key, minute, nowMs: times.monotonicMs },
    project: (chargerId, maxEntries) => {
      if (!isOn) return EMPTY_LIST
      const zone = view.policy.chargePoint(chargerId)?.zone
      const name = `${maxEntries} ${zone ?? ''}`
      const list = lists.get(name) ?? make(zone, maxEntries)
      lists.set(name, list)
      return list
    },
  }
}

type One = { readonly chargerId: ChargerId; readonly charger: ListState }

function step(deps: LocalListsDeps, round: Round, one: One): void {
  const { chargerId, charger } = one
  if (charger.isBusy || charger.isUnsupported || round.nowMs < charger.readyAtMs) return
  const { records } = heldBy(round, one)
  // A site that never kept lists asks its chargers nothing; one that did once takes them back.
  if (!round.isOn && records.length === 0 && !charger.known) charger.state = 'the site keeps no local lists'
  else if (charger.version === undefined || !charger.limits) {
    const command = commandTo(deps.chargePoints, chargerId)
    charger.state = 'asks the charger for its limits and its version'
    talk(
      round,
      one,
      () => prepareList(command, charger.limits),
      prepared => heardOf(round, one, prepared),
    )
  } else check(deps, round, one)
}

/** Starts what is said to a charger behind what is durable, and takes the answer unless it is about an earlier life. */
function talk<T>(round: Round, { charger }: One, say: () => Promise<T>, hear: (said: T) => void): void {
  const { life } = charger
  charger.isBusy = true
  round.act.afterwards(() => {
    void say().then(said =>
      round.back(() => {
        if (charger.life !== life) return []
        charger.isBusy = false
        hear(said)
        return []
      }),
    )
  })
}

function heardOf(round: Round, { charger }: One, prepared: Prepared): void {
  if (prepared.kind === 'ready')
    Object.assign(charger, { limits: prepared.limits, version: prepared.version })
  else if (prepared.kind === 'unsupported')
    Object.assign(charger, { isUnsupported: true, state: 'the charger has no local list' })
  else retryLater(charger, round.nowMs, prepared.reason)
}

function heldBy({ act }: Round, { chargerId, charger }: One) {
  const { logs } = act.ledger
  const { version = 0, known, mayReplace, blocked, hasRoom } = charger
  return {
    ...{
      version,
      mayReplace,
      blocked,
      hasRoom,
      entries: known?.version === version ? known.entries : undefined,
    },
    records: act.ledger.view().lists.of(chargerId),
    // What lies behind a fork counts for nobody, so who knows of the fork knows more.
    holds: ({ logId, seq, hash }: EventRef) => {
      const log = logs.get(logId)
      return (
        log !== undefined && (log.hashes[seq] === hash || (log.fork !== undefined && log.fork.seq <= seq))
      )
    },
  }
}

function check(deps: LocalListsDeps, round: Round, one: One): void {
  const { charger, chargerId } = one
  const held = heldBy(round, one)
  const { policy } = round.act.ledger.view()
  const isNews = charger.checkedFor !== round.key
  const isUrgent = isNews && (!held.entries || nowBlocked(policy, held.entries).length > 0)
  if (!isUrgent && charger.checkedIn === round.minute) return
  Object.assign(charger, { checkedFor: round.key, checkedIn: round.minute })
  const list = round.project(chargerId, charger.limits?.maxEntries ?? 0)
  charger.list = list
  const update = chooseUpdate(held, list)
  if (update.kind !== 'none') send(deps, round, { ...one, update })
  else if (update.isSame) agree(charger, held.version)
  else charger.state = `holds a list of which nothing is known here: it is told of blocked cards only`
}

type Sent = One & { readonly update: Exclude<ListUpdate, { kind: 'none' }> }

function send(deps: LocalListsDeps, round: Round, { chargerId, charger, update }: Sent): void {
  const { heads, act } = round
  const held = charger.version ?? 0
  const pieces = piecesOf(update, deps.openTag, charger.limits?.perMessage ?? 1)
  const said = update.kind === 'blocks' ? [...update.put, ...update.removed] : charger.list.entries
  // A card that no key of ours opens was never given to a charger by us.
  if (update.kind !== 'full' && pieces[0]?.length === 0) {
    if (update.kind === 'blocks') blocked(charger, said)
    else agree(charger, held)
    return
  }
  const known = heads.reduce((sum, { seq }) => sum + seq + 1, 0)
  const parts = partsOf(heads)
  const start = nextVersion(held, known, parts.length - 1 + pieces.length)
  if (start === undefined) {
    charger.state = `the charger's list has version ${held}, and no number is left above it`
    return
  }
  const firstVersion = start + parts.length - 1
  const lastVersion = firstVersion + pieces.length - 1
  const made = { chargerId, entries: said.length, digest: listDigest(said) }
  const onto = update.kind === 'blocks' ? held : undefined
  act.record(recordsOf(made, { start, lastVersion, onto, parts }))
  charger.state = 'is being sent its list'
  const command = commandTo(deps.chargePoints, chargerId)
  const sending = { isFull: update.kind === 'full', firstVersion, pieces }
  const hear = (outcome: 'sent' | CommandOutcome): void => {
    if (outcome !== 'sent') {
      refused(deps, round, { chargerId, charger }, outcome)
      if (update.kind === 'blocks' && charger.hasRoom) takeOutInstead(round, charger)
      return
    }
    deps.count(`localList.${update.kind}`)
    if (update.kind !== 'blocks') {
      agree(charger, lastVersion)
      return
    }
    charger.version = lastVersion
    blocked(charger, said)
  }
  talk(round, { chargerId, charger }, () => sendList(command, sending), hear)
}

function blocked(charger: ListState, said: readonly ListEntry[]): void {
  charger.blocked = new Set([...charger.blocked, ...said.map(({ tokenRef }) => tokenRef)])
  charger.state = `holds a list of which nothing is known here: it was told of blocked cards only`
}

/** A list that is full may refuse to name one card more, and never to name one less. */
function takeOutInstead({ nowMs }: Round, charger: ListState): void {
  charger.hasRoom = false
  charger.readyAtMs = nowMs
}

/** Whatever part of it arrived: what the charger holds is asked for again, and not believed. */
function refused(
  deps: LocalListsDeps,
  round: Round,
  { chargerId, charger }: One,
  outcome: CommandOutcome,
): void {
  const reason =
    outcome.kind === 'rejected' ? outcome.status : outcome.kind === 'unreachable' ? outcome.reason : ''
  deps.count('localList.refused')
  deps.logger.warn('a charger did not take its list', { charger: chargerId, reason })
  charger.known = undefined
  if (reason === 'NotSupported' || reason === 'NotImplemented') {
    Object.assign(charger, { isUnsupported: true, state: 'the charger has no local list' })
    return
  }
  retryLater(charger, round.nowMs, `the charger did not take it: ${reason}`)
  // Another version than we thought: a full list behind a fresh look, once at once.
  if (reason === 'VersionMismatch' && charger.failures === 1) charger.readyAtMs = round.nowMs
}
