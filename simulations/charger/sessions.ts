// Beginning, metering and ending a session of a virtual charge point, and what it reports of its connectors.
import type { Charger } from './charger.ts'
import { type Connector, isFull, readMeter, type SessionRecord } from './connector.ts'
import { numberField } from './settings.ts'
import type { Occasion } from './tongue.ts'

/** StatusNotification of a connector, or of the whole charge point (0). What cannot be sent is sent later. */
export function report(charger: Charger, connectorId: number): void {
  const status = charger.connectors[connectorId - 1]?.status ?? 'Available'
  charger.unreported.add(connectorId)
  if (!charger.booted) return
  const payload = charger.tongue.status(connectorId, status, charger.now())
  if (!payload) {
    charger.unreported.delete(connectorId)
    return
  }
  void charger.line.call('StatusNotification', payload).then(result => {
    const current = charger.connectors[connectorId - 1]?.status ?? 'Available'
    if (result.kind === 'result' && current === status) charger.unreported.delete(connectorId)
  })
}

export function begin(charger: Charger, connector: Connector, idTag: string): void {
  const startedAt = charger.now()
  const record: SessionRecord = {
    connectorId: connector.id,
    idTag,
    meterStartWh: connector.registerWh,
    meterStopWh: undefined,
    startedAt,
    stoppedAt: undefined,
    transactionIds: [],
    name: charger.tongue.nameSession(charger.options.random),
    said: 0,
    finished: false,
  }
  charger.sessions.push(record)
  connector.waitingTag = undefined
  connector.running = { record, battery: charger.battery(connector.id), meterTimer: undefined }
  connector.status = 'Charging'
  report(charger, connector.id)
  const occasion = occasionOf(charger, { connector, record, at: startedAt })
  charger.queue.push({
    ...charger.tongue.start(occasion),
    onConfirmed: payload => started(charger, connector, { record, payload }),
  })
  scheduleMeter(charger, connector)
}

function started(
  charger: Charger,
  connector: Connector,
  { record, payload }: { readonly record: SessionRecord; readonly payload: unknown },
): void {
  const transactionId = numberField(payload, 'transactionId')
  if (transactionId !== undefined) record.transactionIds.push(transactionId)
  const status = charger.tongue.verdict(payload)
  if (status === 'Accepted') return
  record.refused = status ?? 'Missing'
  charger.acceptedTags.delete(record.idTag)
  if (connector.running?.record === record && charger.settings.flag('StopTransactionOnInvalidId')) {
    end(charger, connector, 'DeAuthorized')
  }
}

function scheduleMeter(charger: Charger, connector: Connector): void {
  const { running } = connector
  if (!running) return
  clearInterval(running.meterTimer)
  running.meterTimer = setInterval(() => sampleMeter(charger, connector), charger.meterIntervalMs)
}

/** After the interval was changed from outside. */
export function rescheduleMeters(charger: Charger): void {
  for (const connector of charger.connectors) scheduleMeter(charger, connector)
}

export function sampleMeter(charger: Charger, connector: Connector): void {
  const nowAt = charger.now()
  const reading = readMeter(connector, nowAt, charger.timeScale)
  const { running } = connector
  const said = running
    ? charger.tongue.reading(occasionOf(charger, { connector, record: running.record, at: nowAt }))
    : charger.tongue.idleReading(connector.id, reading, nowAt)
  charger.queue.push({
    ...said,
    onConfirmed: () => undefined,
  })
  if (running && connector.status === 'Charging' && isFull(running, reading)) {
    connector.status = 'SuspendedEV'
    report(charger, connector.id)
  }
}

type Moment = { readonly connector: Connector; readonly record: SessionRecord; readonly at: number }

function occasionOf(charger: Charger, { connector, record, at }: Moment): Occasion {
  const reading = readMeter(connector, at, charger.timeScale)
  return { record, reading, at, isOffline: !charger.line.connected() }
}

/** Ends what runs on a connector; nothing happens when nothing does. */
export function end(charger: Charger, connector: Connector, reason: string): void {
  const { running } = connector
  if (!running) return
  const stoppedAt = charger.now()
  const { record } = running
  const occasion = occasionOf(charger, { connector, record, at: stoppedAt })
  const meterStopWh = occasion.reading.energyWh
  clearInterval(running.meterTimer)
  record.meterStopWh = meterStopWh
  record.stoppedAt = stoppedAt
  connector.registerWh = meterStopWh
  connector.running = undefined
  connector.status = 'Finishing'
  report(charger, connector.id)
  charger.queue.push({
    ...charger.tongue.stop(occasion, reason),
    onConfirmed: () => {
      record.finished = true
    },
  })
}
