// What chargers have said of themselves that is worth showing and no event holds: their make and firmware, how far an
// update or an upload is. Kept while this process runs, one entry a charger that proved itself here. And how many of its
// alarms a charger may have written down: one that never stops must not fill the disk.
import type { AnyBody } from './log/body.ts'
import type { ChargerInput } from './ports.ts'
import type { ChargerId } from './units.ts'

/** The code of the event by which every node knows of a charger's alarm. */
export const SECURITY_EVENT = 'security-event'
const MAX_DETAIL = 256
/** Alarms of one charger that are written down at once, and one more each so often. */
const MAX_ALARMS = 20
const ALARM_EACH_MS = 3 * 60_000

export type Progress = { readonly status: string; readonly requestId: number; readonly atMs: number }

/** Instants are UTC ms of this node's clock; what was not said to this node since it started is missing. */
export type HeardOf = {
  readonly vendor?: string
  readonly model?: string
  readonly firmware?: string
  readonly bootedAtMs?: number
  readonly update?: Progress
  readonly upload?: Progress
}

export type Heard = {
  readonly note: (input: ChargerInput, wallMs: number) => void
  readonly of: (chargerId: ChargerId) => HeardOf
  /** What is to be written down of a charger's alarm; the last one for which there is room says that no more may follow. */
  readonly alarms: (input: ChargerInput, monotonicMs: number) => readonly AnyBody[]
}

type Room = { left: number; filledMs: number }

export function createHeard(count: (name: string) => void): Heard {
  const heard = new Map<ChargerId, HeardOf>()
  const rooms = new Map<ChargerId, Room>()
  return {
    of: chargerId => heard.get(chargerId) ?? {},
    note: ({ chargerId, message }, atMs) => {
      const before = heard.get(chargerId) ?? {}
      if (message.kind === 'boot') {
        const { vendor, model, firmware } = message
        const { update, upload } = before
        heard.set(chargerId, {
          ...{ vendor, model, bootedAtMs: atMs },
          ...(firmware !== undefined && { firmware }),
          ...(update && { update }),
          ...(upload && { upload }),
        })
      } else if (message.kind === 'progress') {
        const { of, status, requestId } = message
        const progress = { status, requestId, atMs }
        heard.set(chargerId, {
          ...before,
          ...(of === 'firmware' ? { update: progress } : { upload: progress }),
        })
      }
    },
    alarms: ({ chargerId, message }, nowMs) => {
      if (message.kind !== 'security') return []
      const room = roomOf(rooms, chargerId, nowMs)
      if (room.left === 0) {
        count('charger.alarmsUnwritten')
        return []
      }
      room.left -= 1
      const said = `${message.event} ${message.occurredAt.raw}`.slice(0, MAX_DETAIL / 2)
      const detail = room.left > 0 ? said : `${said}; what follows soon is only counted`
      return [{ name: 'diagnostics', body: { code: SECURITY_EVENT, detail, chargerId } }]
    },
  }
}

function roomOf(rooms: Map<ChargerId, Room>, chargerId: ChargerId, nowMs: number): Room {
  const room = rooms.get(chargerId) ?? { left: MAX_ALARMS, filledMs: nowMs }
  rooms.set(chargerId, room)
  const refills = Math.max(0, Math.floor((nowMs - room.filledMs) / ALARM_EACH_MS))
  room.filledMs += refills * ALARM_EACH_MS
  room.left = Math.min(MAX_ALARMS, room.left + refills)
  return room
}
