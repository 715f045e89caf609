// How each tariff stands, for people; and the same tariffs again from what a node reported.
import { describe, expect, it } from 'vitest'
import { reportTariffs, TARIFF_REPORTS, tariffsFrom } from '../../src/api/tariffs.ts'
import { ANYWHERE } from '../../src/tariff/choice.ts'
import { createTariffs, type Tariff } from '../../src/tariff/tariffs.ts'
import { encodeTerms, type Terms } from '../../src/tariff/terms.ts'
import type { EventHash, LogId } from '../../src/units.ts'

type Words = { readonly id?: string; readonly price?: string; readonly from?: number; readonly log?: number }

let seq = 0
function tariff(words: Words, over?: Partial<Terms>): Tariff {
  const { id = 'T', price = '0.25', from = 100, log = 1 } = words
  seq += 1
  const terms: Terms = {
    elements: [{ components: [{ type: 'ENERGY', price, stepSize: 1 }] }],
    ...{ taxIncluded: 'YES', countryCode: 'DE', partyId: 'ABC', timeZone: 'UTC', offsets: [] },
    scope: { chargers: [], zones: [], connectorTypes: [], classes: [] },
    ...over,
  }
  return {
    ...{ tariffId: id, currency: 'EUR', pricePerKwh: price, effectiveAt: from, hlc: BigInt(seq) },
    ref: { logId: `${log}`.repeat(32) as LogId, seq, hash: '0'.repeat(64) as EventHash },
    ...(over && { elements: encodeTerms(terms) }),
  }
}

const scope = { chargers: [], zones: ['A'], connectorTypes: ['CCS'], classes: ['vip'] }
const HELD = [
  tariff({ id: 'S', price: '0.20', from: 50 }),
  tariff({ id: 'S', price: '0.22', from: 60 }),
  tariff({ id: 'S', price: '0.30', from: 900 }),
  tariff({ id: 'N', price: '0.40' }, {}),
  tariff({ id: 'N', price: '0.44', log: 2 }, {}),
  tariff({ id: 'V', price: '0.10' }, { scope }),
  tariff({ id: 'X', price: '0.50' }, { endsAt: 120 }),
  tariff({ id: 'G' }, { type: 'PROFILE_GREEN' }),
  { ...tariff({ id: 'Q', from: 99 }), elements: new Uint8Array([9]) },
]

function held(): ReturnType<typeof createTariffs> {
  const tariffs = createTariffs()
  for (const one of HELD) tariffs.add(one)
  return tariffs
}

describe('the tariffs of a site', () => {
  it('each say how they stand, where they are for, and what contradicts them', () => {
    const rows = TARIFF_REPORTS.parse(reportTariffs(held(), 150))
    expect(
      rows.map(({ tariffId, pricePerKwh, state, for: where, conflicts }) =>
        [
          tariffId,
          pricePerKwh,
          state,
          where,
          ...conflicts.map(one => `${one.tariffId} ${one.text} ${one.counts}`),
        ].join(' | '),
      ),
    ).toEqual([
      'S | 0.30 | coming | everywhere',
      'G | 0.25 | never chosen | PROFILE_GREEN',
      'X | 0.50 | ended | everywhere',
      'V | 0.10 | in force | zone A; CCS; cards of class vip',
      'N | 0.44 | in force | everywhere | N 0.40 EUR a kWh; taxes included false',
      'N | 0.40 | replaced | everywhere | N 0.44 EUR a kWh; taxes included true',
      'Q | 0.25 | unreadable | everywhere',
      'S | 0.22 | standing by | everywhere',
      'S | 0.20 | replaced | everywhere',
    ])
  })

  it('are the same again from what a node said over the wire', () => {
    const said = TARIFF_REPORTS.parse(JSON.parse(JSON.stringify(reportTariffs(held(), 150))))
    const again = tariffsFrom(said)
    expect(again.all()).toEqual(held().all())
    for (const at of [49, 55, 70, 110, 150, 900])
      expect(again.choose(at, ANYWHERE)).toEqual(held().choose(at, ANYWHERE))
  })
})
