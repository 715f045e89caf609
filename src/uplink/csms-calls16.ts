// Sessions in the words of OCPP 1.6, as a charger says them that was offline: StartTransaction, MeterValues, StopTransaction,
// each with the time of what happened. The central system draws the transaction's id.
import {
  CARD,
  type Call,
  type Heard,
  type ToldReading,
  type ToldSession,
  type Translator,
} from './csms-calls.ts'

/** Readings of one MeterValues: some 150 bytes each. */
const MAX_READINGS = 50

export const OCPP_1_6: Translator = {
  subprotocol: 'ocpp1.6',
  greets: ({ vendor, model, firmware, connectors, at }) => [
    {
      action: 'BootNotification',
      payload: {
        chargePointVendor: vendor.slice(0, 20),
        chargePointModel: model.slice(0, 20),
        ...(firmware !== undefined && { firmwareVersion: firmware.slice(0, 50) }),
      },
    },
    ...[{ connectorId: 0, isCharging: false }, ...connectors].map(({ connectorId, isCharging }) => ({
      action: 'StatusNotification',
      payload: {
        connectorId,
        errorCode: 'NoError',
        status: isCharging ? 'Charging' : 'Available',
        timestamp: at,
      },
    })),
  ],
  starts: ({ connectorId, meterStartWh, startedAt }) => ({
    action: 'StartTransaction',
    payload: { connectorId, idTag: CARD, meterStart: meterStartWh, timestamp: startedAt },
  }),
  measures: (session, upstreamId, said) => {
    const calls: Call[] = []
    for (let i = said.readings; i < session.readings.length; i += MAX_READINGS) {
      const meterValue = session.readings.slice(i, i + MAX_READINGS).flatMap(meterValueOf)
      if (meterValue.length === 0) continue
      calls.push({
        action: 'MeterValues',
        payload: { connectorId: session.connectorId, transactionId: Number(upstreamId), meterValue },
      })
    }
    return calls
  },
  ends: (session, upstreamId) => {
    const { meterStopWh = 0, stoppedAt = '', reason = 'Other', byCard = false } = session.end ?? {}
    return {
      action: 'StopTransaction',
      payload: {
        transactionId: Number(upstreamId),
        ...(byCard && { idTag: CARD }),
        meterStop: meterStopWh,
        timestamp: stoppedAt,
        reason,
        transactionData: edgesOf(session, stoppedAt, meterStopWh),
      },
    }
  },
  hears: ({ action }, answer) => {
    const said = (typeof answer === 'object' && answer !== null ? answer : {}) as Readonly<
      Record<string, unknown>
    >
    if (action === 'BootNotification') return welcome(said)
    const status = statusOf(said)
    if (action !== 'StartTransaction') return { kind: 'taken', ...status }
    const { transactionId } = said
    if (typeof transactionId !== 'number' || !Number.isSafeInteger(transactionId))
      return { kind: 'refused', reason: 'its answer to StartTransaction names no transaction' }
    // So answers who books nothing for a card that it does not like (CitrineOS of 2026 with 0, others with -1).
    if (transactionId <= 0 && status.status !== undefined)
      return { kind: 'refused', reason: `${status.status} and no transaction` }
    return { kind: 'taken', upstreamId: String(transactionId), ...status }
  },
}

/** Of BootNotification, which both versions answer alike. */
export function welcome({ status, interval }: Readonly<Record<string, unknown>>): Heard {
  if (status === 'Accepted') return { kind: 'taken' }
  const waitS = typeof interval === 'number' && interval > 0 ? interval : undefined
  const reason = `it answers ${JSON.stringify(status)?.slice(0, 40)} to BootNotification: is the charger registered there?`
  return { kind: 'refused', reason, ...(waitS !== undefined && { waitS }) }
}

function statusOf({ idTagInfo }: Readonly<Record<string, unknown>>): { readonly status?: string } {
  const status = (idTagInfo as { readonly status?: unknown } | null | undefined)?.status
  return typeof status === 'string' && status !== 'Accepted' ? { status: status.slice(0, 20) } : {}
}

function meterValueOf(reading: ToldReading): readonly unknown[] {
  const { sampledAt, energyWh, powerW, socPercent } = reading
  const sampledValue = [
    ...(energyWh === undefined ? [] : [register(energyWh, 'Sample.Periodic')]),
    ...(powerW === undefined
      ? []
      : [{ value: String(powerW), measurand: 'Power.Active.Import', unit: 'W', context: 'Sample.Periodic' }]),
    ...(socPercent === undefined
      ? []
      : [{ value: String(socPercent), measurand: 'SoC', unit: 'Percent', context: 'Sample.Periodic' }]),
  ]
  return sampledValue.length === 0 ? [] : [{ timestamp: sampledAt, sampledValue }]
}

function edgesOf({ startedAt, meterStartWh }: ToldSession, stoppedAt: string, meterStopWh: number): unknown {
  return [
    { timestamp: startedAt, sampledValue: [register(meterStartWh, 'Transaction.Begin')] },
    { timestamp: stoppedAt, sampledValue: [register(meterStopWh, 'Transaction.End')] },
  ]
}

function register(wh: number, context: string): unknown {
  return { value: String(wh), context, measurand: 'Energy.Active.Import.Register', unit: 'Wh' }
}
