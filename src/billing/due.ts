// What a session costs by the price that was fixed at its start, or by name why that cannot be said. Never a default.
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Fact } from '../session/facts.ts'
import type { Session } from '../session/fold.ts'
import { type Cost, costOf } from '../tariff/cost.ts'
import { subtractAmounts } from '../tariff/price.ts'
import type { Tariff } from '../tariff/tariffs.ts'
import { decodeTerms } from '../tariff/terms.ts'
import type { Usage } from '../tariff/usage.ts'
import { usageOf } from './usage.ts'

/** The tariff that this very event published, whether or not it is in force. */
export type TariffAt = (ref: EventRef) => Tariff | undefined

export type Due =
  | { readonly kind: 'due'; readonly cost: Cost }
  | {
      readonly kind: 'unpriced'
      /** No tariff was in force at the start; its event is not here yet, or counts no longer; it cannot be computed with; nobody charges so long. */
      readonly why: 'no-tariff' | 'tariff-unknown' | 'tariff-unreadable' | 'too-long'
    }

/** A clock that was put years ahead in mid-session must not make a bill of hours: behind this a person looks at it. */
export const LONGEST_PRICED_S = 31 * 24 * 3600

/** `energyWh`: what is billed. `untilAt` (ms): in the place of a stop that has not come. */
export type Asked = { readonly energyWh: number; readonly untilAt?: number }

/** One of the prices that were shown at the start, and what it makes of the session. */
export type PricedBy = { readonly pricing: Fact<'pricing'>; readonly due: Due }

/**
 * What the session costs. Two islands, or two operators, may have shown it different prices: the cheapest that can be
 * computed counts, of those in the currency that was shown first. Nobody pays more than he may have been shown.
 */
export function dueOf(session: Session, tariffAt: TariffAt, asked: Asked): Due {
  return cheapest(pricesOf(session, tariffAt, asked))
}

export function cheapest(prices: readonly PricedBy[]): Due {
  const costs = prices.flatMap(({ due }) => (due.kind === 'due' ? [due.cost] : []))
  const [first] = costs
  if (!first) return prices[0]?.due ?? { kind: 'unpriced', why: 'no-tariff' }
  const cost = costs
    .filter(({ currency }) => currency === first.currency)
    .reduce((least, one) => (subtractAmounts(one.total, least.total).startsWith('-') ? one : least))
  return { kind: 'due', cost }
}

/** Every different price that was shown, the earliest first. */
export function pricesOf(
  session: Session,
  tariffAt: TariffAt,
  { energyWh, untilAt }: Asked,
): readonly PricedBy[] {
  const shown = new Map<string, Fact<'pricing'>>()
  for (const pricing of session.pricings) {
    const words = priceWords(pricing.body)
    if (!shown.has(words)) shown.set(words, pricing)
  }
  if (shown.size === 0) return []
  const usage = usageOf(session, energyWh, untilAt)
  return [...shown.values()].map(pricing => ({ pricing, due: dueBy(pricing.body, tariffAt, usage) }))
}

/** What was shown: another node's copy of it says the same. */
export function priceWords({ tariff, currency, pricePerKwh, byTerms }: BodyOf<'pricing'>): string {
  return `${tariff.logId}/${tariff.seq}/${tariff.hash}/${currency}/${pricePerKwh}/${byTerms ? 'terms' : ''}`
}

function dueBy(pricing: BodyOf<'pricing'>, tariffAt: TariffAt, usage: Usage): Due {
  if (!pricing.byTerms) return dueFrom(costOf(pricing, usage), usage)
  const tariff = tariffAt(pricing.tariff)
  if (!tariff) return { kind: 'unpriced', why: 'tariff-unknown' }
  const { elements } = tariff
  return elements !== undefined ? dueByTariff({ ...pricing, elements }, usage) : dueFrom(undefined, usage)
}

/** By a tariff itself, as a person may decide. */
export function dueByTariff(
  tariff: Pick<Tariff, 'currency' | 'pricePerKwh' | 'elements'>,
  usage: Usage,
): Due {
  const { currency, pricePerKwh, elements } = tariff
  if (!elements) return dueFrom(costOf({ currency, pricePerKwh }, usage), usage)
  if (usage.stoppedAt - usage.startedAt > LONGEST_PRICED_S) return { kind: 'unpriced', why: 'too-long' }
  const terms = decodeTerms(elements)
  return dueFrom(terms && costOf({ currency, pricePerKwh, terms }, usage), usage)
}

function dueFrom(cost: Cost | undefined, { stoppedAt }: Usage): Due {
  return cost ? { kind: 'due', cost: { ...cost, stoppedAt } } : { kind: 'unpriced', why: 'tariff-unreadable' }
}
