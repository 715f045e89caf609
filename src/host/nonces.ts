// Numbers that a node draws for those who want to order one of its chargers something: each is good for one order to one
// charger, for a minute by the clock that never jumps. A restart forgets them all, so nothing old is ever obeyed.
import { NONCE_BYTES } from '../identity/order.ts'
import type { Random } from '../ports.ts'
import { type ChargerId, type DeviceId, hex } from '../units.ts'

export const NONCE_MS = 60_000
/** Of one asker; its own oldest one makes room, never another's. */
const MAX_OF_ONE = 32

export type Nonces = {
  readonly draw: (asker: DeviceId, chargerId: ChargerId, nowMs: number) => Uint8Array
  readonly isFresh: (nonce: Uint8Array, chargerId: ChargerId, nowMs: number) => boolean
  /** It is good no more. */
  readonly use: (nonce: Uint8Array) => void
}

type Drawn = { readonly asker: DeviceId; readonly chargerId: ChargerId; readonly untilMs: number }

export function createNonces(random: Random): Nonces {
  /** Oldest first. */
  const drawn = new Map<string, Drawn>()
  return {
    draw: (asker, chargerId, nowMs) => {
      for (const [name, { untilMs }] of drawn) if (untilMs <= nowMs) drawn.delete(name)
      const own = [...drawn].filter(([, one]) => one.asker === asker)
      if (own.length >= MAX_OF_ONE && own[0]) drawn.delete(own[0][0])
      const nonce = random.bytes(NONCE_BYTES)
      drawn.set(hex(nonce), { asker, chargerId, untilMs: nowMs + NONCE_MS })
      return nonce
    },
    isFresh: (nonce, chargerId, nowMs) => {
      const held = drawn.get(hex(nonce))
      return held !== undefined && held.chargerId === chargerId && nowMs < held.untilMs
    },
    use: nonce => void drawn.delete(hex(nonce)),
  }
}
