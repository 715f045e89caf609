// What a session owes in all, with what people decided and refunded: what a node tells of it, and what the revisions in the
// cloud add up to. Where no sum can be named there is none.
import type { Session } from '../session/fold.ts'
import type { Cost } from '../tariff/cost.ts'
import { subtractAmounts } from '../tariff/price.ts'
import { inDigitsOf, isZero } from './amounts.ts'
import { type Claim, claimOf, type Knowing } from './claim.ts'
import { refundsIn } from './corrections.ts'
import { refundable } from './revisions.ts'

export type Owed = {
  readonly currency: string
  /** To be paid, refunds taken off. */
  readonly total: string
  /** By its price. */
  readonly cost: Cost
  /** Instead of `cost.total`, where a person decided another sum. */
  readonly decided?: string
  /** Given back; only where something is. */
  readonly refunded?: string
}

/** Of a session that has not ended: so far, with `finalise`. */
export function owedOf(session: Session, knowing: Knowing): { readonly claim: Claim; readonly owed?: Owed } {
  const claim = claimOf(session, knowing)
  if (claim.kind !== 'due') return { claim }
  const { cost, owed: sum } = claim
  const { amount } = refundable(refundsIn(knowing.corrections), { currency: cost.currency, most: sum })
  const owed: Owed = {
    ...{ currency: cost.currency, cost, total: inDigitsOf(sum, subtractAmounts(sum, amount)) },
    ...(!isZero(subtractAmounts(sum, cost.total)) && { decided: sum }),
    ...(!isZero(amount) && { refunded: inDigitsOf(sum, amount) }),
  }
  return { claim, owed }
}
