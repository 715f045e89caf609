// The events of the benchmarks: meter values whose body is random bytes, reproducible from a seed. Each says which it is, so
// that whoever gets it can tell.
import { createCipheriv, createHash } from 'node:crypto'
import { type AnyBody, decodeBody, encodeBody, TYPE_NUMBERS } from '../../src/log/body.ts'
import type { ChargerId } from '../../src/units.ts'

export const EVENT_TYPE = TYPE_NUMBERS.meter_tick
const CHARGER = 'BENCH' as ChargerId

/** `count` bodies of `size` bytes each; what the table of the type needs is taken from the random bytes. */
export function bodiesOf(from: number, count: number, size: number, seed: string): readonly AnyBody[] {
  return Array.from({ length: count }, (_, i) => bodyOf(from + i, size, seed))
}

function bodyOf(number: number, size: number, seed: string): AnyBody {
  const bare = encodeBody(meterValue(number, new Uint8Array(0))).length
  // The length prefix of a longer run of bytes is itself longer.
  const prefix = size - bare > 255 ? 2 : size - bare > 23 ? 1 : 0
  const length = Math.max(0, size - bare - prefix)
  return meterValue(number, random(`${seed}/${number}`, length))
}

function meterValue(number: number, signedSealed: Uint8Array): AnyBody {
  return {
    name: 'meter_tick',
    body: {
      ...{ chargerId: CHARGER, connectorId: 1, transactionId: number, connectionId: 0, signedSealed },
      sampledAt: { at: Date.UTC(2026, 0, 1) + number, raw: '' },
    },
  }
}

/** Which of its author's events this is; undefined when it is none of ours. */
export function numberOf(body: Uint8Array): number | undefined {
  const said = decodeBody(EVENT_TYPE, body)
  return said?.name === 'meter_tick' ? said.body.transactionId : undefined
}

export function random(seed: string, length: number): Uint8Array {
  const key = createHash('sha256').update(seed).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  return new Uint8Array(cipher.update(Buffer.alloc(length)))
}
