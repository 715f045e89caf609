// The nodes of a site as one of them knows them: certificates, who was revoked, and how far each one's logs reach. What a
// revocation leaves standing is cut from this.
import { z } from 'zod'
import type { Certificate } from '../identity/certificate.ts'
import type { EventRef } from '../log/body.ts'
import { eventsOf } from '../log/event.ts'
import { wallOf } from '../log/hlc.ts'
import type { Log } from '../replica/logs.ts'
import type { DeviceId } from '../units.ts'
import type { ReportDeps } from './report.ts'

export const UNTIL = z.object({ until: z.coerce.number().int().min(0).optional() })

/** Cut-offs hold no more; the epochs before a named one count wholly. */
const MAX_HEADS = 64

export type DeviceReport = {
  readonly deviceId: DeviceId
  readonly name: string
  readonly serial: number
  readonly notAfterAt: number
  readonly revoked: boolean
  /** The last event of each log, no later than asked for; the newest logs first. */
  readonly heads: readonly EventRef[]
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
      .toSorted((a, b) => b.at - a.at)
      .slice(0, MAX_HEADS)
      .map(({ ref }) => ref)
    return { deviceId, name, serial, notAfterAt, revoked: devices.isRevoked({ deviceId, serial }), heads }
  })
}

function headAt(log: Log, until?: number): { readonly ref: EventRef; readonly at: number } | undefined {
  const events = eventsOf(log.logId, log.fork ? log.elements.slice(0, log.fork.seq) : log.elements)
  let newest: { readonly ref: EventRef; readonly at: number } | undefined
  for (const { logId, seq, hash, hlc } of events) {
    const at = wallOf(hlc)
    // The clock of a log never falls.
    if (until !== undefined && at > until) break
    newest = { ref: { logId, seq, hash }, at }
  }
  return newest
}
