// Which tariff prices a session: the most specific, then the newest, whatever order they came in; and what contradicts it.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ANYWHERE, type Place } from '../../src/tariff/choice.ts'
import { createTariffs, type Tariff, type Tariffs } from '../../src/tariff/tariffs.ts'
import { encodeTerms, type Terms } from '../../src/tariff/terms.ts'
import type { ChargerId, EventHash, LogId } from '../../src/units.ts'

const NO_SCOPE = { chargers: [], zones: [], connectorTypes: [], classes: [] }
type Words = {
  readonly id?: string
  readonly price?: string
  readonly from?: number
  readonly log?: number
  readonly hlc?: number
  readonly plain?: boolean
  readonly scope?: Partial<Terms['scope']>
  readonly type?: Terms['type']
  readonly endsAt?: number
}

function tariff({ id = 'T', price = '0.25', from = 100, log = 1, hlc = 1, plain, ...over }: Words): Tariff {
  const terms: Terms = {
    elements: [{ components: [{ type: 'ENERGY', price, stepSize: 1 }] }],
    ...{ taxIncluded: 'NO', countryCode: 'DE', partyId: 'ABC', timeZone: 'UTC', offsets: [] },
    scope: { ...NO_SCOPE, ...over.scope },
    ...(over.type && { type: over.type }),
    ...(over.endsAt !== undefined && { endsAt: over.endsAt }),
  }
  return {
    ...{ tariffId: id, currency: 'EUR', pricePerKwh: price, effectiveAt: from, hlc: BigInt(hlc) },
    ref: { logId: `${log}`.repeat(32) as LogId, seq: hlc, hash: '0'.repeat(64) as EventHash },
    ...(!plain && { elements: encodeTerms(terms) }),
  }
}

function holding(...list: readonly Tariff[]): Tariffs {
  const tariffs = createTariffs()
  for (const one of list) tariffs.add(one)
  return tariffs
}

const CP = 'CP1' as ChargerId
const HERE: Place = { chargerId: CP, zone: 'A', connectorType: 'CCS', cardClass: 'fleet' }

function priceAt(tariffs: Tariffs, at = 100, place: Place = HERE): string | undefined {
  const choice = tariffs.choose(at, place)
  return choice.kind === 'chosen' ? choice.tariff.pricePerKwh : undefined
}

describe('the most specific tariff counts', () => {
  const ranked: readonly (readonly [string, Words])[] = [
    ['all', {}],
    ['the class', { scope: { classes: ['vip', 'fleet'] } }],
    ['the zone', { scope: { zones: ['A'] } }],
    ['the zone and class', { scope: { zones: ['A'], classes: ['fleet'] } }],
    ['the connector type', { scope: { connectorTypes: ['CCS'] } }],
    ['the charger', { scope: { chargers: [CP] } }],
    ['the charger and class', { scope: { chargers: [CP], classes: ['fleet'] } }],
  ]
  it.each(ranked.map(([name, words], i) => [name, words, i] as const))(
    'one for %s before those above',
    (_, words, i) => {
      const others = ranked
        .slice(0, i)
        .map(([, other], k) => tariff({ ...other, id: `${k}`, price: '9', from: 50 + k }))
      const tariffs = holding(...others, tariff({ ...words, id: 'this', price: '1', from: 10 }))
      expect(priceAt(tariffs)).toBe('1')
    },
  )

  it.each([
    ['another charger', { scope: { chargers: ['CP2' as ChargerId] } }],
    ['another zone', { scope: { zones: ['B'] } }],
    ['another connector type', { scope: { connectorTypes: ['CHADEMO'] } }],
    ['another class', { scope: { classes: ['vip'] } }],
    ['this charger and another zone', { scope: { chargers: [CP], zones: ['B'] } }],
    ['a preference', { type: 'PROFILE_GREEN' }],
    ['cards that nobody granted', { type: 'AD_HOC_PAYMENT' }],
  ] as const)('and one for %s not at all', (_, words) => {
    expect(priceAt(holding(tariff({ ...words, id: 'other', price: '9' })))).toBeUndefined()
    expect(priceAt(holding(tariff({ price: '1' }), tariff({ ...words, id: 'other', price: '9' })))).toBe('1')
  })

  it('and what is not known of a charger is in no scope', () => {
    const nowhere = { cardClass: undefined }
    for (const scope of [
      { zones: ['A'] },
      { connectorTypes: ['CCS'] },
      { chargers: [CP] },
      { classes: ['fleet'] },
    ])
      expect(priceAt(holding(tariff({ scope })), 100, nowhere)).toBeUndefined()
  })
})

describe('a card that nobody granted', () => {
  const unknown: Place = { ...HERE, cardClass: undefined }
  it('pays ad hoc where there is such a price, however old, and as everybody where there is none', () => {
    const [all, adHoc] = [
      tariff({ price: '1' }),
      tariff({ id: 'A', price: '2', type: 'AD_HOC_PAYMENT', from: 1 }),
    ]
    expect(priceAt(holding(all, adHoc), 100, unknown)).toBe('2')
    expect(priceAt(holding(all), 100, unknown)).toBe('1')
    expect(priceAt(holding(tariff({ price: '3', type: 'REGULAR' })), 100, unknown)).toBe('3')
  })
})

describe('the newest version of a tariff counts', () => {
  it('from its instant on, and until it ends; then its id is out', () => {
    const tariffs = holding(
      tariff({ price: '1', from: 100 }),
      tariff({ price: '2', from: 200, hlc: 2, endsAt: 300 }),
      tariff({ id: 'old', price: '9', from: 50 }),
    )
    expect([99, 100, 199, 200, 299, 300, 999].map(at => priceAt(tariffs, at))).toEqual([
      '9',
      '1',
      '1',
      '2',
      '2',
      '9',
      '9',
    ])
  })

  it('also where it can no longer be read: an older one is what its operator wanted no more', () => {
    const garbled = { ...tariff({ price: '2', from: 200, hlc: 2 }), elements: new Uint8Array([1, 2, 3]) }
    const tariffs = holding(tariff({ price: '1' }), garbled)
    expect([100, 200].map(at => priceAt(tariffs, at))).toEqual(['1', undefined])
    expect(tariffs.at(garbled.ref)?.pricePerKwh).toBe('2')
  })

  it('also where it is for somewhere else now', () => {
    const tariffs = holding(
      tariff({ price: '1' }),
      tariff({ price: '2', from: 200, scope: { zones: ['B'] } }),
    )
    expect([100, 200].map(at => priceAt(tariffs, at))).toEqual(['1', undefined])
  })

  it('a plain price after terms and terms after a plain price', () => {
    const tariffs = holding(
      ...[tariff({ price: '1', plain: true }), tariff({ price: '2', from: 200 })],
      tariff({ price: '3', from: 300, plain: true }),
    )
    expect([100, 200, 300].map(at => priceAt(tariffs, at))).toEqual(['1', '2', '3'])
  })
})

describe('what contradicts the chosen one', () => {
  const rivalsOf = (...list: readonly Tariff[]): readonly string[] => {
    const choice = holding(...list).choose(100, HERE)
    return choice.kind === 'chosen' ? choice.rivals.map(one => one.pricePerKwh) : ['missing']
  }
  it.each([
    [
      'another id of the same instant',
      [
        { price: '1', hlc: 2 },
        { id: 'B', price: '2' },
      ],
      ['2'],
    ],
    [
      'the word of another issuer on the same id',
      [
        { price: '1', hlc: 3 },
        { price: '2', log: 2 },
      ],
      ['2'],
    ],
    [
      'only the last word of that issuer',
      [
        { price: '1', hlc: 4 },
        { price: '2', log: 2 },
        { price: '3', log: 2, hlc: 3 },
      ],
      ['3'],
    ],
    ['nothing: a correction in the same log', [{ price: '1', hlc: 2 }, { price: '2' }], []],
    [
      'nothing: the same said twice',
      [
        { price: '1', hlc: 2 },
        { price: '1', log: 2 },
        { id: 'B', price: '1' },
      ],
      [],
    ],
    ['nothing: a newer one', [{ price: '1' }, { id: 'B', price: '2', from: 99 }], []],
    [
      'nothing: a less specific one',
      [
        { price: '1', scope: { zones: ['A'] } },
        { id: 'B', price: '2' },
      ],
      [],
    ],
    [
      'nothing: one for elsewhere',
      [
        { price: '1', scope: { zones: ['A'] } },
        { id: 'B', price: '2', scope: { zones: ['B'] } },
      ],
      [],
    ],
  ] as const)('is %s', (_, list, rivals) => {
    expect(rivalsOf(...list.map(words => tariff(words)))).toEqual(rivals)
  })
})

describe('the highest price of energy', () => {
  it('is that of all that could be chosen somewhere, and of nothing that is hidden', () => {
    const list = [
      tariff({ price: '0.30', from: 90 }),
      tariff({ id: 'old', price: '0.99', from: 50 }),
      tariff({ id: 'B', price: '0.79', scope: { zones: ['B'] } }),
      tariff({ id: 'green', price: '9', type: 'PROFILE_GREEN' }),
      tariff({ id: 'later', price: '2', from: 200 }),
      tariff({ id: 'over', price: '3', from: 10, endsAt: 20, scope: { zones: ['C'] } }),
    ]
    expect(holding(...list).highestPrice(100)).toBe('0.79')
    expect(holding().highestPrice(100)).toBeUndefined()
  })
})

describe('any order of arrival', () => {
  const scopes = fc.constantFrom<Partial<Terms['scope']>>(
    {},
    { zones: ['A'] },
    { zones: ['B'] },
    { chargers: [CP] },
    { classes: ['fleet'] },
  )
  const words = fc.record({
    id: fc.constantFrom('S', 'T', 'U'),
    price: fc.constantFrom('0.1', '0.2', '0.3'),
    from: fc.constantFrom(100, 200, 300),
    plain: fc.boolean(),
    scope: scopes,
    type: fc.constantFrom('REGULAR' as const, 'AD_HOC_PAYMENT' as const),
    endsAt: fc.constantFrom(250, 350, 1000),
  })
  it('gives the same choice, rivals and highest price', () => {
    fc.assert(
      fc.property(
        // Two logs, which may say something in the very same instant.
        fc
          .array(words, { maxLength: 8 })
          .map(list => list.map((one, i) => tariff({ ...one, log: 1 + (i % 2), hlc: i >> 1 }))),
        fc.infiniteStream(fc.nat()),
        fc.constantFrom(99, 100, 250, 300, 400),
        fc.constantFrom(HERE, ANYWHERE, { ...HERE, cardClass: undefined }, { ...HERE, zone: 'B' }),
        (list, dice, at, place) => {
          const shuffled = list
            .map(one => ({ one, die: dice.next().value }))
            .sort((a, b) => a.die - b.die)
            .map(({ one }) => one)
          const seen = (tariffs: Tariffs): unknown => {
            const choice = tariffs.choose(at, place)
            const refs = (some: readonly Tariff[]): readonly unknown[] => some.map(one => one.ref)
            const chosen = choice.kind === 'chosen' ? [choice.tariff.ref, refs(choice.rivals)] : []
            return [chosen, refs(tariffs.standing(at)), tariffs.highestPrice(at)]
          }
          expect(seen(holding(...shuffled))).toEqual(seen(holding(...list)))
        },
      ),
      { numRuns: 1000 },
    )
  })
})
