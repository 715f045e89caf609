// Bills with taxes as OCPI charge detail records: the standard's own example, an invoice, corrections and refunds.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { cdrsOf } from '../../src/billing/cdr.ts'
import { type Locations, placeOf } from '../../src/billing/location.ts'
import { type Revision, type Settled, statementsOf } from '../../src/billing/settled.ts'
import { csvLine } from '../../src/cli/settlement-csv.ts'
import type { Cost } from '../../src/tariff/cost.ts'
import { OCPI_VERSIONS, type OcpiVersion } from '../../src/tariff/ocpi-out.ts'
import { addAmounts } from '../../src/tariff/price.ts'
import { splitOf } from '../../src/tariff/split.ts'
import { cdrFaults } from './ocpi-tables.ts'

const SESSION = 'ab'.repeat(16)
const AT = { chargerId: 'CP01', connectorId: 2 }
const STARTED_AT = Date.UTC(2026, 11, 24, 17, 30)

const LOCATIONS: Locations = {
  ...{ country_code: 'BE', party_id: 'BEC', id: 'stadium', address: 'F.Rooseveltlaan 3A', city: 'Gent' },
  ...{ country: 'BEL', latitude: '51.047599', longitude: '3.729944', tax_name: 'BTW' },
  evses: [
    {
      ...{ charger: 'CP01', connector: 2, evse_id: 'BE*BEC*E041503003', connector_standard: 'IEC_62196_T2' },
      ...{ connector_format: 'SOCKET', connector_power_type: 'AC_3_PHASE' },
    },
  ],
}

/** 12.5 kWh at 0.30 and 21 %, an hour of parking at 1.00 and 6 %: 5.60, of which 0.79 and 0.06 are taxes. */
function costOf(change: Partial<Cost> = {}): Cost {
  const startedAt = STARTED_AT / 1000
  return {
    ...{ currency: 'EUR', total: '5.60', beforeTaxes: '4.75' },
    taxes: [
      { vat: '21', amount: '0.79' },
      { vat: '6', amount: '0.06' },
    ],
    parts: [
      {
        ...{ type: 'ENERGY', measured: 12_500, quantity: 12_500, price: '0.30', vat: '21' },
        ...{ beforeTaxes: '3.75', afterTaxes: '4.5375' },
      },
      {
        ...{ type: 'PARKING_TIME', measured: 3600, quantity: 3600, price: '1.00', vat: '6' },
        ...{ beforeTaxes: '1', afterTaxes: '1.06' },
      },
    ],
    periods: [
      { startedAt, energyWh: 12_500, chargingS: 2820, parkingS: 0 },
      { startedAt: startedAt + 2820, energyWh: 0, chargingS: 0, parkingS: 3600 },
    ],
    stoppedAt: startedAt + 6420,
    ...change,
  }
}

const INVOICE: Revision = {
  ...{ revision: 0, kind: 'invoice', reason: 'ended', amount: '5.60', currency: 'EUR', energyWh: 12_500 },
  ...{ issuedAt: STARTED_AT + 7_000_000, inputHash: 'feed', cost: costOf() },
}

function settledOf(revisions: readonly Revision[], change: Partial<Settled> = {}): readonly Settled[] {
  return statementsOf(SESSION, revisions).map(statement => ({
    ...statement,
    sessionId: SESSION,
    session: {
      ...{ chargerId: 'CP01', connectorId: 2, state: 'complete', flags: [], startRef: 'a/1/b' },
      started: { at: STARTED_AT, clock: 'charger' },
      ended: { at: STARTED_AT + 6_420_000, clock: 'counted' },
    },
    card: { tokenRef: 'cc'.repeat(16), accountRef: 'dd'.repeat(16) },
    tariff: { id: 'day', ref: 'a/2/c', currency: 'EUR', pricePerKwh: '0.363', byTerms: true },
    ...change,
  }))
}

function cdrsIn(version: OcpiVersion, settled: readonly Settled[]) {
  const found = placeOf(LOCATIONS, AT, version)
  if ('missing' in found) throw new Error(found.missing.join())
  return settled.flatMap(one => cdrsOf(one, { version, place: found.place }))
}

describe('the reader of CDRs', () => {
  const example = (version: OcpiVersion) =>
    JSON.parse(readFileSync(new URL(`../fixtures/ocpi/cdr_example_${version}.json`, import.meta.url), 'utf8'))

  it("takes the standard's own example of 2.2.1", () => {
    expect(cdrFaults('2.2.1', example('2.2.1'))).toEqual([])
  })

  it('takes that of 2.3.0 but for what its own table requires of a tariff', () => {
    expect(cdrFaults('2.3.0', example('2.3.0'))).toEqual(['cdr.tariffs[0].tax_included: missing'])
  })

  it.each([
    ['a required field is gone', { auth_method: undefined }],
    ['a word is none of the enum', { auth_method: 'OFFLINE' }],
    ['a text is too long', { currency: 'EURO' }],
    ['a time has another zone', { last_updated: '2026-01-01T00:00:00+00:00' }],
    ['a number is a text', { total_energy: '15.342' }],
    ['a list is empty', { charging_periods: [] }],
    ["a field is the other version's", { total_cost: { before_taxes: 4, taxes: [] } }],
    ['a credit names nothing', { credit: true }],
    ['a field is unknown', { total: 4 }],
  ])('sees that %s', (_what, change) => {
    expect(cdrFaults('2.2.1', { ...example('2.2.1'), ...change })).not.toEqual([])
  })
})

describe('a CDR', () => {
  it.each(OCPI_VERSIONS)('of %s is valid, with a price in its own shape', version => {
    const [cdr, ...others] = cdrsIn(version, settledOf([INVOICE]))
    expect(others).toEqual([])
    expect(cdrFaults(version, cdr)).toEqual([])
    expect(cdr).toMatchObject({
      ...{ id: SESSION, session_id: SESSION, auth_method: 'WHITELIST', currency: 'EUR' },
      ...{ start_date_time: '2026-12-24T17:30:00Z', end_date_time: '2026-12-24T19:17:00Z' },
      cdr_token: { uid: 'cc'.repeat(16), type: 'OTHER', contract_id: 'dd'.repeat(16) },
      cdr_location: { evse_uid: 'CP01-2', evse_id: 'BE*BEC*E041503003', connector_id: '2' },
      charging_periods: [
        {
          start_date_time: '2026-12-24T17:30:00Z',
          dimensions: [
            { type: 'ENERGY', volume: 12.5 },
            { type: 'TIME', volume: 0.7833 },
          ],
          tariff_id: 'day',
        },
        { start_date_time: '2026-12-24T18:17:00Z', dimensions: [{ type: 'PARKING_TIME', volume: 1 }] },
      ],
      ...{ total_energy: 12.5, total_time: 1.7833, total_parking_time: 1 },
    })
    const named = (percentage: number, amount: number) => ({ name: 'BTW', percentage, amount })
    const prices =
      version === '2.2.1'
        ? {
            total_cost: { excl_vat: 4.75, incl_vat: 5.6 },
            total_energy_cost: { excl_vat: 3.75, incl_vat: 4.5375 },
            total_parking_cost: { excl_vat: 1, incl_vat: 1.06 },
          }
        : {
            total_cost: { before_taxes: 4.75, taxes: [named(21, 0.79), named(6, 0.06)] },
            total_energy_cost: { before_taxes: 3.75, taxes: [named(21, 0.7875)] },
            total_parking_cost: { before_taxes: 1, taxes: [named(6, 0.06)] },
          }
    expect(cdr).toMatchObject(prices)
  })

  it.each(OCPI_VERSIONS)('of %s is never changed: corrections credit it and come anew', version => {
    const corrected: Revision = {
      ...{ ...INVOICE, revision: 1, kind: 'credit', reason: 'corrected', amount: '-1.10', energyWh: 10_000 },
      cost: costOf({ total: '4.50', beforeTaxes: '3.78', taxes: [{ vat: '21', amount: '0.72' }] }),
    }
    const settled = settledOf([INVOICE, corrected])
    const cdrs = cdrsIn(version, settled)
    expect(cdrs.map(({ id }) => id)).toEqual([SESSION, `${SESSION}-C`, `${SESSION}-1`])
    expect(cdrs[0]).toEqual(cdrsIn(version, settledOf([INVOICE]))[0])
    for (const cdr of cdrs) expect(cdrFaults(version, cdr)).toEqual([])
    const { total_cost, last_updated, id, ...said } = cdrs[0] as Record<string, unknown>
    expect(cdrs[1]).toMatchObject({ ...said, credit: true, credit_reference_id: SESSION })
    expect(cdrs[1]?.total_cost).toEqual(
      version === '2.2.1'
        ? { excl_vat: -4.75, incl_vat: -5.6 }
        : {
            before_taxes: -4.75,
            taxes: [
              { name: 'BTW', percentage: 21, amount: -0.79 },
              { name: 'BTW', percentage: 6, amount: -0.06 },
            ],
          },
    )
    expect(cdrs[2]).toMatchObject({ total_energy: 10 })
    expect(cdrs[2]).not.toHaveProperty('credit')
  })

  it('of a refund keeps the session, takes taxes back in proportion and tells no parts', () => {
    const { cost: _, ...plain } = INVOICE
    const refund = { ...plain, revision: 1, kind: 'credit', reason: 'refund', amount: '-2.80' }
    const [, , made] = cdrsIn('2.2.1', settledOf([INVOICE, refund]))
    expect(made).toMatchObject({
      total_cost: { excl_vat: 2.37, incl_vat: 2.8 },
      total_energy: 12.5,
      total_time: 1.7833,
    })
    expect(made).not.toHaveProperty('total_energy_cost')
  })

  it('has ids that fit, after hundreds of corrections too', () => {
    const revisions = Array.from({ length: 1000 }, (_, revision) => ({
      ...INVOICE,
      revision,
      amount: '0.01',
    }))
    const last = cdrsIn('2.3.0', settledOf(revisions).slice(-1))
    expect(last.map(({ id }) => id)).toEqual([`${SESSION}-998-C`, `${SESSION}-999`])
    for (const cdr of last) expect(cdrFaults('2.3.0', cdr)).toEqual([])
  })

  it('of a tariff whose name OCPI could not write names none', () => {
    const tariff = { id: 'day\n', ref: 'a/2/c', currency: 'EUR', pricePerKwh: '1', byTerms: false }
    const [cdr] = cdrsIn('2.2.1', settledOf([INVOICE], { tariff }))
    expect(cdrFaults('2.2.1', cdr)).toEqual([])
  })

  it('refuses an amount that a JSON number cannot hold', () => {
    const huge = { ...INVOICE, amount: '12345678901234567.89' }
    expect(() => cdrsIn('2.2.1', settledOf([huge]))).toThrow(/more digits than a JSON number holds/)
  })
})

describe('a place', () => {
  it('is not made up: what is missing is named by charger and field', () => {
    expect(placeOf({ ...LOCATIONS, city: '' }, { chargerId: 'CP02', connectorId: 1 }, '2.3.0')).toEqual({
      missing: [
        'city',
        ...['evse_id', 'connector_standard', 'connector_format', 'connector_power_type'].map(
          field => `charger CP02, connector 1: ${field}`,
        ),
      ],
    })
  })

  it('has a plug that the version knows', () => {
    const evses = LOCATIONS.evses.map(evse => ({ ...evse, connector_standard: 'MCS' }))
    expect(placeOf({ ...LOCATIONS, evses }, AT, '2.3.0')).toHaveProperty('place')
    expect(placeOf({ ...LOCATIONS, evses }, AT, '2.2.1')).toEqual({
      missing: ['charger CP01, connector 2: connector_standard that OCPI 2.2.1 knows'],
    })
  })

  it('wants a shorter name where a charger has a long one', () => {
    const charger = 'C'.repeat(48)
    const evses = LOCATIONS.evses.map(evse => ({ ...evse, charger }))
    expect(placeOf({ ...LOCATIONS, evses }, { chargerId: charger, connectorId: 2 }, '2.3.0')).toEqual({
      missing: [`charger ${charger}, connector 2: evse_uid`],
    })
  })
})

describe('a split', () => {
  it.each([
    ['all of it', '5.60', ['4.75', '0.79', '0.06']],
    ['half', '2.80', ['2.37', '0.40', '0.03']],
    ['nothing', '0', ['0.00', '0.00', '0.00']],
    ['paid back', '-5.60', ['-4.75', '-0.79', '-0.06']],
  ])('of %s adds up', (_what, amount, wanted) => {
    const split = splitOf(amount, 2, costOf())
    expect([split.beforeTaxes, ...split.taxes.map(tax => tax.amount)]).toEqual(wanted)
    const sum = split.taxes.map(tax => tax.amount).reduce(addAmounts, split.beforeTaxes)
    expect(Number(sum)).toBe(Number(amount))
  })

  it('knows of no taxes where no cost was kept', () => {
    expect(splitOf('0.309', 3)).toEqual({ amount: '0.309', beforeTaxes: '0.309', taxes: [] })
  })
})

describe('a line of the CSV', () => {
  it('quotes what needs it, and lets no name be taken for a formula', () => {
    const line = (id: string) => {
      const tariff = { id, ref: '', currency: 'EUR', pricePerKwh: '1', byTerms: false }
      return settledOf([INVOICE], { tariff }).map(csvLine).join('')
    }
    expect(line('=HYPERLINK("http://x","y"),\r\n')).toContain(`,"'=HYPERLINK(""http://x"",""y""),\r\n",\r\n`)
    for (const id of ['+1', '-1', '@x', '\t=1']) expect(line(id)).toContain(`,'${id},`)
    expect(line('day')).toContain(',day,')
    expect(line('day')).toContain(',5.60,4.75,0.85,21 %: 0.79; 6 %: 0.06,EUR,12.500,5.60,')
  })

  it('takes back a credit below zero', () => {
    const refund = { ...INVOICE, revision: 1, kind: 'credit', reason: 'refund', amount: '-2.80' }
    const [, line] = settledOf([INVOICE, refund]).map(csvLine)
    expect(line).toContain(`,0.000,-2.80,-2.38,-0.42,21 %: -0.39; 6 %: -0.03,EUR,12.500,2.80,`)
    expect(line).toContain(`,day,${SESSION}\r\n`)
  })
})
