// What nodes show to chargers, folded from the operator's words in any order; and the box that holds the keys.
import { describe, expect, it } from 'vitest'
import { createChargerTls } from '../../src/authorization/charger-tls.ts'
import { openTlsKeys, sealTlsKeys } from '../../src/identity/tls-keys.ts'
import { type Hlc, hlcOf } from '../../src/log/hlc.ts'
import type { DeviceId } from '../../src/units.ts'

const bytes = (length: number, fill: number) => new Uint8Array(length).fill(fill)
const [A, B] = ['0a'.repeat(16) as DeviceId, '0b'.repeat(16) as DeviceId]
const at = (minute: number): Hlc => hlcOf(Date.UTC(2026, 0, 1) + minute * 60_000, 0)
const said = (key: number, minute: number) => ({
  hlc: at(minute),
  body: {
    ...{ keyId: bytes(8, key), authorities: [bytes(9, key)], certificates: [bytes(9, key)] },
    sealed: bytes(40, key),
  },
})
const key = (of: number, ...to: readonly DeviceId[]) => ({
  hlc: at(of),
  body: { keyId: bytes(8, of), boxes: to.map(deviceId => ({ deviceId, box: bytes(97, of) })) },
})

describe('what nodes show to chargers', () => {
  const names = (tls: ReturnType<typeof createChargerTls>, device: DeviceId) =>
    tls.of(device).map(({ keyId, boxes }) => [keyId.slice(0, 2), boxes.length])

  it('is newest first, whatever came first, with the boxes of each device', () => {
    const tls = createChargerTls()
    tls.addKey(key(2, A))
    tls.add(said(2, 20))
    tls.add(said(1, 10))
    tls.addKey(key(1, A, B))
    tls.add(said(3, 30))
    expect(names(tls, A)).toEqual([
      ['03', 0],
      ['02', 1],
      ['01', 1],
    ])
    expect(names(tls, B)).toEqual([
      ['03', 0],
      ['02', 0],
      ['01', 1],
    ])
    const before = tls.changes()
    tls.addKey(key(3, B))
    expect(tls.changes()).toBeGreaterThan(before)
    expect(names(tls, B)[0]).toEqual(['03', 1])
  })

  it('keeps the newest few', () => {
    const tls = createChargerTls()
    for (let i = 1; i <= 40; i++) tls.add(said(i, i))
    expect(tls.of(A).length).toBeLessThan(10)
    expect(tls.of(A)[0]?.keyId).toBe('28'.repeat(8))
  })
})

describe('the box of the private keys', () => {
  const keys = [bytes(138, 1), bytes(1217, 2)]

  it('opens with its key, and with no other, and not when it was changed', () => {
    const box = sealTlsKeys(bytes(32, 7), bytes(12, 8), keys)
    expect(openTlsKeys(bytes(32, 7), box)).toEqual(keys)
    expect(openTlsKeys(bytes(32, 6), box)).toBeUndefined()
    for (const place of [0, 20, box.length - 1]) {
      const changed = Uint8Array.from(box, (byte, i) => (i === place ? byte ^ 1 : byte))
      expect(openTlsKeys(bytes(32, 7), changed)).toBeUndefined()
    }
    expect(openTlsKeys(bytes(32, 7), box.subarray(0, 10))).toBeUndefined()
  })
})
