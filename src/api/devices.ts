// The nodes of a site as one of them knows them: certificates, who was revoked, and how far each one's logs reach. What a
// revocation leaves standing is cut from this.
import { z } from 'zod'
import { invariant } from '../errors.ts'
import { decodeBody, type EventRef } from '../log/body.ts'
import { decodeElement, type Element } from '../log/event.ts'
import { wallOf } from '../log/hlc.ts'
import type { Log } from '../replica/logs.ts'
import type { DeviceId, LogId } from '../units.ts'
import type { ReportDeps } from './report.ts'

export const UNTIL = z.object({ until: z.coerce.number().int().min(0).optional() })

/** The last event of a log, and the log that it follows. */
export type Head = EventRef & {
  /** The log before it, and the last event of that by its author's own word. */
  readonly prev?: LogId
  readonly prevSeq?: number
}

export type DeviceReport = {
  readonly deviceId: DeviceId
  readonly name: string
  readonly serial: number
  readonly notAfterAt: number
  readonly revoked: boolean
  /** The last event of each log, no later than asked for. */
  readonly heads: readonly Head[]
}

/** `until`: UTC ms by the clock of who wrote; undefined for all. */
export function reportDevices({ node, roster }: ReportDeps, until?: number): readonly DeviceReport[] {
  const { logs, isRevoked } = node.ledger()
  const all = [...logs.all()]
  const known = new Set(
    roster.all().flatMap(({ roles, deviceId }) => (roles.includes('node') ? [deviceId] : [])),
  )
  return [...known].flatMap(deviceId => {
    const newest = roster.byDevice(deviceId)
    if (!newest) return []
    const { name, serial, notAfterAt } = newest
    const heads = all
      .filter(log => log.certificate.deviceId === deviceId)
      .flatMap(log => headAt(log, until) ?? [])
    return [{ deviceId, name, serial, notAfterAt, revoked: isRevoked(deviceId), heads }]
  })
}

function headAt(log: Log, until = Number.POSITIVE_INFINITY): Head | undefined {
  const { logId, elements, hashes, fork } = log
  let seq = (fork?.seq ?? elements.length) - 1
  // The clock of a log never falls, so what is looked for is not far from its end.
  while (seq >= log.base && wallOf(elementAt(log, seq).hlc) > until) seq -= 1
  const hash = hashes[seq]
  if (hash === undefined) return undefined
  const first = elementAt(log, 0)
  const said = decodeBody(first.type, first.body)
  const prev = said?.name === 'epoch_open' ? said.body.prev : undefined
  return { logId, seq, hash, ...(prev && { prev: prev.logId, prevSeq: prev.seq }) }
}

function elementAt({ elements }: Log, seq: number): Element {
  const element = decodeElement(elements[seq] ?? new Uint8Array())
  invariant(typeof element !== 'string', 'an element that passed the gate can be read again')
  return element
}
