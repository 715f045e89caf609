// The nodes of a site as one of them knows them: certificates, who was revoked, and how far each one's logs reach. What a
// revocation leaves standing is cut from this.
import { z } from 'zod'
import type { Certificate } from '../identity/certificate.ts'
import { decodeBody, type EventRef } from '../log/body.ts'
import { eventsOf } from '../log/event.ts'
import { wallOf } from '../log/hlc.ts'
import type { Log } from '../replica/logs.ts'
import type { DeviceId, LogId } from '../units.ts'
import type { ReportDeps } from './report.ts'

export const UNTIL = z.object({ until: z.coerce.number().int().min(0).optional() })

/** The last event of a log, and the log that it follows. */
export type Head = EventRef & { readonly prev?: LogId }

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
  const { logs, view } = node.ledger()
  const { devices } = view()
  const all = [...logs.all()]
  const known = new Set(
    roster.all().flatMap(({ roles, deviceId }) => (roles.includes('node') ? [deviceId] : [])),
  )
  return [...known].map(deviceId => {
    const { name, serial, notAfterAt } = roster.byDevice(deviceId) as Certificate
    const heads = all
      .filter(log => log.certificate.deviceId === deviceId)
      .flatMap(log => headAt(log, until) ?? [])
    return { deviceId, name, serial, notAfterAt, revoked: devices.isRevoked({ deviceId, serial }), heads }
  })
}

function headAt(log: Log, until = Number.POSITIVE_INFINITY): Head | undefined {
  const events = eventsOf(log.logId, log.fork ? log.elements.slice(0, log.fork.seq) : log.elements)
  // The clock of a log never falls.
  const newest = events.filter(event => wallOf(event.hlc) <= until).at(-1)
  const [first] = events
  if (!newest || !first) return undefined
  const said = decodeBody(first.type, first.body)
  const prev = said?.name === 'epoch_open' ? said.body.prev?.logId : undefined
  return { logId: newest.logId, seq: newest.seq, hash: newest.hash, ...(prev && { prev }) }
}
