// What a charge point says next. One CALL at a time: the boot first, and nothing before it is accepted; then cards, since
// a driver waits; then the status of connectors, then the oldest transaction message; a heartbeat when nothing else waits.
import { spoken } from './dialect.ts'
import { type Insides, isOnline, nowMs, type Tap } from './insides.ts'
import type { Entry } from './queue.ts'
import { noteSent, type Payload } from './session.ts'
import type { CallResult } from './wire.ts'

const RETRY_INTERVAL_MS = 10_000
const MAX_RETRY_MS = 300_000

/** Who wants to know what came of a message; passed in, so that talking knows nothing of charging. */
export type Listeners = {
  /** Undefined when nobody answered. */
  readonly onCard: (tap: Tap, status: string | undefined) => void
  readonly onConfirmed: (entry: Entry, payload: Payload) => void
}
export type Talk = {
  /** Says the next thing, when there is one and the line is free. */
  readonly next: () => void
  /** Asks for a card, or at once says that nobody can be asked. */
  readonly ask: (tap: Tap) => void
  readonly report: (connectorId: number, status: string) => void
  /** Nobody is going to answer those who wait. */
  readonly hangUp: () => void
}
type Voice = { readonly station: Insides; readonly listeners: Listeners; readonly next: () => void }

export function createTalk(station: Insides, listeners: Listeners): Talk {
  const { taps, known, connectors } = station
  const voice: Voice = { station, listeners, next: () => sayNext(voice) }
  return {
    next: voice.next,
    ask: tap => {
      if (!isOnline(station)) return listeners.onCard(tap, undefined)
      taps.push(tap)
      voice.next()
    },
    report: (connectorId, status) => {
      const connector = connectors[connectorId - 1]
      if (!connector || connector.status === status) return
      connector.status = status
      known.unreported.add(connectorId)
      voice.next()
    },
    hangUp: () => {
      for (const tap of taps.splice(0)) listeners.onCard(tap, undefined)
    },
  }
}

function sayNext(voice: Voice): void {
  const { memory, wire, taps, known, queue } = voice.station
  if (!memory.isPowered || !wire.isFree()) return
  const [tap] = taps
  const [unreported] = known.unreported
  const entry = nowMs(voice.station) >= memory.pausedUntilMs ? queue.head() : undefined
  if (!memory.isBooted) boot(voice)
  else if (tap) authorize(voice, tap)
  else if (unreported !== undefined) reportStatus(voice, unreported)
  else if (entry) deliver(voice, entry)
  else if (memory.isHeartbeatDue) beat(voice)
}

function beat(voice: Voice): void {
  voice.station.memory.isHeartbeatDue = false
  say(voice, { action: 'Heartbeat', payload: {} })
}

type Saying = {
  readonly action: string
  readonly payload: Payload
  readonly onDone?: (result: CallResult) => void
}

function say({ station }: Voice, { action, payload, onDone }: Saying): void {
  station.wire.call(action, spoken(station.dialect, payload), onDone ?? (() => undefined))
}

function boot(voice: Voice): void {
  const { memory, connectors, known, deps, clock } = voice.station
  const payload = voice.station.tongue.boot(deps.plan.id.slice(0, 25))
  const onDone = (result: CallResult): void => {
    if (result.kind !== 'result' || result.payload.status !== 'Accepted') return
    memory.isBooted = true
    clock.hear(result.payload.currentTime)
    for (const id of [0, ...connectors.map(connector => connector.id)]) known.unreported.add(id)
    const { interval } = result.payload
    if (typeof interval === 'number' && interval > 0) beatEvery(voice, interval * 1000, memory.life)
  }
  say(voice, { action: 'BootNotification', payload, onDone })
}

function beatEvery(voice: Voice, everyMs: number, life: number): void {
  const { deps, memory } = voice.station
  deps.schedule(everyMs, () => {
    if (memory.life !== life) return
    memory.isHeartbeatDue = true
    voice.next()
    beatEvery(voice, everyMs, life)
  })
}

function authorize(voice: Voice, tap: Tap): void {
  const { station, listeners } = voice
  const payload = station.tongue.authorize(station.deps.idTagOf(tap.guest.visit.card))
  const onDone = (result: CallResult): void => {
    station.taps.shift()
    listeners.onCard(tap, result.kind === 'result' ? statusIn(result.payload) : undefined)
  }
  say(voice, { action: 'Authorize', payload, onDone })
}

/** The verdict on a card in an answer to Authorize, StartTransaction or TransactionEvent. */
export function statusIn({ idTagInfo, idTokenInfo }: Payload): string {
  const info = idTagInfo ?? idTokenInfo
  const status = typeof info === 'object' && info !== null && 'status' in info && info.status
  return typeof status === 'string' ? status : 'Invalid'
}

function reportStatus(voice: Voice, connectorId: number): void {
  const { connectors, known, clock, tongue } = voice.station
  const statusNow = (): string => connectors[connectorId - 1]?.status ?? 'Available'
  const status = statusNow()
  const payload = tongue.status({ connectorId, status, timestamp: clock.stamp() })
  const onDone = (result: CallResult): void => {
    // Only transaction messages are tried again; after a lost line the status is told anew.
    if (result.kind !== 'lost' && statusNow() === status) known.unreported.delete(connectorId)
  }
  say(voice, { action: 'StatusNotification', payload, onDone })
}

function deliver(voice: Voice, entry: Entry): void {
  const { station, listeners } = voice
  const { queue } = station
  entry.payload ??= entry.make()
  const { action, payload, session } = entry
  const onDone = (result: CallResult): void => {
    // A lost line is no failed attempt: the message was never refused, and goes out again on the next line.
    if (result.kind === 'timeout') retryLater(voice, entry)
    if (result.kind !== 'result') return
    queue.confirmed(entry)
    if (session) noteSent(session, { action, payload }, result.node)
    listeners.onConfirmed(entry, result.payload)
  }
  say(voice, { action: station.tongue.actionOf(action), payload, onDone })
}

function retryLater({ station, next }: Voice, entry: Entry): void {
  const { queue, deps, memory } = station
  const pauseMs = Math.min(MAX_RETRY_MS, RETRY_INTERVAL_MS * (entry.failures + 1))
  queue.failed(entry)
  memory.pausedUntilMs = nowMs(station) + pauseMs
  deps.schedule(pauseMs, next)
}
