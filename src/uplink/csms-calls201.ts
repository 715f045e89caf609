// Sessions in the words of OCPP 2.0.1, as a station says them that was offline: TransactionEvents, each marked so, numbered from
// 0. The number of an event is the place of what it says: 0 the start, then one for each reading, then the end. So whoever says
// it again, after a restart or after the turn went to another node, says the same under the same number, and the end never has
// one that was used. The transaction's id is the station's own, and for chargers of 1.6 that of our session.
import {
  CARD,
  CARD_TYPE,
  type Call,
  type Payload,
  type ToldEnd,
  type ToldReading,
  type ToldSession,
  type Translator,
} from './csms-calls.ts'
import { welcome } from './csms-calls16.ts'

export const OCPP_2_0_1: Translator = {
  subprotocol: 'ocpp2.0.1',
  greets: ({ vendor, model, firmware, connectors, at }) => [
    {
      action: 'BootNotification',
      payload: {
        reason: 'PowerUp',
        chargingStation: {
          ...{ vendorName: vendor.slice(0, 50), model: model.slice(0, 20) },
          ...(firmware !== undefined && { firmwareVersion: firmware.slice(0, 50) }),
        },
      },
    },
    ...connectors.map(({ connectorId, isCharging }) => ({
      action: 'StatusNotification',
      payload: {
        ...{ timestamp: at, connectorStatus: isCharging ? 'Occupied' : 'Available' },
        ...{ evseId: connectorId, connectorId: 1 },
      },
    })),
  ],
  starts: session => {
    const reading = { sampledAt: session.startedAt, energyWh: session.meterStartWh }
    return event(session, {
      ...{ eventType: 'Started', seqNo: 0, at: session.startedAt, triggerReason: 'Authorized' },
      info: { chargingState: 'Charging' },
      more: { idToken: TOKEN, meterValue: meterValueOf(reading, 'Transaction.Begin') },
    })
  },
  measures: (session, _upstreamId, said) =>
    session.readings.slice(said.readings).map((reading, i) =>
      event(session, {
        ...{ eventType: 'Updated', seqNo: 1 + said.readings + i, at: reading.sampledAt },
        ...{ triggerReason: 'MeterValuePeriodic', info: { chargingState: 'Charging' } },
        more: { meterValue: meterValueOf(reading, 'Sample.Periodic') },
      }),
    ),
  ends: session => {
    const end = session.end ?? NO_END
    const reading = { sampledAt: end.stoppedAt, energyWh: end.meterStopWh }
    const known = Object.hasOwn(REASONS, end.reason) ? REASONS[end.reason] : undefined
    const [triggerReason, stoppedReason] = known ?? OTHER
    return event(session, {
      ...{ eventType: 'Ended', seqNo: 1 + session.readings.length, at: end.stoppedAt, triggerReason },
      info: { stoppedReason },
      more: {
        ...(end.byCard && { idToken: TOKEN }),
        meterValue: meterValueOf(reading, 'Transaction.End'),
      },
    })
  },
  hears: ({ action, payload }, answer) => {
    const said = (typeof answer === 'object' && answer !== null ? answer : {}) as Payload
    if (action === 'BootNotification') return welcome(said)
    const { transactionId } = (payload.transactionInfo ?? {}) as Payload
    const { status } = (said.idTokenInfo ?? {}) as Payload
    return {
      kind: 'taken',
      ...(typeof transactionId === 'string' && { upstreamId: transactionId }),
      ...(typeof status === 'string' && status !== 'Accepted' && { status: status.slice(0, 20) }),
    }
  },
}

const TOKEN = { idToken: CARD, type: CARD_TYPE }
const NO_END: ToldEnd = { stoppedAt: '', meterStopWh: 0, reason: 'Other', byCard: false }
const OTHER = ['AbnormalCondition', 'Other'] as const

/** By OCPP 1.6's reason: why the event is said, and why it stopped (part 2, TriggerReasonEnumType and ReasonEnumType). */
const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  DeAuthorized: ['Deauthorized', 'DeAuthorized'],
  EmergencyStop: ['AbnormalCondition', 'EmergencyStop'],
  EVDisconnected: ['EVCommunicationLost', 'EVDisconnected'],
  HardReset: ['ResetCommand', 'ImmediateReset'],
  Local: ['StopAuthorized', 'Local'],
  PowerLoss: ['AbnormalCondition', 'PowerLoss'],
  Reboot: ['AbnormalCondition', 'Reboot'],
  Remote: ['RemoteStop', 'Remote'],
  SoftReset: ['ResetCommand', 'ImmediateReset'],
  UnlockCommand: ['UnlockCommand', 'Other'],
}

/** What the central system calls the session; the station named it, or we do. */
export function transactionIdOf(session: Pick<ToldSession, 'sessionId' | 'stationTransactionId'>): string {
  return session.stationTransactionId ?? session.sessionId
}

type Saying = {
  readonly eventType: 'Started' | 'Updated' | 'Ended'
  readonly seqNo: number
  readonly at: string
  readonly triggerReason: string
  readonly info: Payload
  readonly more: Payload
}

function event(session: ToldSession, { eventType, seqNo, at, triggerReason, info, more }: Saying): Call {
  const transactionInfo = { transactionId: transactionIdOf(session), ...info }
  return {
    action: 'TransactionEvent',
    payload: {
      ...{ eventType, timestamp: at, triggerReason, seqNo, offline: true, transactionInfo },
      evse: { id: session.connectorId, connectorId: 1 },
      ...more,
    },
  }
}

/** Undefined is left out of the JSON: an event may say that it was measured, and not what. */
function meterValueOf(
  { sampledAt, energyWh, powerW, socPercent }: ToldReading,
  context: string,
): readonly Payload[] | undefined {
  const sampledValue = [
    ...(energyWh === undefined
      ? []
      : [sample(energyWh, 'Energy.Active.Import.Register', { context, unitOfMeasure: { unit: 'Wh' } })]),
    ...(powerW === undefined
      ? []
      : [sample(powerW, 'Power.Active.Import', { context, unitOfMeasure: { unit: 'W' } })]),
    ...(socPercent === undefined
      ? []
      : [sample(socPercent, 'SoC', { context, unitOfMeasure: { unit: 'Percent' } })]),
  ]
  return sampledValue.length === 0 ? undefined : [{ timestamp: sampledAt, sampledValue }]
}

function sample(value: number, measurand: string, more: Payload): Payload {
  return { value, measurand, ...more }
}
