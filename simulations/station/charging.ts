// Beginning, metering and ending a session, and what a power cut does to it. Whatever runs was metered here; whether a
// node ever hears of it is the queue's affair.
import type { ChargerCommand, CommandOutcome } from '../../src/ports.ts'
import { type Connector, type Guest, has, type Insides, isFull, nowMs, readMeter } from './insides.ts'
import type { Entry } from './queue.ts'
import { sendAgainLater } from './replay.ts'
import type { Payload, SessionRecord } from './session.ts'
import { statusIn, type Talk } from './talk.ts'

export type Charging = {
  readonly begin: (connector: Connector, guest: Guest, wasOffline: boolean) => number
  readonly end: (connector: Connector, reason: string) => void
  readonly confirmed: (entry: Entry, payload: Payload) => void
  readonly obey: (command: ChargerCommand) => CommandOutcome
  readonly powerOff: () => void
  readonly powerOn: () => void
}
type Bench = { readonly station: Insides; readonly talk: () => Talk }

/** `talk` is asked for late: it and this know each other. */
export function createCharging(station: Insides, talk: () => Talk): Charging {
  const bench: Bench = { station, talk }
  return {
    begin: (connector, guest, wasOffline) => begin(bench, { connector, guest, wasOffline }),
    end: (connector, reason) => end(bench, connector, reason),
    confirmed: (entry, payload) => confirmed(bench, entry, payload),
    obey: command => obey(bench, command),
    powerOff: () => {
      for (const connector of station.connectors) cut(station, connector)
    },
    powerOn: () => {
      for (const connector of station.connectors) resume(bench, connector)
    },
  }
}

type Beginning = { readonly connector: Connector; readonly guest: Guest; readonly wasOffline: boolean }

/** The session's index. */
function begin(bench: Bench, { connector, guest, wasOffline }: Beginning): number {
  const { station, talk } = bench
  const { card, battery } = guest.visit
  const session: SessionRecord = {
    ...{ connectorId: connector.id, card, idTag: station.deps.idTagOf(card), wasOffline },
    ...{ meterStartWh: connector.registerWh, startedAtMs: nowMs(station), startedRaw: station.clock.stamp() },
    ...{ transactionIds: [], servedBy: [], sent: [], number: station.sessions.length, said: 0 },
  }
  connector.running = { session, battery, guest }
  station.queue.push({
    ...{ action: 'StartTransaction', session },
    make: () => station.tongue.start(session),
  })
  if (station.tongue.plugsFirst)
    station.queue.push({ action: 'CardShown', session, make: () => station.tongue.card(session) })
  sampleLater(bench, connector, session)
  talk().report(connector.id, 'Charging')
  talk().next()
  return station.sessions.push(session) - 1
}

function sampleLater(bench: Bench, connector: Connector, session: SessionRecord): void {
  const { deps } = bench.station
  deps.schedule(deps.plan.meterEveryMs, () => {
    if (connector.running?.session !== session) return
    sample(bench, connector)
    sampleLater(bench, connector, session)
  })
}

function sample({ station, talk }: Bench, connector: Connector): void {
  const { running } = connector
  if (!running) return
  const { session } = running
  const reading = readMeter(running, nowMs(station))
  const timestamp = station.clock.stamp()
  station.queue.push({
    ...{ action: 'MeterValues', session },
    make: () => station.tongue.meter(session, { reading, timestamp, wireId: wireIdOf(station, session) }),
  })
  if (isFull(running, reading)) talk().report(connector.id, 'SuspendedEV')
  talk().next()
}

/** -1 also when no StartTransaction was ever confirmed (OCPP 1.6 errata 3.18). */
function wireIdOf(station: Insides, { transactionIds }: SessionRecord): number {
  return has(station, 'negative-id') ? -1 : (transactionIds.at(-1) ?? -1)
}

function end({ station, talk }: Bench, connector: Connector, reason: string): void {
  const { running } = connector
  if (!running) return
  settle(station, connector)
  running.session.reason = reason
  pushStop(station, running.session, station.clock.stamp())
  talk().report(connector.id, 'Finishing')
  talk().next()
}

/** The meter stops here, now. */
function settle(station: Insides, connector: Connector): void {
  const { running } = connector
  if (!running) return
  const atMs = nowMs(station)
  const { energyWh } = readMeter(running, atMs)
  running.session.meterStopWh = energyWh
  running.session.stoppedAtMs = atMs
  connector.registerWh = energyWh
  connector.running = undefined
}

function pushStop(station: Insides, session: SessionRecord, stamp: string): void {
  session.stoppedRaw = stamp
  station.queue.push({
    ...{ action: 'StopTransaction', session },
    make: () => station.tongue.stop(session, { timestamp: stamp, wireId: wireIdOf(station, session) }),
  })
}

function confirmed(bench: Bench, { action, session }: Entry, payload: Payload): void {
  if (!session || action === 'MeterValues') return
  const { station } = bench
  if (action === 'StartTransaction') {
    session.startConfirmedMs ??= nowMs(station)
    const transactionId = station.tongue.numberOf(session) ?? payload.transactionId
    if (typeof transactionId === 'number') session.transactionIds.push(transactionId)
    if (!station.tongue.plugsFirst) heardVerdict(bench, session, statusIn(payload))
  } else if (action === 'CardShown') heardVerdict(bench, session, statusIn(payload))
  else session.stopConfirmedMs ??= nowMs(station)
  sendAgainLater(station, { session, action, next: bench.talk().next })
}

/** Stops what runs under the id, if it was told that id, and tells what it is asked for; no other command is modelled. */
function obey(bench: Bench, command: ChargerCommand): CommandOutcome {
  if (command.kind === 'trigger') return triggered(bench, command)
  if (command.kind === 'getTransactionStatus') return statusOf(bench, command.stationTransactionId)
  const connector = bench.station.connectors.find(
    ({ running }) =>
      command.kind === 'remoteStop' && running?.session.transactionIds.includes(command.transactionId),
  )
  if (!connector) return { kind: 'rejected', status: 'Rejected' }
  end(bench, connector, 'Remote')
  return { kind: 'accepted' }
}

function statusOf({ station }: Bench, transaction: string): CommandOutcome {
  const isOngoing = station.connectors.some(
    ({ running }) => running !== undefined && station.tongue.nameOf(running.session) === transaction,
  )
  return { kind: 'accepted', detail: { isOngoing, hasQueue: station.queue.size() > 0 } }
}

function triggered(
  bench: Bench,
  { message, connectorId }: Extract<ChargerCommand, { kind: 'trigger' }>,
): CommandOutcome {
  const { station, talk } = bench
  const connector = station.connectors.find(({ id }) => id === connectorId)
  if (!connector) return { kind: 'rejected', status: 'Rejected' }
  if (message === 'StatusNotification') station.known.unreported.add(connector.id)
  else if (message === 'MeterValues') sample(bench, connector)
  else return { kind: 'rejected', status: 'NotImplemented' }
  talk().next()
  return { kind: 'accepted' }
}

/** A card that is not accepted at the start ends the session (OCPP 1.6, StopTransactionOnInvalidId). */
function heardVerdict(bench: Bench, session: SessionRecord, status: string): void {
  const { station } = bench
  const { cards } = station.known
  if (status === 'Accepted') {
    cards.add(session.idTag)
    return
  }
  cards.delete(session.idTag)
  const connector = station.connectors.find(({ running }) => running?.session === session)
  if (connector) {
    end(bench, connector, 'DeAuthorized')
    // The driver is told, and drives off.
    connector.guest = undefined
    bench.talk().report(connector.id, 'Available')
  }
  const number = station.sessions.indexOf(session)
  const index = station.visits.findIndex(visit => visit.session === number)
  const visit = station.visits[index]
  if (!visit) return
  const tookNothing = session.meterStopWh === session.meterStartWh
  station.visits[index] = { ...visit, status, outcome: tookNothing ? 'refused' : visit.outcome }
}

/** The power is gone: the meter stands still, and whatever ran is kept in memory that needs none. */
function cut(station: Insides, connector: Connector): void {
  const { running } = connector
  if (!running) return
  const { session } = running
  session.stoppedRaw = station.clock.stamp()
  settle(station, connector)
  session.reason = 'PowerLoss'
  if (has(station, 'forgets-session')) {
    session.lostByItself ??= 'forgotten-after-power-cut'
    delete session.stoppedRaw
  } else connector.interrupted = session
}

/** Stops what the cut interrupted, at the register of the cut: charging does not go on by itself. */
function resume({ station }: Bench, connector: Connector): void {
  const session = connector.interrupted
  connector.interrupted = undefined
  if (session) {
    const stamp = station.clock.isVolatile ? undefined : session.stoppedRaw
    pushStop(station, session, stamp ?? station.clock.stamp())
  }
  if (has(station, 'meter-resets')) connector.registerWh = 0
}
