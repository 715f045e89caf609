// A session's price is chosen where and when it begins, by charger, card and instant, and stays what it was.

import { describe, expect, it } from 'vitest'
import { sessionAnswer } from '../../src/api/driver-session.ts'
import { NO_CORRECTIONS } from '../../src/billing/corrections.ts'
import { cardContext, decideFor } from '../../src/card.ts'
import type { BodyOf } from '../../src/log/body.ts'
import type { ChargerMessage } from '../../src/ports.ts'
import { highestEnergyPrice } from '../../src/tariff/highest.ts'
import { encodeTerms, type Terms } from '../../src/tariff/terms.ts'
import type { ChargerId, TokenRef } from '../../src/units.ts'
import { SITE_OPENED_AT } from '../site.ts'
import { CARD, CHARGER, type ChargingNode, campus, HOUR_MS, iso, OTHER_CARD } from './charging.ts'

type Words = { readonly id: string; readonly price: string; readonly effectiveAt?: number } & Partial<Terms>

function tariffOf({ id, price, effectiveAt = SITE_OPENED_AT, ...over }: Words): BodyOf<'tariff'> {
  const terms: Terms = {
    elements: [{ components: [{ type: 'ENERGY', price, vat: '20', stepSize: 1 }] }],
    ...{ taxIncluded: 'NO', countryCode: 'DE', partyId: 'ABC', timeZone: 'UTC', offsets: [] },
    scope: { chargers: [], zones: [], connectorTypes: [], classes: [] },
    ...over,
  }
  const pricePerKwh = highestEnergyPrice(terms)
  return { tariffId: id, currency: 'EUR', pricePerKwh, effectiveAt, elements: encodeTerms(terms) }
}

const scope = (over: Partial<Terms['scope']>): Pick<Terms, 'scope'> => ({
  scope: { chargers: [], zones: [], connectorTypes: [], classes: [], ...over },
})
const OTHER = 'CP-2' as ChargerId

/** CP-1 stands in zone A with CCS, and the site has these tariffs besides its 0.25. */
function siteWith(...tariffs: readonly Words[]): ChargingNode {
  const site = campus()
  const point = {
    connectors: 1,
    salt: new Uint8Array(16),
    hash: new Uint8Array(32),
    cost: 1,
    withdrawn: false,
  }
  const place = { zone: 'A', connectorType: 'IEC_62196_T2_COMBO' }
  site.operator.append([
    { name: 'charge_point', body: { chargerId: CHARGER, ...point, ...place } },
    { name: 'charge_point', body: { chargerId: OTHER, ...point } },
    ...tariffs.map(words => ({ name: 'tariff', body: tariffOf(words) }) as const),
  ])
  site.grant({ class: 'fleet' })
  const node = site.node('pole-1')
  site.publish(node)
  return node
}

const pricesOf = (node: ChargingNode) =>
  node.wrote('pricing').map(({ pricePerKwh, byTerms }) => `${pricePerKwh}${byTerms ? ' by terms' : ''}`)

describe('the price of a start', () => {
  it.each([
    ['the charger', scope({ chargers: [CHARGER] })],
    ['the zone', scope({ zones: ['A'] })],
    ['the connector type', scope({ connectorTypes: ['IEC_62196_T2_COMBO'] })],
  ])('is that of %s there, and the common one elsewhere', (_, over) => {
    const node = siteWith({ id: 'here', price: '0.40', ...over })
    node.start()
    node.start({ chargerId: OTHER })
    expect(pricesOf(node)).toEqual(['0.48 by terms', '0.25'])
  })

  it('is that of the class of the card', () => {
    const node = siteWith({ id: 'fleet', price: '0.10', ...scope({ classes: ['fleet'] }) })
    node.start({ tokenRef: CARD })
    node.start({ tokenRef: OTHER_CARD, meterStartWh: 5 })
    expect(pricesOf(node)).toEqual(['0.12 by terms', '0.25'])
  })

  it('is the one for payment at the charger where nobody granted the card', () => {
    const node = siteWith({ id: 'adhoc', price: '0.70', type: 'AD_HOC_PAYMENT' })
    node.start({ tokenRef: CARD })
    node.start({ tokenRef: OTHER_CARD, meterStartWh: 5 })
    expect(pricesOf(node)).toEqual(['0.25', '0.84 by terms'])
  })

  it('is that of its instant, and stays when another takes effect', () => {
    const later = SITE_OPENED_AT + 2 * HOUR_MS
    const node = siteWith({ id: 'T1', price: '0.50', effectiveAt: later })
    const { transactionId } = node.start()
    node.clock.at = later + HOUR_MS
    node.stop({ transactionId, meterStopWh: 164_200 })
    // A start of before that is told only now, and one of now.
    node.start({ at: later - 1, meterStartWh: 7 })
    node.start({ meterStartWh: 8 })
    expect(pricesOf(node)).toEqual(['0.25', '0.25', '0.6 by terms'])
    const [first] = node.of().sessions
    if (!first) throw new Error('no session')
    const { tariffs } = node.ledger.view()
    const known = {
      nowAt: 0,
      isOffline: false,
      receipt: undefined,
      nodes: 1,
      isInCloud: false,
      corrections: NO_CORRECTIONS,
    }
    expect(sessionAnswer(first, { ...known, tariffAt: tariffs.at })).toMatchObject({
      ...{ rate_per_kwh: '0.25', price_text: '0.25 EUR a kWh', total_cost: '2.50' },
    })
  })

  it('is by terms in words, with taxes, and so is its cost', () => {
    const node = siteWith({
      ...{ id: 'T1', price: '0.40', effectiveAt: SITE_OPENED_AT + 1 },
      elements: [
        {
          components: [
            { type: 'ENERGY', price: '0.40', vat: '20', stepSize: 1 },
            { type: 'FLAT', price: '1', vat: '20', stepSize: 1 },
          ],
        },
      ],
    })
    const { transactionId } = node.start()
    node.clock.at += HOUR_MS
    node.stop({ transactionId, meterStopWh: 164_200 })
    const { tariffs } = node.ledger.view()
    const known = {
      ...{ nowAt: 0, isOffline: false, receipt: undefined, nodes: 1, isInCloud: false },
      corrections: NO_CORRECTIONS,
    }
    expect(sessionAnswer(node.only(), { ...known, tariffAt: tariffs.at })).toMatchObject({
      ...{ rate_per_kwh: '0.48', total_cost: '6.00' },
      price_text: '0.48 EUR a kWh; 1.20 EUR once; incl. 20 % VAT',
    })
    // A node to which the tariff has not come yet says no cost, rather than a wrong one.
    expect(sessionAnswer(node.only(), { ...known, tariffAt: () => undefined })).toMatchObject({
      ...{ rate_per_kwh: '0.48', total_cost: null, payment: { state: 'no_price' } },
      price_text: 'up to 0.48 EUR a kWh; its other terms are not known here yet',
    })
  })

  it('is none where no tariff is for it', () => {
    const site = campus()
    site.operator.append([
      { name: 'tariff', body: tariffOf({ id: 'T1', price: '1', ...scope({ zones: ['B'] }) }) },
    ])
    const node = site.node('pole-1')
    site.publish(node)
    node.start()
    expect(pricesOf(node)).toEqual([])
    expect(node.only().flags).toContain('unpriced')
  })
})

describe('a cable that comes before the card', () => {
  const TX = { stationTransactionId: 'b2a1-77' }
  const NO_CARD = '00'.repeat(16) as TokenRef
  const plugIn = (node: ChargingNode): void => {
    const startedAt = iso(node.clock.at)
    const start: ChargerMessage = {
      ...{ kind: 'start', ...TX, connectorId: 1, tokenRef: NO_CARD, meterStartWh: 0, startedAt },
      ...{ readings: [], cardless: true },
    }
    node.say(start)
  }
  const show = (node: ChargingNode, tokenRef: TokenRef): unknown =>
    node.say({ kind: 'card', ...TX, tokenRef } as ChargerMessage)

  it('has the common price at once where no card has another', () => {
    const node = siteWith({ id: 'here', price: '0.40', ...scope({ zones: ['A'] }) })
    plugIn(node)
    expect(pricesOf(node)).toEqual(['0.48 by terms'])
    show(node, CARD)
    expect(pricesOf(node)).toEqual(['0.48 by terms'])
  })

  it('waits for the card where its class has another, and has the price of the plug’s instant', () => {
    const node = siteWith(
      { id: 'fleet', price: '0.10', ...scope({ classes: ['fleet'] }) },
      {
        id: 'fleet',
        price: '0.90',
        effectiveAt: SITE_OPENED_AT + 2 * HOUR_MS,
        ...scope({ classes: ['fleet'] }),
      },
    )
    plugIn(node)
    expect(pricesOf(node)).toEqual([])
    show(node, OTHER_CARD)
    expect(pricesOf(node)).toEqual([])
    node.clock.at = SITE_OPENED_AT + 3 * HOUR_MS
    show(node, CARD)
    show(node, CARD)
    expect(pricesOf(node)).toEqual(['0.12 by terms'])
    expect(node.only().pricing?.body.pricePerKwh).toBe('0.12')
  })
})

describe('a tariff that comes when the price is fixed', () => {
  it('changes nothing, although it would have been for the card', () => {
    const site = campus()
    site.grant({ class: 'fleet' })
    const node = site.node('pole-1')
    site.publish(node)
    const startedAt = iso(node.clock.at)
    const cable = {
      stationTransactionId: 'b2',
      tokenRef: '00'.repeat(16) as TokenRef,
      cardless: true,
    } as const
    node.say({ kind: 'start', ...cable, connectorId: 1, meterStartWh: 0, startedAt, readings: [] })
    site.operator.append([
      { name: 'tariff', body: tariffOf({ id: 'fleet', price: '0.10', ...scope({ classes: ['fleet'] }) }) },
    ])
    site.publish(node)
    node.say({ kind: 'card', stationTransactionId: 'b2', tokenRef: CARD } as ChargerMessage)
    expect(pricesOf(node)).toEqual(['0.25'])
  })
})

describe('the amount that a card may spend a day', () => {
  function spent(limit: string, ...tariffs: readonly Words[]): string {
    const site = campus()
    site.operator.append(tariffs.map(words => ({ name: 'tariff', body: tariffOf(words) }) as const))
    site.grant({ offline: { maxAgeS: 365 * 24 * 3600, maxAmountPerDay: limit } })
    const node = site.node('pole-1')
    site.publish(node)
    // Without a beacon a quarter of it may be spent.
    const { transactionId } = node.start()
    node.clock.at += HOUR_MS
    node.stop({ transactionId, meterStopWh: 164_200 })
    const times = { wallMs: node.clock.at, monotonicMs: 0 }
    return decideFor(cardContext(node.ledger, times), CHARGER, CARD).reason
  }

  it.each([
    ['40.00', 'ok', []],
    ['9.99', 'amount of the day used up', []],
    // 10 kWh at 0.40 and 20 %: 4.80.
    ['19.20', 'amount of the day used up', [{ id: 'T1', price: '0.40' }]],
    ['19.21', 'ok', [{ id: 'T1', price: '0.40' }]],
    // Elsewhere a kWh costs 0.96, and nobody says where the next is drawn.
    ['38.40', 'amount of the day used up', [{ id: 'B', price: '0.80', ...scope({ zones: ['B'] }) }]],
    ['38.41', 'ok', [{ id: 'B', price: '0.80', ...scope({ zones: ['B'] }) }]],
    // Energy is free; the hour costs 6.00.
    [
      '24.00',
      'amount of the day used up',
      [{ id: 'T1', price: '0', elements: [{ components: [{ type: 'TIME', price: '6', stepSize: 1 }] }] }],
    ],
    [
      '24.01',
      'ok',
      [{ id: 'T1', price: '0', elements: [{ components: [{ type: 'TIME', price: '6', stepSize: 1 }] }] }],
    ],
  ] as const)('of %s is: %s', (limit, reason, tariffs) => {
    expect(spent(limit, ...tariffs)).toBe(reason)
  })
})
