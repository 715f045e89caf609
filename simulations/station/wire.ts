// A charge point's end of OCPP-J in virtual time: dials its nodes in turn, sends one CALL at a time and gives it 30 s.
// What it sends passes through the production translation, and what it hears through the production confirmation, as at
// a node's real door. An answer that comes late, or over a connection that was let go, is not heard.

import { type ChargerRecord, newRecord, noteAnswered } from '../../src/ocpp/chargers.ts'
import type { Dialect } from '../../src/ocpp/dialect.ts'
import type { Draft, Translated } from '../../src/ocpp/draft.ts'
import type { ChargerAnswer, CommandOutcome } from '../../src/ports.ts'
import type { StationList } from './list.ts'
import type { Payload } from './session.ts'
import type { Ears, Line, StationDeps } from './station.ts'

export const CALL_TIMEOUT_MS = 30_000
/** Firmware without an answer for so many calls takes the line for dead. */
const MAX_TIMEOUTS = 2
const BACKOFF_MIN_MS = 2000
const BACKOFF_MAX_MS = 30_000
/** How long firmware that opens its new connection first keeps the old one. */
const STALE_MS: readonly [number, number] = [5000, 60_000]

const DEAF: CommandOutcome = { kind: 'unreachable', reason: 'no answer' }

export type CallResult =
  | { readonly kind: 'result'; readonly payload: Payload; readonly node: number }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'lost' }

export type Wire = {
  readonly connectedTo: () => number | undefined
  /** Connected, and no CALL is on its way. */
  readonly isFree: () => boolean
  readonly call: (action: string, payload: Payload, onDone: (result: CallResult) => void) => void
  /** Up: dials until somebody answers. Down: lets go and stays off. */
  readonly set: (state: 'up' | 'cable-dead' | 'powerless') => void
  readonly moveOn: () => void
}
export type WireOwner = {
  readonly onOpen: () => void
  readonly onLost: () => void
  readonly onCommand: Ears['onCommand']
  /** After every CALL. */
  readonly onFree: () => void
}

type Connection = { readonly node: number; readonly record: ChargerRecord; line?: Line; isGone: boolean }
type Flight = { readonly sinceMs: number; readonly onDone: (result: CallResult) => void }
type State = {
  isWanted: boolean
  connection: Connection | undefined
  flight: Flight | undefined
  /** Index into the plan's nodes, growing. */
  turn: number
  failures: number
  timeouts: number
  dialing: number
  isWatched: boolean
  readonly stale: Line[]
}
type WireDeps = {
  readonly deps: StationDeps
  readonly answer: StationList['answer']
  readonly version: Dialect
}
type Insides = WireDeps & {
  readonly owner: WireOwner
  readonly state: State
}

export function createWire(given: WireDeps, owner: WireOwner): Wire {
  const state: State = {
    ...{ isWanted: false, connection: undefined, flight: undefined, turn: 0, failures: 0, timeouts: 0 },
    ...{ dialing: 0, isWatched: false, stale: [] },
  }
  const wire: Insides = { ...given, owner, state }
  return {
    connectedTo: () => state.connection?.node,
    isFree: () => state.connection !== undefined && state.flight === undefined,
    call: (action, payload, onDone) => call(wire, { action, payload, onDone }),
    set: wanted => {
      state.isWanted = wanted === 'up'
      if (wanted === 'powerless') for (const line of state.stale.splice(0)) line.close()
      if (wanted === 'up') dialLater(wire)
      else letGo(wire, wanted === 'cable-dead' ? 'own' : 'none')
    },
    moveOn: () => {
      if (!state.connection) return
      state.turn++
      letGo(wire, 'own')
    },
  }
}

function dialLater(wire: Insides): void {
  const { deps, state } = wire
  const dialing = ++state.dialing
  const limitMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(state.failures, 10))
  deps.schedule(Math.floor(deps.dice.between(limitMs / 2, limitMs)), () => {
    if (dialing === state.dialing && state.isWanted && !state.connection) dial(wire)
  })
}

function dial(wire: Insides): void {
  const { deps, state, owner } = wire
  const node = deps.plan.nodes[state.turn % deps.plan.nodes.length]
  if (node === undefined) return
  const connection: Connection = { node, record: newRecord(0), isGone: false }
  const line = deps.connect(node, {
    onClosed: () => {
      connection.isGone = true
      if (state.connection === connection) lost(wire)
    },
    answer: (action, params) => (state.connection === connection ? wire.answer(action, params) : undefined),
    // A line that it has left, and forgot to close, it does not listen to.
    onCommand: command => (state.connection === connection ? owner.onCommand(command) : DEAF),
  })
  // Only an answer proves that a line is good.
  state.failures++
  if (!line || connection.isGone) {
    state.turn++
    dialLater(wire)
    return
  }
  connection.line = line
  state.connection = connection
  state.timeouts = 0
  for (const old of state.stale.splice(0))
    deps.schedule(Math.floor(deps.dice.between(...STALE_MS)), () => old.close())
  owner.onOpen()
}

/** The line broke: the next node in the list is tried. */
function lost(wire: Insides): void {
  wire.state.turn++
  ended(wire)
}

/** Leaves the line by itself. Some firmware forgets to close it ('own' quirk only; without power nobody keeps it). */
function letGo(wire: Insides, keeps: 'own' | 'none'): void {
  const { deps, state } = wire
  const line = state.connection?.line
  if (!line) return
  if (keeps === 'own' && deps.plan.quirks.includes('two-connections')) state.stale.push(line)
  ended(wire)
  if (!state.stale.includes(line)) line.close()
}

function ended(wire: Insides): void {
  const { state, owner } = wire
  const { flight } = state
  state.connection = undefined
  state.flight = undefined
  if (state.isWanted) dialLater(wire)
  flight?.onDone({ kind: 'lost' })
  owner.onLost()
}

type Outgoing = {
  readonly action: string
  readonly payload: Payload
  readonly onDone: (result: CallResult) => void
}

function call(wire: Insides, { action, payload, onDone }: Outgoing): void {
  const { deps, state } = wire
  const { connection } = state
  if (!connection?.line || state.flight) throw new Error('one call at a time, over a line')
  const translation = wire.version.translate(action, payload, of => connection.record.registers.get(of)?.wh)
  if (translation.kind !== 'message') throw new Error(`${action} is no message`)
  const { drafts } = translation
  const messages = drafts.map(draft => referenced(draft, deps.tokenRef))
  const flight: Flight = { sinceMs: deps.nowMs(), onDone }
  state.flight = flight
  watch(wire)
  const { line } = connection
  const [only, ...others] = messages.map((message, i) =>
    line.call(message, i === 0 ? translation.repairs : []),
  )
  // One answer waits no longer than it must: what comes next stands in the same turn.
  const answers =
    only && others.length === 0 ? only.then(one => [one]) : Promise.all([...(only ? [only] : []), ...others])
  void answers.then(given => {
    if (state.flight === flight) heard(wire, { connection, drafts, messages, answers: given })
  })
}

type Heard = {
  readonly connection: Connection
  readonly drafts: readonly Draft[]
  readonly messages: readonly Translated[]
  readonly answers: readonly (ChargerAnswer | 'closed')[]
}

function heard(wire: Insides, { connection, drafts, messages, answers }: Heard): void {
  const { deps, state, owner } = wire
  const nowAt = deps.startsAt + Math.floor(deps.nowMs())
  const given = answers.filter(answer => answer !== 'closed')
  const isWhole = given.length === answers.length
  const payload = isWhole ? wire.version.confirm(drafts, given, nowAt) : undefined
  if (!payload) {
    // Silence: the door closes the socket without a word.
    lost(wire)
    connection.line?.close()
    return
  }
  messages.forEach((message, i) => {
    noteAnswered(connection.record, message, given[i])
  })
  const { flight } = state
  state.flight = undefined
  state.failures = 0
  state.timeouts = 0
  flight?.onDone({ kind: 'result', payload, node: connection.node })
  owner.onFree()
}

/** The card becomes its reference at once; `withReference` of the door does the same with a wait. */
function referenced(draft: Draft, tokenRef: StationDeps['tokenRef']): Translated {
  switch (draft.kind) {
    case 'authorize':
    case 'card':
    case 'start': {
      const { idTag, ...rest } = draft
      return { ...rest, tokenRef: tokenRef(idTag) }
    }
    case 'stop': {
      const { idTag, ...rest } = draft
      return idTag === undefined ? rest : { ...rest, tokenRef: tokenRef(idTag) }
    }
    default:
      return draft
  }
}

/** One task for many calls: it looks when the oldest could be overdue, and is gone while nothing is on its way. */
function watch(wire: Insides): void {
  const { deps, state, owner } = wire
  if (state.isWatched || !state.flight) return
  state.isWatched = true
  deps.schedule(Math.max(0, state.flight.sinceMs + CALL_TIMEOUT_MS - deps.nowMs()), () => {
    state.isWatched = false
    const { flight } = state
    if (!flight || flight.sinceMs + CALL_TIMEOUT_MS > deps.nowMs()) return watch(wire)
    state.flight = undefined
    state.timeouts++
    flight.onDone({ kind: 'timeout' })
    if (state.timeouts < MAX_TIMEOUTS) return owner.onFree()
    state.turn++
    letGo(wire, 'own')
  })
}
