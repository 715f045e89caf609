// What a person may say of a central system, what is refused, and what of it anybody may see.
import { describe, expect, it } from 'vitest'
import { check } from '../../src/config.ts'
import { uplinkSecrets } from '../../src/host/uplink-secrets.ts'
import { shownSetting, UPLINK_SETTING } from '../../src/uplink/setting.ts'

const GIVEN = { kind: 'csms', name: 'steve', url: 'wss://csms.example.com/ocpp' }

function fault(change: object): string {
  const read = UPLINK_SETTING.safeParse({ ...GIVEN, ...change })
  return read.success ? '' : (read.error.issues[0]?.message ?? '')
}

describe('a central system', () => {
  it('holds starts of unknown outcome, and cards that it cannot read, unless it is told otherwise', () => {
    expect(UPLINK_SETTING.parse(GIVEN)).toMatchObject({
      ...{ protocol: 'ocpp1.6', lostAnswers: 'hold', shadow: false, live: false, passwords: {} },
    })
    expect(UPLINK_SETTING.parse(GIVEN)).not.toHaveProperty('unknownCard')
  })

  it.each([
    [{ url: 'ws://csms.example.com/ocpp' }, 'without TLS only on this machine'],
    [{ url: 'http://127.0.0.1/' }, 'Invalid URL'],
    [{ chargers: ['../x'] }, 'the identity of a charger'],
    [{ passwords: { CP01: 'a\nb' } }, 'a password of at most 64'],
    [{ unknownCard: 'far too long for an idTag' }, 'at most 20 printable characters'],
    [{ windows: ['01:00-05:00'] }, 'a central system is told at any time'],
    [{ priority: 1 }, 'Unrecognized key'],
    [{ lostAnswers: 'maybe' }, 'Invalid option'],
  ])('is refused with %j', (change, words) => {
    expect(fault(change)).toContain(words)
  })

  it('may be in the clear on this machine, or where somebody wants that', () => {
    for (const url of ['ws://127.0.0.1:9220/ocpp', 'ws://localhost/', 'ws://[::1]:1/'])
      expect(fault({ url })).toBe('')
    expect(fault({ url: 'ws://10.0.0.1/', allowInsecure: true })).toBe('')
  })

  it('is shown without its passwords', () => {
    const setting = UPLINK_SETTING.parse({
      ...GIVEN,
      passwords: { CP01: 'hush' },
      defaultPassword: 'hush',
      caPem: 'x',
    })
    expect(JSON.stringify(shownSetting(setting))).not.toMatch(/hush|caPem/)
    expect(shownSetting(setting)).toMatchObject({ name: 'steve', url: GIVEN.url })
  })

  it('is shown without a password in its address', () => {
    const setting = UPLINK_SETTING.parse({ ...GIVEN, url: 'wss://me:hu@sh@csms.example.com/ocpp?a=b@c' })
    expect(shownSetting(setting)).toMatchObject({ url: 'wss://csms.example.com/ocpp?a=b@c' })
  })

  it('is refused without a word of its passwords', () => {
    const passwords = { CP01: `hush${'x'.repeat(70)}` }
    const refused = (change: object) => () => check('uplink', UPLINK_SETTING, { ...GIVEN, ...change })
    for (const change of [{ passwords }, { passwords: 'hush' }, { defaultPassword: 'hush\n' }])
      expect(refused(change)).toThrow(/uplink: (passwords|defaultPassword).* = …/)
    expect(refused({ passwords })).not.toThrow(/hush/)
  })
})

describe('what is secret of it', () => {
  const setting = { ...GIVEN, passwords: { CP01: 'hush' }, defaultPassword: 'hush' }
  const keys = [{ id: 1, key: new Uint8Array(32).fill(7) }]

  it('lies in a box where the node has keys, and comes out of it', () => {
    const { seal, open } = uplinkSecrets(keys)
    const written = seal(setting)
    expect(JSON.stringify(written)).not.toContain('hush')
    expect(open(JSON.parse(JSON.stringify(written)))).toEqual(setting)
    expect(uplinkSecrets([]).open(written), 'who only looks').toEqual(GIVEN)
  })

  it('is left as it is where there are none, and nothing else is touched', () => {
    expect(uplinkSecrets([]).seal(setting)).toEqual(setting)
    expect(uplinkSecrets(keys).seal(GIVEN)).toEqual(GIVEN)
    expect(uplinkSecrets(keys).open(setting), 'written before there were keys').toEqual(setting)
  })

  it('stays shut to another key, and is no setting then', () => {
    const written = uplinkSecrets(keys).seal(setting)
    const opened = uplinkSecrets([{ id: 1, key: new Uint8Array(32).fill(8) }]).open(written)
    expect(UPLINK_SETTING.safeParse(opened).success).toBe(false)
  })
})
