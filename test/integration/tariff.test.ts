// An operator brings tariffs from elsewhere: from a file of OCPI objects to the price on the driver's screen, the session's
// cost and back into a file. A real site, its node over sockets, a charger that speaks OCPP.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { STATIONS, type StationsAnswer } from '../../src/api/driver-words.ts'
import type { SessionReport } from '../../src/api/report.ts'
import type { TariffReport } from '../../src/api/tariffs.ts'
import { until } from '../deadline.ts'
import { CARD, type DriverSite, FRIEND, LATER, openDriverSite, phone, session } from './driver-site.ts'
import { mustRun, run } from './operator-site.ts'

let at: DriverSite

beforeAll(async () => {
  at = await openDriverSite()
}, 60_000)

afterAll(async () => {
  await at?.close()
})

const energy = (price: number, vat = 20) => ({
  price_components: [{ type: 'ENERGY', price, vat, step_size: 1 }],
})
const tariff = (over: object = {}) => ({
  ...{ country_code: 'DE', party_id: 'ABC', id: 'DAY', currency: 'EUR', tax_included: 'NO' },
  elements: [energy(0.5)],
  last_updated: '2026-01-01T00:00:00Z',
  ...over,
})

async function fileOf(content: unknown): Promise<string> {
  const file = join(at.dir, 'tariffs.json')
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

async function stations(): Promise<StationsAnswer> {
  return STATIONS.parse((await at.call('GET', '/stations', undefined, phone())).body)
}

const offline = (): readonly string[] => ['--site', at.site]

describe('a tariff from a file', () => {
  it('is shown before a start, and counts from its instant on; sessions that run keep their price', async () => {
    const me = phone()
    const [first, second] = [await at.booted('CP01'), await at.booted('CP03')]
    const from = Date.now() + 9000
    const file = await fileOf({ status_code: 1000, data: [tariff({ min_price: { before_taxes: 100 } })] })
    const via = ['--site', at.site, '--via', at.nodeDir]
    const said = await mustRun('tariff', 'import', file, '--from', new Date(from).toISOString(), ...via)
    expect(said.out).toContain('DAY: 0.60 EUR a kWh; at least 100.00 EUR before taxes; incl. 20 % VAT')
    const coming = JSON.parse(
      (await mustRun('tariff', 'show', '--via', at.nodeDir, '--json')).out,
    ) as TariffReport[]
    expect(coming.map(({ tariffId, state }) => `${tariffId} ${state}`)).toEqual([
      'DAY coming',
      'STANDARD in force',
    ])

    first.plugIn(1)
    const before = session(await at.call('POST', '/start_session', { card: CARD, station_id: 'CP01' }, me))
    expect(before).toMatchObject({ rate_per_kwh: '0.25', price_text: '0.25 EUR a kWh' })
    expect(Date.now()).toBeLessThan(from)

    const text = '0.60 EUR a kWh; at least 100.00 EUR before taxes; incl. 20 % VAT'
    const isShown = async (): Promise<boolean> => (await stations()).price?.text === text
    await until(isShown, { ...LATER, what: 'the new price is shown' })
    expect(Date.now()).toBeGreaterThanOrEqual(from)
    expect((await stations()).stations.map(({ price }) => price?.rate_per_kwh)).toEqual(['0.6', '0.6', '0.6'])
    second.plugIn(1)
    const after = session(await at.call('POST', '/start_session', { card: FRIEND, station_id: 'CP03' }, me))
    expect(after).toMatchObject({ rate_per_kwh: '0.6', price_text: text })

    for (const [card, { session_id }] of [
      [CARD, before],
      [FRIEND, after],
    ] as const)
      session(await at.call('POST', '/stop_session', { card, session_id }, me))
    const reports = JSON.parse(
      (await mustRun('session', 'list', '--via', at.nodeDir, '--json')).out,
    ) as SessionReport[]
    const costs = new Map(reports.map(one => [one.sessionId, one]))
    const [one, other] = [costs.get(before.session_id ?? ''), costs.get(after.session_id ?? '')]
    expect(one).toMatchObject({ pricePerKwh: '0.25', price: '0.25 EUR a kWh' })
    expect(Number(one?.cost)).toBeCloseTo(((one?.energyWh ?? 0) * 0.25) / 1000, 1)
    expect(other).toMatchObject({ price: text, cost: '120.00' })
    const shown = await mustRun('session', 'show', (after.session_id ?? '').slice(0, 8), '--via', at.nodeDir)
    expect(shown.out).toContain(text)
  }, 60_000)

  it('goes out as it came in, and the same file changes nothing', async () => {
    const given = tariff({ id: 'ZONED', tariff_alt_text: [{ language: 'de', text: 'Nachts' }] })
    const file = await fileOf([given])
    await mustRun('tariff', 'import', file, '--zone', 'North', '--from', 'now', ...offline())
    const again = await run('tariff', 'import', file, '--zone', 'North', ...offline())
    expect(again).toMatchObject({ code: 0, out: expect.stringContaining('ZONED: unchanged') })
    expect(again.error).toContain('--zone North: this site has no such charger yet')
    const out = await mustRun('tariff', 'show', 'ZONED', '--ocpi', '2.3.0', ...offline())
    expect(JSON.parse(out.out)).toEqual([given])
    const words = await mustRun('tariff', 'show', 'ZONED', ...offline())
    expect(words.out).toContain('ZONED  in force\n  0.60 EUR a kWh; incl. 20 % VAT\n  zone North, from ')
  })

  it('takes effect in a quarter of an hour unless another time is said', async () => {
    const file = await fileOf(tariff({ id: 'SOON' }))
    const nowAt = Date.now()
    const [row] = JSON.parse((await mustRun('tariff', 'import', file, '--check', ...offline(), '--json')).out)
    expect(Date.parse(row.from) - nowAt).toBeGreaterThanOrEqual(15 * 60_000)
    expect(Date.parse(row.from) - nowAt).toBeLessThan(17 * 60_000)
    const dated = await fileOf(tariff({ id: 'SOON', start_date_time: '2099-01-01T00:00:00Z' }))
    const [later] = JSON.parse(
      (await mustRun('tariff', 'import', dated, '--check', ...offline(), '--json')).out,
    )
    expect(later.from).toBe('2099-01-01T00:00:00.000Z')
    // Nothing was published by either.
    expect((await run('tariff', 'show', 'SOON', ...offline())).error).toContain('tariff SOON: the site has ')
  })

  it('asks for the clocks of the site where it has hours, and remembers them', async () => {
    const night = { ...energy(0.1), restrictions: { start_time: '22:00', end_time: '06:00' } }
    const file = await fileOf(tariff({ id: 'NIGHT', elements: [night, energy(0.5)] }))
    const place = ['--charger', 'CP02', '--from', '2026-01-01T00:00Z']
    expect(await run('tariff', 'import', file, ...place, ...offline())).toMatchObject({
      code: 1,
      error: expect.stringContaining("prices by hour, day or date need the site's clocks: say --time-zone"),
    })
    await mustRun('tariff', 'import', file, ...place, '--time-zone', 'Asia/Kolkata', ...offline())
    const again = await fileOf(tariff({ id: 'NIGHT', elements: [night, energy(0.6)] }))
    await mustRun('tariff', 'import', again, ...place, '--from', '2026-02-01T00:00Z', ...offline())
    const { out } = await mustRun('tariff', 'show', 'NIGHT', ...offline())
    expect(out).toContain('clocks of Asia/Kolkata')
    const price = async (...words: readonly string[]) =>
      await run(
        'tariff',
        'price',
        '--kwh',
        '10',
        '--minutes',
        '60',
        '--charger',
        'CP02',
        ...words,
        ...offline(),
      )
    // 22:30 in Kolkata is 17:00 in UTC.
    const late = await price('--at', '2026-06-01T22:30', '--json')
    expect(JSON.parse(late.out)).toMatchObject({
      at: '2026-06-01T17:00:00.000Z',
      total: '1.20',
      tariffId: 'NIGHT',
    })
    expect((await price('--at', '2026-06-01T12:00:00+05:30')).out).toContain('to pay  7.20 EUR')
    expect((await price('--at', '2026-01-15T12:00')).out).toContain('to pay  6.00 EUR')
    const early = await price('--at', '2020-01-01T12:00')
    expect(early).toMatchObject({
      code: 1,
      error: expect.stringContaining('TARIFF_MISSING: no tariff is in force'),
    })
  })

  it.each([
    ['no JSON', '{"id": ', 'not JSON'],
    ['a number', '7', 'wanted an OCPI tariff, a list of them, or an answer with data'],
    ['an empty list', [], '0 tariffs in it; wanted 1 to 100'],
    ['an answer that failed', { status_code: 2001 }, 'an OCPI answer that failed (status 2001)'],
    ['a text nested too deep', `${'['.repeat(5000)}${']'.repeat(5000)}`, 'nested deeper than any tariff'],
    [
      'a currency that is none',
      tariff({ currency: 'EUX' }),
      'tariff DAY, currency = "EUX": wanted a currency of ISO 4217, such as EUR',
    ],
    [
      'another currency than the site',
      tariff({ currency: 'SEK' }),
      'tariff DAY, currency = "SEK": wanted EUR, the currency of the site',
    ],
    [
      'an end that has come',
      tariff({ end_date_time: '2020-01-01T00:00:00Z' }),
      'end_date_time = "2020-01-01T00:00:00Z": wanted later than it takes effect',
    ],
    ['one id twice', [tariff(), tariff()], 'tariff DAY, id = "DAY": wanted each id once in a file'],
    [
      'two for the same sessions',
      [tariff(), tariff({ id: 'X' })],
      'tariff X, id = "X": wanted one tariff for the same sessions: DAY is another',
    ],
    [
      'an id of somebody else',
      tariff({ party_id: 'XYZ' }),
      'tariff DAY, id = "DAY": wanted another id: DE*ABC has a tariff of this one here',
    ],
    ['no party', tariff({ party_id: null }), 'tariff DAY, party_id = missing: wanted string'],
    [
      'an unknown kind of price',
      tariff({ elements: [{ price_components: [{ type: 'SOC', price: 1, step_size: 1 }] }] }),
      'tariff DAY, element 1, price_components.0.type = "SOC": wanted one of "ENERGY"|"FLAT"|"PARKING_TIME"|"TIME"',
    ],
    [
      'an unknown restriction',
      tariff({ elements: [energy(1), { ...energy(2), restrictions: { min_soc: 3 } }] }),
      'tariff DAY, element 2, restrictions.min_soc = 3: wanted no such field',
    ],
    [
      'a negative price',
      tariff({ elements: [energy(-0.5)] }),
      'tariff DAY, element 1, ENERGY price = -0.5: wanted a number that is not negative',
    ],
    ['a limit of no kind', tariff({ min_price: 5 }), 'tariff DAY, min_price = 5: wanted object'],
  ])('is refused with %s, and nothing is published', async (_, content, message) => {
    const before = await mustRun('tariff', 'show', '--all', '--json', ...offline())
    const file = await fileOf(content)
    const said = await run('tariff', 'import', file, '--from', 'now', ...offline())
    expect(said.code).toBe(1)
    expect(said.error).toContain(`CONFIG_INVALID: ${file}: `)
    expect(said.error).toContain(message)
    expect((await mustRun('tariff', 'show', '--all', '--json', ...offline())).out).toBe(before.out)
  })

  it.each([
    [['--time-zone', 'Mars/Olympus'], '--time-zone Mars/Olympus: wanted a zone of the IANA database'],
    [['--from', 'tomorrow'], '--from tomorrow: wanted a time'],
    [['--charger', 'CP 01'], '--charger CP 01: no identity of a charger'],
    [['--class', 'x'.repeat(25)], 'wanted 1 to 24 characters'],
    [['--only', 'NIGHT'], 'no tariff NIGHT; it has DAY'],
  ])('is refused with %j', async (words, message) => {
    const said = await run('tariff', 'import', await fileOf(tariff()), ...words, ...offline())
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining(message) })
  })

  it('has an example that the help shows, and wrong usage is exit code 2', async () => {
    expect((await run('tariff', 'import', ...offline())).code).toBe(2)
    expect((await run('tariff', 'price', '--minutes', '3', ...offline())).code).toBe(2)
    expect((await run('tariff', 'show')).error).toContain('say --via <folder of a node> or --site')
    expect((await run('tariff', 'import', '--help')).out).toContain(
      '--from 2026-12-24T00:00Z --site ./stadium',
    )
  })
})
