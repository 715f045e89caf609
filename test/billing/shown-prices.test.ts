// Which of the prices that nodes say were shown count: a node serves a session or it has no say in its price, and no node
// makes prices.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cheapest, pricesOf, type TariffAt } from '../../src/billing/due.ts'
import type { AnyBody, BodyOf, EventRef } from '../../src/log/body.ts'
import { SITE_OPENED_AT, sessionBodies, type TestDevice } from '../site.ts'
import { issued, refOf, type Step, site, told, type Word, wordOf } from './told.ts'

/** 2.5 kWh. */
const { start, end, pricing } = sessionBodies()
const shown = pricing.body as BodyOf<'pricing'>
const stranger = site.device('stranger')

function by(device: TestDevice, said: AnyBody, atMs = 5): Word {
  const [event] = site.openLog(device).append([said], SITE_OPENED_AT + 3600_000 + atMs)
  if (!event) throw new Error('no event')
  return { event, said, by: device }
}

function tariffOf(tariffId: string, pricePerKwh: string, currency = 'EUR'): Word {
  const body = { tariffId, effectiveAt: SITE_OPENED_AT - 1000, currency, pricePerKwh }
  return issued({ name: 'tariff', body }, -3600_000)
}

function priceOf(tariff: EventRef, pricePerKwh: string, more: Partial<BodyOf<'pricing'>> = {}): AnyBody {
  return { name: 'pricing', body: { ...shown, tariff, pricePerKwh, ...more } }
}

const tariff = tariffOf('main', '0.40')
const MAIN = { ...(tariff.said.body as BodyOf<'tariff'>), ref: refOf(tariff), hlc: 0n }
const cheaper = tariffOf('old', '0.10')
const session: readonly Word[] = [wordOf(start), wordOf(priceOf(refOf(tariff), '0.40'), 1), wordOf(end, 2)]
const copied = by(stranger, start)

function outcome(steps: readonly Step[]): unknown {
  const { verdict, sum } = told(steps)
  return { state: verdict?.state, flags: verdict?.flags.join(), sum }
}

const WHOLE = { state: 'complete', flags: '', sum: '1' }

describe('a price that a node tells of a session', () => {
  it.each([
    ['nothing at all', priceOf(refOf(tariff), '0.00')],
    ['an older tariff', priceOf(refOf(cheaper), '0.10')],
    ['more', priceOf(refOf(tariff), '9.00')],
  ])('that it did not serve counts for nothing: %s', (_what, said) => {
    expect(outcome([tariff, cheaper, ...session, by(stranger, said)])).toEqual(WHOLE)
  })

  it('that it did not serve is no price of a session that has none', () => {
    const [begun, , over] = session
    const steps = [tariff, begun, over, by(stranger, priceOf(refOf(tariff), '0.40'))] as Step[]
    expect(outcome(steps)).toEqual({ state: 'unpriced', flags: 'unpriced', sum: '0' })
  })

  it.each([
    ['cheaper', priceOf(refOf(tariff), '0.00')],
    ['in another currency', priceOf(refOf(tariff), '0.40', { currency: 'JPY' })],
    ['by terms that it has not', priceOf(refOf(tariff), '0.40', { byTerms: true })],
    ['by an event that is no tariff', priceOf(refOf(copied), '0.00')],
    ['by a tariff that nobody has', priceOf(shown.tariff, '0.00')],
  ])('and its tariff does not say so is shown to people, and does not count: %s', (_what, said) => {
    expect(outcome([tariff, ...session, copied, by(stranger, said)])).toEqual({
      ...WHOLE,
      flags: 'price-disagreement',
    })
  })

  it('leaves the session without a price where it is the only one, and its tariff says another', () => {
    const steps = [tariff, wordOf(start), wordOf(priceOf(refOf(tariff), '0.00'), 1), wordOf(end, 2)]
    expect(outcome(steps)).toEqual({ state: 'unpriced', flags: 'tariff-unknown', sum: '0' })
  })

  it('that another served too counts where its tariff says so, the cheapest of them', () => {
    const said = by(stranger, priceOf(refOf(cheaper), '0.10'))
    expect(outcome([tariff, cheaper, ...session, copied, said])).toEqual({
      ...WHOLE,
      ...{ flags: 'price-disagreement', sum: '0.25' },
    })
  })

  it('counts as it was shown while no tariff is here', () => {
    expect(outcome(session)).toEqual(WHOLE)
  })

  it('comes to the same in any order', () => {
    const lies = [priceOf(refOf(tariff), '0.00'), priceOf(shown.tariff, '0.00')]
    const words = [tariff, ...session, copied, ...lies.map(said => by(stranger, said))]
    fc.assert(
      fc.property(fc.shuffledSubarray(words, { minLength: words.length }), steps => {
        expect(told(steps).sum).toBe('1')
      }),
      { numRuns: 60 },
    )
  })

  it('by terms is priced in the currency of its tariff, not in one that the node says', () => {
    const said = priceOf(refOf(tariff), '0.40', { currency: 'XXX', byTerms: true })
    const steps = [tariff, wordOf(start), wordOf(said, 1), wordOf(end, 2)]
    expect(outcome(steps)).toEqual({ state: 'unpriced', flags: 'tariff-unknown', sum: '0' })
  })

  it('by the thousand costs nobody more than by the dozen', () => {
    const lies = [...Array(200).keys()].map(i => by(stranger, priceOf(refOf(cheaper), `0.${i}`), -1e6))
    const { session: folded } = told([...session, copied, ...lies])
    if (!folded) throw new Error('no session')
    const tariffAt: TariffAt = ref => (ref.hash === refOf(tariff).hash ? MAIN : undefined)
    const prices = pricesOf(folded, tariffAt, { energyWh: 2500 })
    expect(prices).toHaveLength(17)
    expect(cheapest(prices)).toMatchObject({ kind: 'due', cost: { total: '1.00' } })
  })
})
