import { randomBytes, scryptSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { checkCredential, makeCredential } from '../../src/ocpp/credential.ts'
import {
  createPasswordCheck,
  LOCK_MS,
  MAX_CHECKS_WAITING,
  MAX_FAILURES,
  MAX_FAILURES_OF_ADDRESS,
  MAX_FAILURES_OF_CHARGER,
  type PasswordVerdict,
} from '../../src/ocpp/password.ts'
import type { Random } from '../../src/ports.ts'
import type { ChargerId } from '../../src/units.ts'

const random: Random = { bytes: length => new Uint8Array(randomBytes(length)) }
const bytes = (text: string) => new TextEncoder().encode(text)
const CP1 = 'CP1' as ChargerId

describe('a credential', () => {
  it('is matched by its password only, and does not show it', async () => {
    const credential = await makeCredential('password', random)
    expect(credential).toMatchObject({ cost: 4096 })
    expect(Buffer.from(credential.hash).toString('latin1')).not.toContain('password')
    expect(await checkCredential(bytes('password'), credential)).toBe(true)
    expect(await checkCredential(bytes('passwore'), credential)).toBe(false)
    expect(await checkCredential(bytes(''), credential)).toBe(false)
  })

  it('is salted: the same password twice gives two hashes', async () => {
    const [a, b] = await Promise.all([makeCredential('password', random), makeCredential('password', random)])
    expect(a.hash).not.toEqual(b.hash)
  })

  it('takes 8 to 40 bytes, any bytes', async () => {
    await expect(makeCredential('1234567', random)).rejects.toThrow(RangeError)
    await expect(makeCredential('x'.repeat(41), random)).rejects.toThrow(RangeError)
    const binary = Uint8Array.from({ length: 40 }, (_, i) => 255 - i)
    expect(await checkCredential(binary, await makeCredential(binary, random))).toBe(true)
  })

  it('of another cost is checked at that cost, up to the highest', async () => {
    const salt = random.bytes(16)
    const costs = [2, 2 ** 15].map(async cost => {
      const hash = scryptSync('password', salt, 32, { N: cost, r: 8, p: 1, maxmem: 2 ** 26 })
      expect(await checkCredential(bytes('password'), { salt, hash, cost })).toBe(true)
      expect(await checkCredential(bytes('passwore'), { salt, hash, cost })).toBe(false)
    })
    await Promise.all(costs)
  })

  it('from a hostile roster matches nothing and costs no more than a good one', async () => {
    const good = await makeCredential('password', random)
    for (const cost of [0, 1, 3, -4096, 2 ** 30, Number.NaN, 4096.5]) {
      expect(await checkCredential(bytes('password'), { ...good, cost })).toBe(false)
    }
    expect(await checkCredential(bytes('password'), { ...good, hash: new Uint8Array(0) })).toBe(false)
  })
})

describe('the password check', () => {
  async function create() {
    const held = { credential: await makeCredential('password', random), nowMs: 0 }
    const check = createPasswordCheck({
      credential: id => (id === CP1 ? held.credential : undefined),
      clock: { wallMs: () => 0, monotonicMs: () => held.nowMs },
      random,
    })
    const attempt = (password: string, address = '10.0.0.1', chargerId: ChargerId = CP1) =>
      check({ chargerId, address, password: bytes(password) })
    return { held, attempt }
  }

  it('locks one charger at one address for a minute after five failures', async () => {
    const { held, attempt } = await create()
    for (let i = 0; i < MAX_FAILURES; i++) expect(await attempt('not right')).toBe('wrong')
    expect(await attempt('password')).toBe('locked')
    expect(await attempt('password', '10.0.0.2')).toBe('right')
    held.nowMs += LOCK_MS
    expect(await attempt('password')).toBe('right')
  })

  it('counts failures for chargers that do not exist as for those that do', async () => {
    const { attempt } = await create()
    const ghost = 'CP9' as ChargerId
    for (let i = 0; i < MAX_FAILURES; i++) expect(await attempt('password', 'a', ghost)).toBe('wrong')
    expect(await attempt('password', 'a', ghost)).toBe('locked')
  })

  it('forgets failures after a success, and a remembered password once the credential changes', async () => {
    const { held, attempt } = await create()
    for (let i = 0; i < MAX_FAILURES - 1; i++) await attempt('not right')
    expect(await attempt('password')).toBe('right')
    expect(await attempt('not right')).toBe('wrong')
    expect(await attempt('password')).toBe('right')
    held.credential = await makeCredential('new password', random)
    expect(await attempt('password')).toBe('wrong')
    expect(await attempt('new password')).toBe('right')
  })

  it('turns away what would queue up without end, and serves the others', async () => {
    const { held, attempt } = await create()
    const good = held.credential
    // The smallest cost, so that a thousand wrong passwords take no time here.
    held.credential = { ...good, cost: 2 }
    const many: Promise<PasswordVerdict>[] = []
    for (let i = 0; i < MAX_CHECKS_WAITING + 10; i++) many.push(attempt(`wrong ${i}xxxx`, `10.0.1.${i}`))
    const verdicts = await Promise.all(many)
    // Two are being checked, the others wait.
    expect(verdicts.filter(verdict => verdict === 'busy')).toHaveLength(8)
    expect(verdicts.filter(verdict => verdict === 'wrong')).toHaveLength(MAX_CHECKS_WAITING + 2)
    held.credential = good
    held.nowMs += LOCK_MS
    expect(await attempt('password')).toBe('right')
  })

  it('locks an address that tries one charger after the other, and lets those in whose password was right', async () => {
    const { held, attempt } = await create()
    expect(await attempt('password')).toBe('right')
    for (let i = 0; i < MAX_FAILURES_OF_ADDRESS; i++)
      expect(await attempt('password', '::ffff:10.0.0.1', `GHOST${i}` as ChargerId)).toBe('wrong')
    expect(await attempt('password', '10.0.0.1', 'CP9' as ChargerId)).toBe('locked')
    expect(await attempt('password', '10.0.0.2', 'CP9' as ChargerId)).toBe('wrong')
    expect(await attempt('password')).toBe('right')
    held.nowMs += LOCK_MS
    expect(await attempt('password', '10.0.0.1', 'CP9' as ChargerId)).toBe('wrong')
  })

  it('locks a charger that is tried from everywhere, but not where its password is known', async () => {
    const { attempt } = await create()
    for (let i = 0; i < MAX_FAILURES_OF_CHARGER; i++)
      expect(await attempt('not right', `10.0.1.${i}`)).toBe('wrong')
    expect(await attempt('password', '10.0.0.2')).toBe('locked')
    const other = await create()
    expect(await other.attempt('password', '10.0.0.2')).toBe('right')
    for (let i = 0; i < MAX_FAILURES_OF_CHARGER; i++) await other.attempt('not right', `10.0.1.${i}`)
    expect(await other.attempt('password', '10.0.0.2')).toBe('right')
  })

  it('takes all addresses of one IPv6 network for one', async () => {
    const { attempt } = await create()
    for (let i = 1; i <= MAX_FAILURES; i++)
      expect(await attempt('not right', `2001:db8:1:2::${i}`)).toBe('wrong')
    expect(await attempt('password', '2001:db8:1:2:ffff::9')).toBe('locked')
    expect(await attempt('password', '2001:db8:1:3::1')).toBe('right')
  })

  it('checks a password once for all who wait for it, as a charger that gave up and came again', async () => {
    const { held, attempt } = await create()
    const fast = { ...held.credential, cost: 2 }
    const hash = scryptSync('password', fast.salt, 32, { N: 2, r: 8, p: 1 })
    held.credential = { ...fast, hash: new Uint8Array(hash) }
    const again = Array.from({ length: 2 * MAX_CHECKS_WAITING }, () => attempt('password'))
    expect(new Set(await Promise.all(again))).toEqual(new Set(['right']))
  })

  it('answers a reconnect storm of known chargers from memory', async () => {
    const { attempt } = await create()
    expect(await attempt('password')).toBe('right')
    const storm = await Promise.all(Array.from({ length: 1000 }, () => attempt('password')))
    expect(new Set(storm)).toEqual(new Set(['right']))
  })
})
