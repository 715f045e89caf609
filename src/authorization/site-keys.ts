// The keys for card references that came after the site's first one, each sealed to every device that may hold it, so that
// a node which slept for a month finds its own when it comes back (PROTOCOL 2.6). Order of arrival does not matter.
import type { BodyOf } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import { type DeviceId, hex } from '../units.ts'

export type SiteKeyEntry = { readonly hlc: Hlc; readonly body: BodyOf<'site_key'> }
/** A key's name, and what holds it for one device. */
export type SiteKeyBox = { readonly keyId: string; readonly boxes: readonly Uint8Array[] }

export type SiteKeys = {
  readonly add: (entry: SiteKeyEntry) => void
  /** Every later key of the site, oldest first, with the boxes that are for this device. */
  readonly of: (deviceId: DeviceId) => readonly SiteKeyBox[]
  /** Grows with every entry. */
  readonly changes: () => number
}

/** A key of the site's past is of use for as long as cards carry its references; far above a rotation a month. */
const MAX_SITE_KEYS = 256

type Held = { since: Hlc; readonly boxes: Map<DeviceId, Uint8Array[]> }

export function createSiteKeys(): SiteKeys {
  const keys = new Map<string, Held>()
  let changes = 0
  return {
    add: ({ hlc, body }) => {
      const keyId = hex<string>(body.keyId)
      if (!keys.has(keyId) && keys.size >= MAX_SITE_KEYS) return
      const held = keys.get(keyId) ?? { since: hlc, boxes: new Map() }
      if (hlc < held.since) held.since = hlc
      for (const { deviceId, box } of body.boxes)
        held.boxes.set(deviceId, [...(held.boxes.get(deviceId) ?? []), box])
      keys.set(keyId, held)
      changes += 1
    },
    of: deviceId =>
      [...keys]
        .sort(([a, one], [b, other]) =>
          one.since === other.since ? (a < b ? -1 : 1) : one.since < other.since ? -1 : 1,
        )
        .map(([keyId, { boxes }]) => ({ keyId, boxes: boxes.get(deviceId) ?? [] })),
    changes: () => changes,
  }
}
