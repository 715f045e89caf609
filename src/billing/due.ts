// What a session costs by the price that was fixed at its start, or by name why that cannot be said. Never a default.
import type { EventRef } from '../log/body.ts'
import type { Session } from '../session/fold.ts'
import { type Cost, costOf } from '../tariff/cost.ts'
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
      /** No tariff was in force at the start; its event is not here (yet); it cannot be computed with. */
      readonly why: 'no-tariff' | 'tariff-unknown' | 'tariff-unreadable'
    }

/** `energyWh`: what is billed. `untilAt` (ms): in the place of a stop that has not come. */
export function dueOf(
  session: Session,
  tariffAt: TariffAt,
  { energyWh, untilAt }: { readonly energyWh: number; readonly untilAt?: number },
): Due {
  const pricing = session.pricing?.body
  if (!pricing) return { kind: 'unpriced', why: 'no-tariff' }
  const usage = usageOf(session, energyWh, untilAt)
  if (!pricing.byTerms) return dueFrom(costOf(pricing, usage), usage)
  const tariff = tariffAt(pricing.tariff)
  if (!tariff) return { kind: 'unpriced', why: 'tariff-unknown' }
  const terms = tariff.elements && decodeTerms(tariff.elements)
  return dueFrom(terms && costOf({ ...pricing, terms }, usage), usage)
}

function dueFrom(cost: Cost | undefined, { stoppedAt }: Usage): Due {
  return cost ? { kind: 'due', cost: { ...cost, stoppedAt } } : { kind: 'unpriced', why: 'tariff-unreadable' }
}
