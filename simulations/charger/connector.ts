// One connector of a virtual charge point with its own calibrated meter: the truth that bills are compared with.
// The register only grows; it counts what the battery took since the session began.
import { type Battery, energyTakenWh, powerW, roomWh, socPercent } from './battery.ts'

/** What the charger's own meter says of one session. Instants are UTC ms of the charger's clock. */
export type ChargerSession = {
  readonly connectorId: number
  readonly idTag: string
  readonly meterStartWh: number
  readonly meterStopWh: number | undefined
  readonly startedAt: number
  readonly stoppedAt: number | undefined
  /** Every id that a StartTransaction.conf gave it. */
  readonly transactionIds: readonly number[]
  /** The status, when the central system did not accept the start. */
  readonly refused?: string
  /** Whether the stop was confirmed. */
  readonly finished: boolean
}

export type SessionRecord = {
  readonly connectorId: number
  readonly idTag: string
  readonly meterStartWh: number
  meterStopWh: number | undefined
  readonly startedAt: number
  stoppedAt: number | undefined
  readonly transactionIds: number[]
  /** Where the charge point names its transactions itself, and how much it has said of this one. */
  readonly name: string | undefined
  said: number
  refused?: string
  finished: boolean
}

export type Running = {
  readonly record: SessionRecord
  readonly battery: Battery
  meterTimer: NodeJS.Timeout | undefined
}

export type Connector = {
  readonly id: number
  plugged: boolean
  status: string
  /** Wh before the running session. */
  registerWh: number
  running: Running | undefined
  /** A card that was accepted before the cable was plugged in. */
  waitingTag: string | undefined
}

export type Reading = { readonly energyWh: number; readonly powerW: number; readonly socPercent: number }

/** `timeScale` charging seconds pass in one real second. */
export function readMeter(connector: Connector, nowAt: number, timeScale: number): Reading {
  const { running } = connector
  if (!running) return { energyWh: connector.registerWh, powerW: 0, socPercent: 0 }
  const elapsedS = ((nowAt - running.record.startedAt) / 1000) * timeScale
  return {
    energyWh: running.record.meterStartWh + Math.floor(energyTakenWh(running.battery, elapsedS)),
    powerW: Math.round(powerW(running.battery, elapsedS)),
    socPercent: Math.round(socPercent(running.battery, elapsedS)),
  }
}

export function isFull(running: Running, reading: Reading): boolean {
  return reading.energyWh - running.record.meterStartWh >= Math.floor(roomWh(running.battery))
}

/** A meterValue of OCPP 1.6. */
export function meterValue(reading: Reading, nowAt: number): Readonly<Record<string, unknown>> {
  const context = 'Sample.Periodic'
  return {
    timestamp: new Date(nowAt).toISOString(),
    sampledValue: [
      { value: String(reading.energyWh), context, measurand: 'Energy.Active.Import.Register', unit: 'Wh' },
      { value: String(reading.powerW), context, measurand: 'Power.Active.Import', unit: 'W' },
      { value: String(reading.socPercent), context, measurand: 'SoC', unit: 'Percent' },
    ],
  }
}
