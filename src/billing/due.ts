// What a session costs by the price that was fixed at its start, or by name why that cannot be said. Never a default.
import type { EventRef } from '../log/body.ts'
import type { Session } from '../session/fold.ts'
import { type Cost, costOf } from '../tariff/cost.ts'
import type { Tariff } from '../tariff/tariffs.ts'
import { decodeTerms } from '../tariff/terms.ts'
import { usageOf } from './usage.ts'

/** The tariff that this very event published, whether or not it is in force. */
export type TariffAt = (ref: EventRef) => Tariff | undefined

export type Due =
  | { readonly kind: 'due'; readonly cost: Cost }
  | {
      readonly kind: 'unpriced'
      /** No tariff was in force at the start; its event is not here (yet); it cannot be computed with; nobody charges so long. */
      readonly why: 'no-tariff' | 'tariff-unknown' | 'tariff-unreadable' | 'too-long'
    }

/** A clock that was put years ahead in mid-session must not make a bill of hours: behind this a person looks at it. */
export const LONGEST_PRICED_S = 31 * 24 * 3600

/** `energyWh`: what is billed. `untilAt` (ms): in the place of a stop that has not come. */
export function dueOf(
  session: Session,
  tariffAt: TariffAt,
  { energyWh, untilAt }: { readonly energyWh: number; readonly untilAt?: number },
): Due {
  const pricing = session.pricing?.body
  if (!pricing) return { kind: 'unpriced', why: 'no-tariff' }
  const usage = usageOf(session, energyWh, untilAt)
  if (!pricing.byTerms) return dueFrom(costOf(pricing, usage))
  const tariff = tariffAt(pricing.tariff)
  if (!tariff) return { kind: 'unpriced', why: 'tariff-unknown' }
  if (usage.stoppedAt - usage.startedAt > LONGEST_PRICED_S) return { kind: 'unpriced', why: 'too-long' }
  const terms = tariff.elements && decodeTerms(tariff.elements)
  return dueFrom(terms && costOf({ ...pricing, terms }, usage))
}

function dueFrom(cost: Cost | undefined): Due {
  return cost ? { kind: 'due', cost } : { kind: 'unpriced', why: 'tariff-unreadable' }
}
