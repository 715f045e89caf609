// What a tariff is called in front of people.
import { describe as about, expect, it } from 'vitest'
import { describe } from '../../src/tariff/describe.ts'
import { readTariff } from '../../src/tariff/ocpi.ts'
import type { OcpiTariff } from '../../src/tariff/ocpi-object.ts'

const SETTING = {
  scope: { chargers: [], zones: [], connectorTypes: [], classes: [] },
  ...{ timeZone: 'UTC', offsets: [] },
}
const price = (type: string, amount: number, vat?: number, step = 1) => ({
  ...{ type, price: amount, step_size: step },
  ...(vat !== undefined && { vat }),
})
const WEEK = ['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY']

function said(over: object): string {
  const given = { country_code: 'DE', party_id: 'ABC', id: 'T', currency: 'EUR', tax_included: 'NO', ...over }
  const { tariff, faults } = readTariff(given as OcpiTariff, SETTING)
  if (!tariff) throw new Error(JSON.stringify(faults))
  return describe(tariff)
}

const one = (component: object, restrictions?: object) => ({
  price_components: [component],
  ...(restrictions && { restrictions }),
})

about('in words', () => {
  it('a price alone is a price alone', () => {
    expect(describe({ currency: 'EUR', pricePerKwh: '0.25' })).toBe('0.25 EUR a kWh')
    expect(describe({ currency: 'EUR', pricePerKwh: '0.5', elements: new Uint8Array(1) })).toBe(
      'up to 0.5 EUR a kWh; its other terms cannot be read by this version',
    )
  })

  it.each([
    [
      'day and night',
      {
        elements: [
          one(price('ENERGY', 0.45, 19), {
            start_time: '07:00',
            end_time: '22:00',
            day_of_week: WEEK.slice(0, 5),
          }),
          one(price('ENERGY', 0.3, 19)),
        ],
      },
      '0.5355 EUR a kWh, 07:00-22:00 Mon-Fri; 0.357 EUR a kWh; incl. 19 % VAT',
    ],
    [
      'taxes in it',
      { tax_included: 'YES', elements: [one(price('ENERGY', 0.45, 19))] },
      '0.45 EUR a kWh; incl. 19 % VAT',
    ],
    [
      'taxes in it that nobody states',
      { tax_included: 'YES', elements: [one(price('TIME', 2.1))] },
      '2.10 EUR an hour while charging'
        .replace('2.10 EUR an hour', '0.035 EUR a minute')
        .concat('; taxes included'),
    ],
    ['no taxes', { tax_included: 'N/A', elements: [one(price('FLAT', 1))] }, '1.00 EUR once; no taxes apply'],
    [
      'parking after four hours',
      { tax_included: 'YES', elements: [one(price('PARKING_TIME', 6, 19, 900), { min_duration: 14_400 })] },
      '0.10 EUR a minute parked without charging (steps of 15 min), after 4 h; incl. 19 % VAT',
    ],
    [
      'two rates',
      { elements: [{ price_components: [price('FLAT', 0.5, 20), price('ENERGY', 0.25, 10, 100)] }] },
      '0.60 EUR once (incl. 20 % VAT); 0.275 EUR a kWh (steps of 100 Wh) (incl. 10 % VAT)',
    ],
    [
      'limits',
      {
        min_price: { before_taxes: 0.5, after_taxes: 0.55 },
        max_price: { before_taxes: 20 },
        elements: [one(price('ENERGY', 0.25, 10))],
      },
      '0.275 EUR a kWh; at least 0.55 EUR; at most 20.00 EUR before taxes; incl. 10 % VAT',
    ],
    [
      'bands',
      {
        tax_included: 'YES',
        elements: [
          one(price('ENERGY', 0.2), { max_power: 16 }),
          one(price('ENERGY', 0.3), { min_power: 16, max_power: 32, max_kwh: 50 }),
          one(price('ENERGY', 0.4), { min_kwh: 50, max_duration: 90 }),
        ],
      },
      '0.20 EUR a kWh, below 16 kW; 0.30 EUR a kWh, below 50 kWh, from 16 to 32 kW; 0.40 EUR a kWh, from 50 kWh on, in the first 90 s; taxes included',
    ],
    [
      'days and dates',
      {
        tax_included: 'YES',
        elements: [
          one(price('ENERGY', 0.2), {
            day_of_week: ['SUNDAY', 'MONDAY', 'WEDNESDAY', 'TUESDAY'],
            start_date: '2026-12-01',
            end_date: '2027-01-01',
          }),
        ],
      },
      '0.20 EUR a kWh, Mon-Wed, Sun, from 2026-12-01 before 2027-01-01; taxes included',
    ],
    [
      'an open end of the day',
      { tax_included: 'YES', elements: [one(price('ENERGY', 0.2), { start_time: '20:00' })] },
      '0.20 EUR a kWh, 20:00-24:00; taxes included',
    ],
    [
      'yen',
      { currency: 'JPY', tax_included: 'YES', elements: [one(price('TIME', 100))] },
      '100 JPY an hour while charging; taxes included',
    ],
  ])('%s', (_, over, words) => {
    expect(said(over)).toBe(words)
  })
})
