// A store with the real gate in front of it, and hand-made segments: what a thief of a key, a bad relay or a broken
// disk could offer.
import { type BodyOf, encodeBody, TYPE_NUMBERS } from '../../src/log/body.ts'
import {
  digestToSign,
  type Element,
  encodeElement,
  GENESIS,
  type LogEvent,
  place,
} from '../../src/log/event.ts'
import { hlcOf } from '../../src/log/hlc.ts'
import { logIdOf } from '../../src/log/writer.ts'
import type { Segment } from '../../src/ports.ts'
import { readAnew } from '../../src/remember.ts'
import { type Admission, admit } from '../../src/replica/admit.ts'
import { encodeUpdate } from '../../src/replica/canonical.ts'
import { createLogs, type Logs } from '../../src/replica/logs.ts'
import type { EpochId, EventHash, LogId } from '../../src/units.ts'
import { SITE_OPENED_AT, type TestDevice, type TestSite } from '../site.ts'

export type Gate = { readonly logs: Logs; readonly admit: (segment: Segment) => Admission }

/** Keeps what the gate admits, as a node does. */
export function gateOf(site: TestSite, devices: readonly TestDevice[], remember = readAnew): Gate {
  const logs = createLogs()
  const deps = { roster: site.roster(devices), signatures: site.signatures, remember }
  return {
    logs,
    admit: segment => {
      const admission = admit(deps, segment, logs.held(segment.logId))
      if (admission.kind === 'admitted')
        logs.append(admission.certificate, admission.events, admission.elements)
      return admission
    },
  }
}

/** One event of a hand-made log; `sealed: 'wrong'` signs with zeros. */
export type Crafted = {
  readonly type?: number
  readonly body?: Uint8Array
  readonly hlc?: bigint
  readonly monoMs?: number
  readonly sealed?: boolean | 'wrong'
}

export const EPOCH = 'e1'.repeat(16) as EpochId
const TICK = encodeBody({ name: 'diagnostics', body: { code: 'x', detail: '' } })
const HLC = hlcOf(SITE_OPENED_AT)

export function openBody(
  site: TestSite,
  device: TestDevice,
  change: Partial<BodyOf<'epoch_open'>> = {},
): Uint8Array {
  const body: BodyOf<'epoch_open'> = {
    ...{ epochId: EPOCH, certHash: device.certificate.hash, siteId: site.siteId },
    ...{ bootReason: 'start', storeState: 'fresh', swVersion: 'test', policyHead: [], ...change },
  }
  return encodeBody({ name: 'epoch_open', body })
}

export type Craft = {
  readonly site: TestSite
  readonly device: TestDevice
  readonly logId?: LogId
  readonly fromSeq?: number
  readonly prev?: EventHash
}

/** Chained and signed events, good or bad as told; an epoch_open first when they begin at 0 and say nothing else. */
export function craft(where: Craft, rows: readonly Crafted[]): readonly LogEvent[] {
  const { site, device } = where
  const logId = where.logId ?? logIdOf(device.certificate.deviceId, EPOCH)
  let prev = where.prev ?? GENESIS
  return rows.map((row, i) => {
    const seq = (where.fromSeq ?? 0) + i
    const opens = seq === 0 && row.type === undefined
    const unsigned: Element = {
      type: row.type ?? (opens ? TYPE_NUMBERS.epoch_open : TYPE_NUMBERS.diagnostics),
      hlc: row.hlc ?? HLC + BigInt(seq),
      monoMs: row.monoMs ?? seq,
      body: row.body ?? (opens ? openBody(site, device) : TICK),
    }
    const at = { logId, seq, prev }
    const signature =
      row.sealed === 'wrong'
        ? new Uint8Array(64)
        : site.signatures.sign(device.keys.logKey, digestToSign(unsigned, at))
    const event = place(row.sealed === false ? unsigned : { ...unsigned, signature }, at)
    prev = event.hash
    return event
  })
}

/** Events of one log, as one segment, whatever they are. */
export function segmentOf(events: readonly LogEvent[]): Segment {
  const [first] = events
  if (!first) throw new Error('a segment needs events')
  return {
    logId: first.logId,
    fromSeq: first.seq,
    update: encodeUpdate(first.seq, events.map(encodeElement)),
  }
}
