// Bills are revisions: number 0 is the invoice, each later one carries a difference, none is ever edited. Here a sum that is
// owed, and what was billed so far, become the revisions that are missing. A debit of more than a trifle waits for a person,
// unless one has decided the sum. Refunds are revisions of their own, and give back what is billed at the most.
import { hashOf, lengthPrefixed, sha256, utf8Bytes } from '../identity/hash.ts'
import type { EventRef } from '../log/body.ts'
import type { Cost } from '../tariff/cost.ts'
import { addAmounts, decimalsIn, isDecimal, subtractAmounts } from '../tariff/price.ts'
import { concatBytes, hex, type SessionId, unhex } from '../units.ts'
import { inDigitsOf, isMore, isZero } from './amounts.ts'
import type { Refund } from './corrections.ts'

export type BillKind = 'invoice' | 'credit' | 'debit'
export type BillReason = 'ended' | 'provisional' | 'corrected' | 'merged' | 'resolved' | 'refunded'

/** One revision. `amount` is signed decimal text: a credit is negative. */
export type Bill = {
  readonly revision: number
  readonly kind: BillKind
  readonly amount: string
  readonly currency: string
  readonly energyWh: number
  readonly reason: BillReason
  /** Hash of everything that the amount was computed from. */
  readonly inputHash: string
  /** What the whole session costs by its price, as it stood then; a decision or a refund may make it another sum. */
  readonly cost?: Cost
  /** The resolution that decided the sum. */
  readonly decidedBy?: string
}

/** Debits up to this much, in units of the currency, are written without review. */
export const DEBIT_WITHOUT_REVIEW = '1'

export type Owing = {
  readonly sessionId: SessionId
  readonly currency: string
  /** Before refunds. */
  readonly owed: string
  readonly energyWh: number
  readonly cost?: Cost
  readonly reason: BillReason
  /** A person decided the sum: nothing waits for another. */
  readonly decidedBy?: EventRef
  /** Of everything else that it was computed from. */
  readonly inputs: readonly string[]
}

export type Settled = {
  readonly bills: readonly Bill[]
  /** A debit that a person has to allow. */
  readonly reviewAmount?: string
  readonly flags: readonly RefundFlag[]
}

export type RefundFlag =
  /** More than is billed was refunded: what is billed was given back, and no more. */
  | 'refund-limited'
  /** A refund in another currency than the bill, or of a sum that cannot be paid: not given. */
  | 'refund-refused'

/** The revisions that are missing; undefined where what was billed is in another currency. */
export function settle(
  owing: Owing,
  billed: readonly Bill[],
  refunds: readonly Refund[],
): Settled | undefined {
  const { currency, owed, decidedBy } = owing
  if (billed.some(bill => bill.currency !== currency)) return undefined
  const isRefund = (bill: Bill): boolean => bill.reason === 'refunded'
  const gross = sumOf(billed.filter(bill => !isRefund(bill)))
  const returned = subtractAmounts('0', sumOf(billed.filter(isRefund)))
  const whole = refundable(refunds, { currency, most: owed })
  // Given back too much by now: that is part of the correction, so that no sum of revisions is ever below zero.
  const isTooMuch = isMore(returned, whole.amount)
  const excess = isTooMuch ? subtractAmounts(returned, whole.amount) : '0'
  const missing = addAmounts(subtractAmounts(owed, gross), excess)
  const waits = billed.length > 0 && !decidedBy && isMore(missing, DEBIT_WITHOUT_REVIEW)
  const given = waits ? refundable(refunds, { currency, most: gross }) : whole
  const bills = [...billed]
  const add = (amount: string, reason: BillReason): void => {
    bills.push(revision(owing, bills, { amount: inDigitsOf(owed, amount), reason }))
  }
  if (bills.length === 0 || !(waits || isZero(missing))) add(missing, owing.reason)
  if (isMore(given.amount, returned)) add(subtractAmounts(returned, given.amount), 'refunded')
  return {
    bills: bills.slice(billed.length),
    ...(waits && { reviewAmount: inDigitsOf(owed, missing) }),
    flags: given.flags,
  }
}

type Step = { readonly amount: string; readonly reason: BillReason }

export function revision(owing: Owing, before: readonly Bill[], { amount, reason }: Step): Bill {
  const { sessionId, currency, energyWh, cost, decidedBy, inputs } = owing
  const number = before.length
  const kind = number === 0 ? 'invoice' : amount.startsWith('-') ? 'credit' : 'debit'
  const parts = [sessionId, String(number), ...inputs, String(energyWh), currency, reason, sumOf(before)]
  return {
    ...{ revision: number, kind, amount, currency, energyWh },
    // What was billed otherwise before was corrected.
    reason: number > 0 && reason === 'ended' ? 'corrected' : reason,
    inputHash: hex(hashOf('chargemesh/bill/v1', ...parts.map(part => lengthPrefixed(utf8Bytes(part))))),
    ...(cost && { cost }),
    ...(decidedBy && { decidedBy: refText(decidedBy) }),
  }
}

/** What refunds give back of so much at the most. */
export function refundable(
  refunds: readonly Refund[],
  { currency, most }: { readonly currency: string; readonly most: string },
): { readonly amount: string; readonly flags: readonly RefundFlag[] } {
  const payable = refunds.filter(
    ({ body }) =>
      body.currency === currency && isDecimal(body.amount) && decimalsIn(body.amount) <= decimalsIn(most),
  )
  const asked = payable.map(({ body }) => body.amount).reduce(addAmounts, '0')
  const isLimited = isMore(asked, most)
  return {
    amount: isLimited ? most : asked,
    flags: [
      ...(payable.length < refunds.length ? ['refund-refused' as const] : []),
      ...(isLimited ? ['refund-limited' as const] : []),
    ],
  }
}

type BillKey = { readonly siteId: string; readonly sessionId: SessionId; readonly revision: number }

/**
 * The key under which a payment provider takes one bill at most once. The site is in it because the session's id is made of
 * the charger's words alone, and chargers of two sites that one provider serves may say the same.
 */
export function idempotencyKeyOf({ siteId, sessionId, revision }: BillKey): string {
  const number = new Uint8Array(4)
  new DataView(number.buffer).setUint32(0, revision)
  return hex(sha256(concatBytes([unhex(siteId), unhex(sessionId), number])))
}

export function refText(ref: EventRef): string {
  return `${ref.logId}/${ref.seq}/${ref.hash}`
}

export function sumOf(bills: readonly Pick<Bill, 'amount'>[]): string {
  return bills.map(bill => bill.amount).reduce(addAmounts, '0')
}
