// OCPI tariffs come in, go out as they came, and what cannot be kept or computed with is named with what could.
import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { readTariff } from '../../src/tariff/ocpi.ts'
import { decimalOf, type OcpiTariff } from '../../src/tariff/ocpi-object.ts'
import { exportTariff, type OcpiVersion } from '../../src/tariff/ocpi-out.ts'
import { decodeTerms, TERMS } from '../../src/tariff/terms.ts'

const SETTING = {
  scope: { chargers: [], zones: [], connectorTypes: [], classes: [] },
  ...{ timeZone: 'Europe/Berlin', offsets: [{ fromAt: 0, minutes: 60 }] },
}
type Example = {
  readonly version: OcpiVersion
  readonly name: string
  readonly refused?: string
  readonly tariff: OcpiTariff
}
const EXAMPLES = JSON.parse(
  await readFile(new URL('../fixtures/ocpi-tariffs.json', import.meta.url), 'utf8'),
) as readonly Example[]

const plain = (over: object = {}): OcpiTariff => ({
  ...{ country_code: 'DE', party_id: 'ABC', id: 'T', currency: 'EUR', tax_included: 'NO' },
  elements: [{ price_components: [{ type: 'ENERGY', price: 0.25, vat: 19, step_size: 1 }] }],
  ...over,
})
const energy = (restrictions?: object, price = 0.25) => ({
  price_components: [{ type: 'ENERGY', price, step_size: 1 }],
  ...(restrictions && { restrictions }),
})
const withElements = (...elements: readonly object[]): OcpiTariff => plain({ elements })
const saidOf = (list: readonly { element?: number; field: string; wanted: string }[]): readonly string[] =>
  list.map(({ element, field, wanted }) => `${element ?? '-'} ${field}: ${wanted}`)

describe('the tariffs of the standard', () => {
  it.each(EXAMPLES.map(one => [one.version, one.name, one] as const))('%s %s', (version, _, example) => {
    const read = readTariff(example.tariff, SETTING)
    if (example.refused) {
      expect(read.tariff).toBeUndefined()
      expect(saidOf(read.faults).join()).toContain(example.refused)
      return
    }
    expect(read.faults).toEqual([])
    const { tariff } = read
    if (!tariff) throw new Error('not read')
    const terms = decodeTerms(tariff.elements ?? new Uint8Array())
    expect(terms).toEqual(tariff.terms)
    // What went through bytes comes out as it came in.
    const out = exportTariff({ ...tariff, ...(terms && { terms }), effectiveAt: 0 }, version)
    expect(out).toEqual({ kind: 'tariff', tariff: example.tariff })
  })

  it('are all of them', () => {
    expect(EXAMPLES.filter(one => one.version === '2.2.1').length).toBe(20)
    expect(EXAMPLES.filter(one => one.version === '2.3.0').length).toBe(22)
    expect(EXAMPLES.filter(one => one.refused).length).toBe(10)
  })
})

describe('a tariff', () => {
  it('with every restriction, day and limit goes out as it came in', () => {
    const given = plain({
      ...{ type: 'AD_HOC_PAYMENT', tax_included: 'YES', end_date_time: '2030-01-01T00:00:00.5Z' },
      ...{ min_price: { before_taxes: 0.5 }, max_price: { before_taxes: 50, after_taxes: 59.5 } },
      ...{ tariff_alt_text: [{ language: 'de', text: '7 Cent €' }], energy_mix: { is_green_energy: true } },
      ...{ start_date_time: '2026-12-24T00:00:00', preauthorize_amount: 60, x_vendor: [1, { a: null }] },
      elements: [
        energy({
          ...{ start_time: '22:00', end_time: '06:30', start_date: '2026-12-01', end_date: '2027-01-01' },
          ...{ min_kwh: 0.001, max_kwh: 20, min_power: 3.7, max_power: 11, min_duration: 0 },
          ...{ max_duration: 3600, day_of_week: ['SUNDAY', 'MONDAY'] },
        }),
        energy({}, 0.123456),
      ],
    })
    const { tariff, faults, warnings, startsAt } = readTariff(given, SETTING)
    expect(faults).toEqual([])
    expect(startsAt).toBe(Date.UTC(2026, 11, 24))
    expect(tariff?.terms.endsAt).toBe(Date.UTC(2030, 0, 1) + 500)
    expect(saidOf(warnings)).toEqual([
      '- x_vendor: no field that is known: it is kept, and counts for nothing',
      '2 ENERGY price: OCPI has 4 digits behind the point: others may round it',
    ])
    if (tariff) expect(exportTariff({ ...tariff, effectiveAt: 0 }, '2.3.0')).toMatchObject({ tariff: given })
  })

  it.each([
    [{ tax_included: undefined }, '0.2975'],
    [{ tax_included: 'YES' }, '0.25'],
    [{ elements: [energy(undefined, 0.1), energy({ max_kwh: 3 }, 0.3)].reverse() }, '0.3'],
    [{ elements: [{ price_components: [{ type: 'FLAT', price: 5, step_size: 0 }] }] }, '0'],
  ])('%o has as its highest price of energy %s, taxes included', (over, price) => {
    expect(readTariff(plain(over), SETTING).tariff?.pricePerKwh).toBe(price)
  })

  it('of 2.2.1 has prices without taxes, and one with taxes included cannot be said there', () => {
    const { tariff_: _, ...given } = { ...plain(), tariff_: 0 }
    const { tax_included: __, ...old } = given
    expect(readTariff(old as OcpiTariff, SETTING).tariff?.terms.taxIncluded).toBe('NO')
    const { tariff } = readTariff(plain({ tax_included: 'YES' }), SETTING)
    if (tariff) expect(exportTariff({ ...tariff, effectiveAt: 0 }, '2.2.1').kind).toBe('refused')
  })

  it('of one price goes out in the name of whoever exports it, or not at all', () => {
    const set = {
      tariffId: 'STANDARD',
      currency: 'EUR',
      pricePerKwh: '0.250',
      effectiveAt: Date.UTC(2026, 0, 1),
    }
    expect(exportTariff(set, '2.3.0').kind).toBe('refused')
    expect(exportTariff(set, '2.3.0', { countryCode: 'DE', partyId: 'ABC' })).toEqual({
      kind: 'tariff',
      tariff: {
        ...{ country_code: 'DE', party_id: 'ABC', id: 'STANDARD', currency: 'EUR', tax_included: 'N/A' },
        elements: [{ price_components: [{ type: 'ENERGY', price: 0.25, step_size: 1 }] }],
        ...{ start_date_time: '2026-01-01T00:00:00Z', last_updated: '2026-01-01T00:00:00Z' },
      },
    })
  })
})

describe('the bytes of terms', () => {
  it('are those that were signed before, and the protocol prints their table', async () => {
    const { tariff } = readTariff(
      plain({
        ...{ type: 'REGULAR', end_date_time: '2030-01-01T00:00:00Z', min_price: { before_taxes: 1 } },
        elements: [energy({ start_time: '22:00', max_power: 11, day_of_week: ['SUNDAY'] }), energy()],
      }),
      { ...SETTING, scope: { ...SETTING.scope, zones: ['A'] } },
    )
    expect(Buffer.from(tariff?.elements ?? []).toString('hex')).toBe(
      '8d828281840064302e3235f6018d190528f6f6f6f6f6f6f6f6623131f6f681068181840064302e3235f601816131f6016244456341424304848081614180801b000001b8dac5b4006d4575726f70652f4265726c696e818200183cf678287b22656e645f646174655f74696d65223a22323033302d30312d30315430303a30303a30305a227d',
    )
    const protocol = await readFile(new URL('../../src/PROTOCOL.md', import.meta.url), 'utf8')
    expect(protocol).toContain(TERMS.says)
  })
})

describe('a number', () => {
  it.each([
    [0.25, '0.25'],
    ['0.250', '0.25'],
    [2, '2'],
    ['007', '7'],
    [0, '0'],
    [-0, '0'],
    [0.1 + 0.2, undefined],
    [1e-7, undefined],
    [1e21, undefined],
    [Number.NaN, undefined],
    ['1e-2', undefined],
    [-0.01, undefined],
    ['-0.01', undefined],
    ['0,25', undefined],
    ['.5', undefined],
    ['', undefined],
    [999_999_999.999999, '999999999.999999'],
    [1_000_000_000, undefined],
    ['0.1234567', undefined],
  ])('%s is %s', (amount, text) => {
    expect(decimalOf(amount)).toBe(text)
  })
})

describe('a tariff is refused with', () => {
  const NOT_NEGATIVE = 'a number that is not negative, with up to 9 digits before the point and 6 behind'
  const component = (over: object) =>
    withElements({ price_components: [{ type: 'TIME', price: 1, step_size: 60, ...over }] })
  it.each([
    ['a negative price', component({ price: -1 }), `1 TIME price: ${NOT_NEGATIVE}`],
    ['a price of too many digits', component({ price: 0.12345678 }), `1 TIME price: ${NOT_NEGATIVE}`],
    ['a negative tax', component({ vat: -1 }), '1 TIME vat: percent, 0 to 100'],
    ['a tax of 101 %', component({ vat: 101 }), '1 TIME vat: percent, 0 to 100'],
    ['a tax where none applies', plain({ tax_included: 'N/A' }), '1 ENERGY vat: none: tax_included says'],
    ['a step of 0', component({ step_size: 0 }), '1 TIME step_size: a whole number from 1'],
    ['half a step', component({ step_size: 1.5 }), '1 TIME step_size: a whole number from 1'],
    ['a currency in small letters', plain({ currency: 'eur' }), '- currency: three capital letters'],
    ['a country of three letters', plain({ country_code: 'DEU' }), '- country_code: two letters'],
    ['a party with a blank', plain({ party_id: 'A C' }), '- party_id: one to three letters'],
    ['no id', plain({ id: '' }), '- id: 1 to 36 printable'],
    ['no elements', plain({ elements: [] }), '- elements: 1 to 64'],
    ['65 elements', withElements(...Array(65).fill(energy({ max_kwh: 1 }))), '- elements: 1 to 64'],
    ['an element without prices', withElements({ price_components: [] }), '1 price_components: 1 to 8'],
    [
      'an end before its start',
      plain({ start_date_time: '2026-02-01T00:00:00Z', end_date_time: '2026-02-01T00:00:00Z' }),
      '- end_date_time: later than start_date_time',
    ],
    [
      'a time with an offset',
      plain({ end_date_time: '2026-02-01T00:00:00+01:00' }),
      '- end_date_time: a time in UTC',
    ],
    ['a 13th month', plain({ start_date_time: '2026-13-01T00:00:00Z' }), '- start_date_time: a time in UTC'],
    [
      'a minimum above its maximum',
      plain({ min_price: { before_taxes: 5 }, max_price: { before_taxes: 4 } }),
      '- min_price: at most max_price',
    ],
    ['a negative minimum', plain({ min_price: { before_taxes: -1 } }), '- min_price.before_taxes: a number'],
    [
      'taxes that make less of it',
      plain({ max_price: { excl_vat: 10, incl_vat: 9 } }),
      '- max_price.after_taxes: at least',
    ],
    [
      'a hundred texts',
      plain({ tariff_alt_text: Array(100).fill({ language: 'en', text: 'x'.repeat(40) }) }),
      '- tariff_alt_text and energy_mix: at most 3000',
    ],
    [
      'a reservation',
      withElements(energy({ reservation: 'RESERVATION' })),
      '1 restrictions.reservation: none: prices of reservations are not supported',
    ],
    [
      'a current',
      withElements(energy({ min_current: 6 })),
      '1 restrictions.min_current: none: current is not measured here',
    ],
    [
      'no day of the week',
      withElements(energy({ day_of_week: [] })),
      '1 restrictions.day_of_week: each of MONDAY',
    ],
    [
      'a day twice',
      withElements(energy({ day_of_week: ['MONDAY', 'MONDAY'] })),
      '1 restrictions.day_of_week: each of',
    ],
    [
      'a day that is none',
      withElements(energy({ day_of_week: ['HOLIDAY'] })),
      '1 restrictions.day_of_week: each of',
    ],
    ['24:00', withElements(energy({ end_time: '24:00' })), '1 restrictions.end_time: a time of day'],
    ['7:30', withElements(energy({ start_time: '7:30' })), '1 restrictions.start_time: a time of day'],
    [
      '31 June',
      withElements(energy({ start_date: '2026-06-31' })),
      '1 restrictions.start_date: a day of the calendar',
    ],
    [
      'dates of no day',
      withElements(energy({ start_date: '2026-06-02', end_date: '2026-06-02' })),
      '1 restrictions.end_date: later than start_date',
    ],
    [
      'a Friday from Monday until Friday',
      withElements(energy({ start_date: '2026-11-23', end_date: '2026-11-27', day_of_week: ['FRIDAY'] })),
      '1 restrictions.day_of_week: a day between 2026-11-23 and 2026-11-27',
    ],
    [
      'kWh of no width',
      withElements(energy({ min_kwh: 5, max_kwh: '5.0' })),
      '1 restrictions.min_kwh: less than max_kwh (5)',
    ],
    ['less than no power', withElements(energy({ max_power: 0 })), '1 restrictions.max_power: more than 0'],
    ['a negative power', withElements(energy({ min_power: -1 })), '1 restrictions.min_power: a number'],
    [
      'a duration upside down',
      withElements(energy({ min_duration: 60, max_duration: 30 })),
      '1 restrictions.min_duration: less than max_duration (30)',
    ],
    [
      'half a second',
      withElements(energy({ max_duration: 0.5 })),
      '1 restrictions.max_duration: whole seconds',
    ],
    [
      'two prices of one kind in an element',
      withElements({ price_components: [energy(), energy()].flatMap(one => one.price_components) }),
      '1 ENERGY: one price of each kind',
    ],
    [
      'an element behind one that always holds',
      withElements(energy(), energy({ max_kwh: 5 })),
      '2 ENERGY: another order or other restrictions: element 1 holds',
    ],
    [
      'an element within an earlier one',
      withElements(
        energy({ start_time: '22:00', end_time: '06:00' }),
        energy({ start_time: '23:00', end_time: '05:00', day_of_week: ['MONDAY'] }),
        energy(),
      ),
      '2 ENERGY: another order or other restrictions: element 1 holds',
    ],
    [
      'a narrower band behind a broader',
      withElements(energy({ max_power: 32 }), energy({ max_power: 16 })),
      '2 ENERGY: another order',
    ],
  ])('%s', (_, given, said) => {
    const { tariff, faults } = readTariff(given, SETTING)
    expect(tariff).toBeUndefined()
    expect(saidOf(faults).join('\n')).toContain(said)
  })

  it('more than an event holds', () => {
    const elements = Array.from({ length: 64 }, (_, i) => ({
      price_components: ['ENERGY', 'TIME', 'PARKING_TIME', 'FLAT'].map(type => ({
        type,
        price: 123456789.123456,
        vat: 12.3456,
        step_size: 100000,
      })),
      restrictions: { min_kwh: i, max_kwh: i + 1 },
    }))
    const { tariff, faults } = readTariff(plain({ elements }), SETTING)
    expect(tariff).toBeUndefined()
    expect(saidOf(faults)).toEqual(['- elements: at most 6000: split it into several tariffs'])
  })
})

describe('a tariff is taken, with a word, when', () => {
  it.each([
    [
      'two of its elements overlap in part',
      withElements(energy({ max_kwh: 10 }), energy({ min_kwh: 5, max_kwh: 20 }), energy()),
      ['2 ENERGY: where element 1 holds too, that one counts'],
    ],
    [
      'hours and days cross',
      withElements(
        energy({ start_time: '08:00', end_time: '10:00' }),
        energy({ day_of_week: ['SUNDAY'] }),
        energy(),
      ),
      ['2 ENERGY: where element 1 holds too, that one counts'],
    ],
    [
      'nothing is paid at other times',
      withElements(energy({ start_time: '08:00', end_time: '10:00' })),
      ['- elements: where none of them holds it costs nothing'],
    ],
    [
      'it is for a preference',
      plain({ type: 'PROFILE_FAST' }),
      ['- type: never chosen: no driver can state a charging preference yet'],
    ],
    [
      'it holds from eight to eight',
      withElements(energy({ start_time: '08:00', end_time: '08:00' }), energy()),
      ['1 restrictions.end_time: the same as start_time: this is the whole day'],
    ],
  ])('%s', (_, given, said) => {
    const { faults, warnings } = readTariff(given, SETTING)
    // From eight to eight is all day, so what comes behind it is never used.
    if (!said[0]?.includes('whole day')) expect(faults).toEqual([])
    expect(saidOf(warnings)).toEqual(said)
  })

  it.each([
    [
      'bands, the broader behind',
      withElements(energy({ max_power: 16 }), energy({ max_power: 32 }), energy()),
    ],
    [
      'hours that make a day',
      withElements(
        energy({ start_time: '06:00', end_time: '22:00' }),
        energy({ start_time: '22:00', end_time: '06:00' }),
      ),
    ],
    [
      'hours side by side',
      withElements(
        energy({ start_time: '00:00', end_time: '17:00' }),
        energy({ start_time: '17:00', end_time: '00:00' }),
      ),
    ],
    [
      'days apart',
      withElements(energy({ day_of_week: ['MONDAY'] }), energy({ day_of_week: ['SUNDAY'] }), energy()),
    ],
    [
      'kinds apart',
      withElements(energy(), {
        price_components: [{ type: 'PARKING_TIME', price: 1, step_size: 1 }],
        restrictions: { max_duration: 5 },
      }),
    ],
  ])('and without one for %s', (_, given) => {
    expect(readTariff(given, SETTING)).toMatchObject({ faults: [], warnings: [] })
  })
})
