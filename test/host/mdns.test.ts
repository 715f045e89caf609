import { describe, expect, it } from 'vitest'
import { decodeHint, decodeHints, encodeHint, encodeHints, usefulAddresses } from '../../src/host/hints.ts'
import { answer, daysOf, hear, openAnswer, question } from '../../src/host/mdns.ts'
import { type DeviceId, hex } from '../../src/units.ts'

const siteKey = new Uint8Array(32).fill(7)
const at = Date.UTC(2026, 6, 4, 23, 59)
const DAY_MS = 86_400_000
const nonce = new Uint8Array(12).fill(1)
const device = hex<DeviceId>(new Uint8Array(16).fill(3))
const hint = { deviceId: device, addresses: [{ host: '10.9.0.7', port: 4001 }] }
const [today] = daysOf([siteKey], at)
if (!today) throw new Error('no day')

describe('multicast words', () => {
  it.each([-1, 0, 1])('are understood by a clock that is %i days off, and no further', days => {
    const theirs = daysOf([siteKey], at + days * DAY_MS)
    expect(hear(question(today), theirs)).toMatchObject({ kind: 'question' })
    const heard = hear(answer(today, nonce, hint), theirs)
    expect(heard?.kind === 'answer' && openAnswer(heard)).toEqual(hint)
    expect(hear(question(today), daysOf([siteKey], at + 2 * DAY_MS))).toBeUndefined()
  })

  it('are understood with an older site key as long as it is known, and by nobody without one', () => {
    const newer = new Uint8Array(32).fill(8)
    expect(hear(question(today), daysOf([newer, siteKey], at))).toBeDefined()
    expect(hear(question(today), daysOf([newer], at))).toBeUndefined()
    expect(daysOf([newer, siteKey], at)[0]).toEqual(daysOf([newer], at)[0])
  })

  it('name neither the site nor the device', () => {
    const packet = Buffer.from(answer(today, nonce, hint))
    for (const secret of [
      Buffer.from(siteKey),
      Buffer.from(device, 'hex'),
      Buffer.from('10.9.0.7'),
      Buffer.from('chargemesh'),
    ])
      expect(packet.includes(secret)).toBe(false)
    const [later] = daysOf([siteKey], at + DAY_MS)
    expect(later && Buffer.from(later.name).equals(today.name)).toBe(false)
  })

  it('are whole DNS: header, name, type TXT, and a length for each part', () => {
    const packet = Buffer.from(answer(today, nonce, hint))
    const nameEnd = 12 + today.name.length
    expect(packet.readUInt16BE(6)).toBe(1)
    expect([...today.name.subarray(33)]).toEqual([5, ...Buffer.from('local'), 0])
    expect([packet.readUInt16BE(nameEnd), packet.readUInt16BE(nameEnd + 2)]).toEqual([16, 1])
    expect(packet.readUInt16BE(nameEnd + 8)).toBe(packet.length - nameEnd - 10)
  })

  it('from somebody without the site key open nothing, whatever of them is changed', () => {
    const packet = answer(today, nonce, hint)
    // All but the seconds that a cache may keep it, and a length that is there for caches as well.
    const ignored = 12 + today.name.length + 4
    for (let i = 0; i < packet.length; i++) {
      if (i >= ignored && i < ignored + 6) continue
      const changed = Uint8Array.from(packet)
      changed[i] = (changed[i] ?? 0) ^ 1
      const heard = hear(changed, [today])
      if (heard?.kind === 'answer') expect(openAnswer(heard), `byte ${i}`).toBeUndefined()
      expect(heard?.kind, `byte ${i}`).not.toBe('question')
    }
    for (const length of [0, 1, 12, 50, packet.length - 1]) {
      const heard = hear(packet.subarray(0, length), [today])
      expect(heard).toBeUndefined()
    }
  })

  it('carry as many addresses as fit one string', () => {
    const long = Array.from({ length: 6 }, (_, i) => ({
      host: `2001:db8:aaaa:bbbb:cccc:dddd:eeee:fff${i}`,
      port: 65_535,
    }))
    const heard = hear(answer(today, nonce, { deviceId: device, addresses: long }), [today])
    const opened = heard?.kind === 'answer' ? openAnswer(heard) : undefined
    expect(opened?.addresses.length).toBeGreaterThanOrEqual(3)
    expect(opened?.addresses).toEqual(long.slice(0, opened?.addresses.length))
  })
})

describe('hints', () => {
  it('keep only addresses that can be dialled, and no names', () => {
    const bad = [
      'pole-07.local',
      '0.0.0.0',
      '224.0.0.251',
      '255.255.255.255',
      'fe80::1',
      'ff02::fb',
      '::',
      '',
    ]
    const addresses = bad.map(host => ({ host, port: 4001 }))
    for (const address of addresses) {
      expect(
        decodeHint(encodeHint({ deviceId: device, addresses: [address] }))?.addresses,
        address.host,
      ).toEqual([])
    }
    for (const port of [0, 65_536])
      expect(
        decodeHint(encodeHint({ deviceId: device, addresses: [{ host: '10.0.0.1', port }] }))?.addresses,
      ).toEqual([])
    expect(decodeHint(encodeHint(hint))).toEqual(hint)
  })

  it('are bounded in number and in bytes, and garbage is none', () => {
    const many = Array.from({ length: 100 }, () => hint)
    expect(decodeHints(encodeHints(many))).toHaveLength(64)
    expect(decodeHints(new Uint8Array(20_000))).toBeUndefined()
    expect(decodeHints(Uint8Array.of(1, 2, 3))).toBeUndefined()
    expect(decodeHint(new Uint8Array())).toBeUndefined()
  })

  it('leave out loopback, unless a node listens nowhere else', () => {
    const [local, lan] = [
      { host: '127.0.0.1', port: 1 },
      { host: '192.168.7.21', port: 1 },
    ]
    expect(usefulAddresses([local, lan])).toEqual([lan])
    expect(usefulAddresses([local])).toEqual([local])
  })
})
