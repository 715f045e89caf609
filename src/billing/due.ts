// What a session costs by the price that was fixed at its start, or by name why that cannot be said. Never a default.
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Fact } from '../session/facts.ts'
import type { Session } from '../session/fold.ts'
import { type Cost, costOf } from '../tariff/cost.ts'
import type { Tariff } from '../tariff/tariffs.ts'
import { decodeTerms } from '../tariff/terms.ts'
import type { Usage } from '../tariff/usage.ts'
import { isMore } from './amounts.ts'
import { usageOf } from './usage.ts'

/** The tariff that this very event published, whether or not it is in force. */
export type TariffAt = (ref: EventRef) => Tariff | undefined

/**
 * No tariff was in force at the start; its event is not here yet, counts no longer, or says another price; it cannot be
 * computed with; nobody charges so long.
 */
export type Unpriced = 'no-tariff' | 'tariff-unknown' | 'tariff-unreadable' | 'too-long'
export type Due =
  | { readonly kind: 'due'; readonly cost: Cost }
  | { readonly kind: 'unpriced'; readonly why: Unpriced }

/** A clock that was put years ahead in mid-session must not make a bill of hours: behind this a person looks at it. */
export const LONGEST_PRICED_S = 31 * 24 * 3600

/** `energyWh`: what is billed. `untilAt` (ms): in the place of a stop that has not come. */
export type Asked = { readonly energyWh: number; readonly untilAt?: number }

/** Prices that no tariff vouches for, of one session: a node that makes them by the thousand must not keep others busy. */
const MAX_UNVOUCHED = 16

/** One of the prices that were shown at the start, and what it makes of the session. `vouched`: its tariff says so. */
export type PricedBy = { readonly pricing: Fact<'pricing'>; readonly due: Due; readonly vouched: boolean }

/**
 * What the session costs. Two islands, or two operators, may have shown it different prices: the cheapest that can be
 * computed counts, of those in the currency that was shown first. Nobody pays more than he may have been shown. But nodes
 * make no prices: one that its tariff does not say counts for nothing, and one whose tariff is not here only where none of
 * the others is vouched for.
 */
export function dueOf(session: Session, tariffAt: TariffAt, asked: Asked): Due {
  return cheapest(pricesOf(session, tariffAt, asked))
}

export function cheapest(prices: readonly PricedBy[]): Due {
  const cost = leastOf(costsIn(prices))
  return cost ? { kind: 'due', cost } : (prices[0]?.due ?? { kind: 'unpriced', why: 'no-tariff' })
}

/** Of those in the currency of the first. */
export function leastOf(costs: readonly Cost[]): Cost | undefined {
  return costs
    .filter(({ currency }) => currency === costs[0]?.currency)
    .reduce<Cost | undefined>(
      (least, one) => (least && !isMore(least.total, one.total) ? least : one),
      undefined,
    )
}

/** What it costs at each price that counts, the earliest first. */
export function costsIn(prices: readonly PricedBy[]): readonly Cost[] {
  const known = prices.filter(({ due, vouched }) => vouched && due.kind === 'due')
  return (known.length > 0 ? known : prices).flatMap(({ due }) => (due.kind === 'due' ? [due.cost] : []))
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
  const all = [...shown.values()].map(pricing => {
    const tariff = tariffAt(pricing.body.tariff)
    return { pricing, tariff, vouched: tariff !== undefined && isSaidBy(tariff, pricing.body) }
  })
  const others = new Set(all.filter(({ vouched }) => !vouched).slice(0, MAX_UNVOUCHED))
  return all
    .filter(one => one.vouched || others.has(one))
    .map(({ pricing, tariff, vouched }) => {
      return { pricing, due: dueBy(pricing.body, { tariff, vouched }, usage), vouched }
    })
}

/** What was shown: another node's copy of it says the same. */
export function priceWords({ tariff, currency, pricePerKwh, byTerms }: BodyOf<'pricing'>): string {
  return `${tariff.logId}/${tariff.seq}/${tariff.hash}/${currency}/${pricePerKwh}/${byTerms ? 'terms' : ''}`
}

type By = { readonly tariff: Tariff | undefined; readonly vouched: boolean }

function dueBy(pricing: BodyOf<'pricing'>, { tariff, vouched }: By, usage: Usage): Due {
  if (tariff && vouched) return dueByTariff(tariff, usage)
  if (tariff || pricing.byTerms) return { kind: 'unpriced', why: 'tariff-unknown' }
  return dueFrom(costOf(pricing, usage), usage, pricing.tariff)
}

/** Of terms all is in the tariff, and nothing is priced from what the node says. */
function isSaidBy(tariff: Tariff, { currency, pricePerKwh, byTerms }: BodyOf<'pricing'>): boolean {
  if (currency !== tariff.currency) return false
  return tariff.elements ? byTerms === true : !byTerms && pricePerKwh === tariff.pricePerKwh
}

/** By a tariff itself, as a person may decide. */
export function dueByTariff(
  tariff: Pick<Tariff, 'currency' | 'pricePerKwh' | 'elements' | 'ref'>,
  usage: Usage,
): Due {
  const { currency, pricePerKwh, elements, ref } = tariff
  if (!elements) return dueFrom(costOf({ currency, pricePerKwh }, usage), usage, ref)
  if (usage.stoppedAt - usage.startedAt > LONGEST_PRICED_S) return { kind: 'unpriced', why: 'too-long' }
  const terms = decodeTerms(elements)
  return dueFrom(terms && costOf({ currency, pricePerKwh, terms }, usage), usage, ref)
}

function dueFrom(cost: Cost | undefined, { stoppedAt }: Usage, ref: EventRef): Due {
  if (!cost) return { kind: 'unpriced', why: 'tariff-unreadable' }
  return { kind: 'due', cost: { ...cost, stoppedAt, tariff: `${ref.logId}/${ref.seq}/${ref.hash}` } }
}
