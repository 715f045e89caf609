// What the nodes of a site show to chargers, and whom they believe: the operator's words, folded. The newest counts, once its
// key is there; a node that was not given that key goes on with the one before. Order of arrival does not matter.
import type { BodyOf } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import { type DeviceId, hex } from '../units.ts'

type Entry<N extends 'charger_tls' | 'charger_tls_key'> = { readonly hlc: Hlc; readonly body: BodyOf<N> }
/** One identity, and what holds its key for one device. */
export type ChargerTlsHeld = {
  readonly keyId: string
  readonly said: BodyOf<'charger_tls'>
  readonly boxes: readonly Uint8Array[]
}

export type ChargerTls = {
  readonly add: (entry: Entry<'charger_tls'>) => void
  readonly addKey: (entry: Entry<'charger_tls_key'>) => void
  /** Newest first. */
  readonly of: (deviceId: DeviceId) => readonly ChargerTlsHeld[]
  /** Grows with every entry. */
  readonly changes: () => number
}

/** A renewal a year, or one after each theft; who has none of these was away for longer than any certificate lasts. */
const MAX_HELD = 8

export function createChargerTls(): ChargerTls {
  let held: readonly Entry<'charger_tls'>[] = []
  const boxes = new Map<string, Map<DeviceId, readonly Uint8Array[]>>()
  let changes = 0
  return {
    add: entry => {
      held = [...held, entry].sort(newestFirst).slice(0, MAX_HELD)
      changes += 1
    },
    addKey: ({ body }) => {
      const keyId = hex<string>(body.keyId)
      const known = boxes.get(keyId) ?? new Map<DeviceId, readonly Uint8Array[]>()
      for (const { deviceId, box } of body.boxes) known.set(deviceId, [...(known.get(deviceId) ?? []), box])
      boxes.set(keyId, known)
      changes += 1
    },
    of: deviceId =>
      held.map(({ body }) => {
        const keyId = hex<string>(body.keyId)
        return { keyId, said: body, boxes: boxes.get(keyId)?.get(deviceId) ?? [] }
      }),
    changes: () => changes,
  }
}

function newestFirst(a: Entry<'charger_tls'>, b: Entry<'charger_tls'>): number {
  if (a.hlc !== b.hlc) return a.hlc > b.hlc ? -1 : 1
  return hex(a.body.keyId) < hex(b.body.keyId) ? -1 : 1
}
