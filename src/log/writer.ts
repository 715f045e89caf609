// The writing end of one log: one device, one epoch (PROTOCOL 1.4). A batch of bodies becomes events that end in
// a seal; the caller makes them durable before anybody hears of them.
import { hashOf } from '../identity/hash.ts'
import type { Signatures } from '../identity/signature.ts'
import { type DeviceId, type EpochId, type EventHash, hex, type LogId, unhex } from '../units.ts'
import { type AnyBody, encodeBody, mustBeSealed, TYPE_NUMBERS } from './body.ts'
import { digestToSign, type Element, GENESIS, type LogEvent, type LogHead, place } from './event.ts'
import { type Hlc, tick } from './hlc.ts'

/** A log is closed after so many events, and a new epoch opened (PROTOCOL 1.4). */
export const MAX_LOG_EVENTS = 4096
/** A seal at the latest after so many events (PROTOCOL 1.3). */
export const MAX_UNSEALED_EVENTS = 64
/** ... and before a group could outgrow a segment: with one body more, it stays under 34 KiB. */
const MAX_UNSEALED_BYTES = 24 * 1024

export function logIdOf(deviceId: DeviceId, epochId: EpochId): LogId {
  return hex<LogId>(hashOf('chargemesh/log/v1', unhex(deviceId), unhex(epochId)).subarray(0, 16))
}

export type Writer = {
  readonly logId: LogId
  readonly logKey: Uint8Array
  readonly signatures: Signatures
  /** Undefined before the first event. */
  readonly head: LogHead | undefined
}

export type WriteTime = { readonly hlc: Hlc; readonly wallMs: number; readonly monoMs: number }

/** Appends bodies in order; the last one is sealed, and every one whose type asks for it. Empty input gives no events. */
export function write(writer: Writer, bodies: readonly AnyBody[], time: WriteTime): readonly LogEvent[] {
  const events: LogEvent[] = []
  let hash: EventHash = writer.head?.hash ?? GENESIS
  let seq = (writer.head?.seq ?? -1) + 1
  let hlc = time.hlc
  const monoMs = Math.max(writer.head?.monoMs ?? 0, Math.floor(time.monoMs))
  let unsealed = 0
  let unsealedBytes = 0
  bodies.forEach((body, i) => {
    hlc = tick(hlc, time.wallMs)
    unsealed += 1
    const unsigned: Element = { type: TYPE_NUMBERS[body.name], hlc, monoMs, body: encodeBody(body) }
    unsealedBytes += unsigned.body.length
    const full = unsealed >= MAX_UNSEALED_EVENTS || unsealedBytes >= MAX_UNSEALED_BYTES
    const sealed = i === bodies.length - 1 || mustBeSealed(body.name) || full
    const at = { logId: writer.logId, seq, prev: hash }
    const element = sealed
      ? { ...unsigned, signature: writer.signatures.sign(writer.logKey, digestToSign(unsigned, at)) }
      : unsigned
    if (sealed) {
      unsealed = 0
      unsealedBytes = 0
    }
    const event = place(element, at)
    events.push(event)
    hash = event.hash
    seq += 1
  })
  return events
}

export function headAfter(event: LogEvent): LogHead {
  return {
    logId: event.logId,
    seq: event.seq,
    hash: event.hash,
    hlc: event.hlc,
    monoMs: event.monoMs,
    closed: event.type === TYPE_NUMBERS.epoch_close,
  }
}
