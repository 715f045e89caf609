// One session as the charge point itself knows it: the truth that records and bills are compared with. The register is
// calibrated, whole Wh, and only a quirk ever sets it back; instants are true virtual time, whatever the firmware wrote.

/** What becomes of a session that no software could know of: the charge point never told it. */
export type LostByItself = 'start-given-up' | 'stop-given-up' | 'forgotten-after-power-cut'

export type StationSession = {
  readonly connectorId: number
  /** Index into the plan's cards. */
  readonly card: number
  readonly idTag: string
  readonly meterStartWh: number
  /** From here on: present as soon as it is so. A session has ended when its meter has stopped. */
  readonly meterStopWh?: number
  readonly startedAtMs: number
  readonly stoppedAtMs?: number
  /** Timestamps as sent. */
  readonly startedRaw: string
  readonly stoppedRaw?: string
  readonly reason?: string
  /** Every id that a confirmed StartTransaction gave it; -1 went out all the same if that is the firmware's habit. */
  readonly transactionIds: readonly number[]
  /** When a StartTransaction, a StopTransaction of it was confirmed first. */
  readonly startConfirmedMs?: number
  readonly stopConfirmedMs?: number
  /** Nodes that confirmed a message of it, in the order of their first. */
  readonly servedBy: readonly number[]
  /** Begun without an answer from any node. */
  readonly wasOffline: boolean
  readonly lostByItself?: LostByItself
}

export type TransactionAction = 'StartTransaction' | 'CardShown' | 'MeterValues' | 'StopTransaction'
export type Payload = Readonly<Record<string, unknown>>
export type SentMessage = { readonly action: TransactionAction; readonly payload: Payload }

type Open<T> = { -readonly [K in keyof T]: T[K] }
/** The same while it is being written. */
export type SessionRecord = Open<Omit<StationSession, 'transactionIds' | 'servedBy'>> & {
  readonly transactionIds: number[]
  readonly servedBy: number[]
  /** Its place among the station's sessions, and how much was said of it (OCPP 2.0.1, seqNo). */
  readonly number: number
  said: number
  /** What was confirmed, for firmware that sends it again: start, stop and the first readings. */
  readonly sent: SentMessage[]
}

export const MAX_READINGS_KEPT = 20

/** Writes down that a node confirmed a message. */
export function noteSent(session: SessionRecord, message: SentMessage, node: number): void {
  if (!session.servedBy.includes(node)) session.servedBy.push(node)
  const isReading = message.action === 'MeterValues'
  const kept = session.sent.filter(one => one.action === 'MeterValues').length
  if (!isReading || kept < MAX_READINGS_KEPT) session.sent.push(message)
}
