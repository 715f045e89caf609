// A charge point that speaks OCPP 1.6J or 2.0.1 over real sockets and behaves like firmware: boots only after power-up,
// never on a mere reconnect, keeps charging offline, queues its transaction messages with the time of the event
// and delivers them in order, to whichever server answers. Keeps its own truth of every session.

import { createList, type StationList } from '../station/list.ts'
import { TYPICAL_BATTERY } from './battery.ts'
import type { Charger, VirtualChargerOptions } from './charger.ts'
import { type ChargerSession, type Connector, readMeter } from './connector.ts'
import { authorize, connectorOf, onOpen, powerCycle, start } from './firmware.ts'
import { createLine, type Line } from './line.ts'
import { createQueue } from './queue.ts'
import { answerRemote } from './remote.ts'
import { begin, end, report } from './sessions.ts'
import { createSettings } from './settings.ts'
import { TONGUE_1_6 } from './tongue16.ts'
import { TONGUE_2_0_1 } from './tongue201.ts'

export type TapResult = { readonly accepted: boolean; readonly status: string }

export type VirtualCharger = {
  readonly identity: string
  readonly connected: () => boolean
  /** Booted, and its last boot was accepted. */
  readonly booted: () => boolean
  /** The URL in use, or the one to be tried next. */
  readonly url: () => string
  readonly plugIn: (connectorId: number) => void
  /** A card at the reader: starts, or stops what the same card started. Offline, as the settings allow. */
  readonly tap: (connectorId: number, idTag: string) => Promise<TapResult>
  /** Ends the session and unplugs; resolves when the stop is in the queue. */
  readonly stop: (connectorId: number, reason?: string) => Promise<void>
  /** Cuts the line until `connect`. */
  readonly disconnect: () => void
  readonly connect: () => void
  /** Power off and on: sessions end with `reason`, the queue survives, a boot follows. */
  readonly powerCycle: (reason?: string) => Promise<void>
  /** Its own truth, in the order of the starts. */
  readonly sessions: () => readonly ChargerSession[]
  readonly registerWh: (connectorId: number) => number
  readonly queued: () => number
  readonly list: StationList
  /** Transaction messages given up. */
  readonly discarded: () => readonly string[]
  /** Resolves when every transaction message was confirmed. */
  readonly settled: () => Promise<void>
  readonly close: () => void
}

export function openVirtualCharger(options: VirtualChargerOptions): VirtualCharger {
  const charger = createCharger(options)
  charger.line.connect()
  return {
    identity: options.identity,
    connected: charger.line.connected,
    booted: () => charger.booted,
    url: charger.line.url,
    plugIn: connectorId => plugIn(charger, connectorId),
    tap: (connectorId, idTag) => tap(charger, connectorId, idTag),
    stop: async (connectorId, reason = 'Local') => {
      end(charger, connectorOf(charger, connectorId), reason)
      unplug(charger, connectorId)
    },
    disconnect: charger.line.disconnect,
    connect: charger.line.connect,
    powerCycle: (reason = 'PowerLoss') => powerCycle(charger, reason),
    sessions: () =>
      charger.sessions.map(session => ({ ...session, transactionIds: [...session.transactionIds] })),
    registerWh: connectorId =>
      readMeter(connectorOf(charger, connectorId), charger.now(), charger.timeScale).energyWh,
    queued: charger.queue.size,
    list: charger.list,
    discarded: charger.queue.discarded,
    settled: charger.queue.settled,
    close: () => close(charger),
  }
}

function createCharger(options: VirtualChargerOptions): Charger {
  const meterIntervalMs = options.meterIntervalMs ?? 60_000
  const settings = createSettings({
    AllowOfflineTxForUnknownId: 'false',
    AuthorizationKey: options.password,
    AuthorizeRemoteTxRequests: 'false',
    HeartbeatInterval: '300',
    LocalAuthorizeOffline: 'true',
    MeterValueSampleInterval: String(Math.ceil(meterIntervalMs / 1000)),
    MeterValuesSampledData: 'Energy.Active.Import.Register,Power.Active.Import,SoC',
    NumberOfConnectors: String(options.connectors),
    StopTransactionOnInvalidId: 'true',
    TransactionMessageAttempts: '3',
    TransactionMessageRetryInterval: '60',
    WebSocketPingInterval: '10',
    ...(options.list && {
      LocalAuthListEnabled: 'false',
      LocalAuthListMaxLength: String(options.list.maxLength),
      SendLocalListMaxLength: String(options.list.perMessage),
    }),
    ...options.settings,
  })
  const tongue = options.version === '2.0.1' ? TONGUE_2_0_1 : TONGUE_1_6
  const line: Line = createLine({
    ...options,
    subprotocol: tongue.subprotocol,
    callTimeoutMs: options.callTimeoutMs ?? 30_000,
    pingIntervalMs: options.pingIntervalMs ?? 10_000,
    onOpen: () => void onOpen(charger),
    onClose: () => undefined,
    onCall: (action, payload) => answerRemote(charger, action, payload),
  })
  const queue = createQueue({
    call: line.call,
    ready: () => charger.booted && line.connected(),
    attempts: () => options.attempts ?? Number.POSITIVE_INFINITY,
    retryIntervalMs: () => options.retryIntervalMs ?? 5000,
  })
  const charger: Charger = {
    options,
    tongue,
    line,
    queue,
    settings,
    list: createList(options.list),
    connectors: Array.from({ length: options.connectors }, (_, i) =>
      newConnector(i + 1, options.registerWh ?? 0),
    ),
    sessions: [],
    acceptedTags: new Set(),
    now: options.now ?? Date.now,
    timeScale: options.timeScale ?? 1,
    battery: options.battery ?? (() => TYPICAL_BATTERY),
    meterIntervalMs,
    booted: false,
    closed: false,
    heartbeat: undefined,
    reboot: undefined,
    unreported: new Set(),
  }
  return charger
}

function newConnector(id: number, registerWh: number): Connector {
  return { id, plugged: false, status: 'Available', registerWh, running: undefined, waitingTag: undefined }
}

function plugIn(charger: Charger, connectorId: number): void {
  const connector = connectorOf(charger, connectorId)
  connector.plugged = true
  if (connector.running) return
  connector.status = 'Preparing'
  report(charger, connectorId)
  if (connector.waitingTag !== undefined) begin(charger, connector, connector.waitingTag)
}

function unplug(charger: Charger, connectorId: number): void {
  const connector = connectorOf(charger, connectorId)
  connector.plugged = false
  connector.waitingTag = undefined
  connector.status = 'Available'
  report(charger, connectorId)
}

async function tap(charger: Charger, connectorId: number, idTag: string): Promise<TapResult> {
  const connector = connectorOf(charger, connectorId)
  if (connector.running) {
    if (connector.running.record.idTag !== idTag) return { accepted: false, status: 'Occupied' }
    end(charger, connector, 'Local')
    unplug(charger, connectorId)
    return { accepted: true, status: 'Accepted' }
  }
  const status = await authorize(charger, idTag)
  if (status !== 'Accepted') return { accepted: false, status }
  start(charger, connector, idTag)
  return { accepted: true, status }
}

function close(charger: Charger): void {
  charger.closed = true
  charger.queue.close()
  charger.line.disconnect()
  clearInterval(charger.heartbeat)
  clearTimeout(charger.reboot)
  for (const { running } of charger.connectors) clearInterval(running?.meterTimer)
}
