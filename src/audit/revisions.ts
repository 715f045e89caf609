// Whether the revisions of a session's bill follow one another, and come to what its readings and tariff come to, as people decided,
// less what they refunded: the cloud's own rule (billing/judge.ts), asked what it would write behind them, has to answer nothing; asked
// what it would write behind those before the newest, it has to answer the newest.
import { inDigitsOf, isMore, isZero } from '../billing/amounts.ts'
import { candidatesOf, mostOf } from '../billing/candidates.ts'
import { claimOf } from '../billing/claim.ts'
import { type Corrections, refundsIn } from '../billing/corrections.ts'
import { dueOf, priceWords, type TariffAt } from '../billing/due.ts'
import { judge, judgeGone, type Verdict } from '../billing/judge.ts'
import { type Bill, refundable, sumOf } from '../billing/revisions.ts'
import type { Session } from '../session/fold.ts'
import { addAmounts, subtractAmounts } from '../tariff/price.ts'
import type { SessionId } from '../units.ts'
import type { FindingBook } from './findings.ts'

const AMOUNT = /^-?\d{1,30}(\.\d{1,30})?$/

export type Due = { readonly amount: string; readonly currency: string } | undefined

export type Comparing = {
  readonly bills: readonly Bill[]
  /** Events of its charger, or prices, are here that do not count: a bill may rest on them. */
  readonly isDiscounted: boolean
  readonly tariffAt: TariffAt
  readonly corrections: Corrections
  readonly findings: FindingBook
}

/** Answers what the session owes by now, less what was refunded. */
export function compareBills(session: Session, comparing: Comparing): Due {
  const { bills, tariffAt, corrections, findings } = comparing
  const { sessionId } = session
  const add = adding(sessionId, findings)
  if (!checkRevisions(sessionId, bills, findings)) return undefined
  const isProvisional = !session.end && ungiven(bills).at(-1)?.reason === 'provisional'
  const currencies = new Set(session.pricings.map(({ body }) => body.currency))
  const last = bills.at(-1)
  const before = bills.slice(0, -1)
  const again = judge(session, { billed: before, finalise: isProvisional, tariffAt, corrections })
  const isLast = last !== undefined && again.bills.length === 1 && isSameBill(again.bills[0], last)
  // What was written anew so, and only it, leaves nothing to be written.
  const verdict = isLast ? again : judge(session, { ...comparing, billed: bills, finalise: false })
  if (bills.length === 0 && verdict.bills[0])
    add(
      'bill-missing',
      `${sumOf(verdict.bills)} ${verdict.bills[0].currency} for ${verdict.bills[0].energyWh} Wh`,
    )
  else if (last && !isLast) {
    if (isProvisional) compareProvisional(session, last, comparing)
    else if (verdict.bills.length > 0 || verdict.reviewAmount === undefined)
      tellMismatch(verdict, { again, last, comparing, currencies, add })
    compareUnspoken(session, verdict, comparing)
  }
  if (isLast) compareInputs(last, again.bills[0], add)
  if (last && !isLast && verdict.bills.length === 0) compareOnlyStop(session, last, comparing)
  // Of one that is wrong it was said already.
  comparePlain(session, isLast ? bills.length : before.length, comparing)
  remark(verdict, { bills, add })
  const claim =
    isLast && before.length === 0
      ? undefined
      : claimOf(session, { tariffAt, corrections, finalise: isProvisional })
  if (claim?.kind === 'due') {
    const { owed, cost } = claim
    const given = refundable(refundsIn(corrections), { currency: cost.currency, most: owed }).amount
    return { amount: inDigitsOf(owed, subtractAmounts(owed, given)), currency: cost.currency }
  }
  return isLast && !claim
    ? { amount: again.bills[0]?.amount ?? last.amount, currency: last.currency }
    : undefined
}

function adding(sessionId: SessionId, findings: FindingBook): FindingBook['add'] {
  return (kind, text) => findings.add(kind, `session ${sessionId}: ${text}`, sessionId)
}

function ungiven(bills: readonly Bill[]): readonly Bill[] {
  return bills.filter(bill => bill.reason !== 'refunded')
}

function isSameBill(one: Bill | undefined, other: Bill): boolean {
  return (
    one !== undefined &&
    isSame(one.amount, other.amount) &&
    one.kind === other.kind &&
    one.currency === other.currency
  )
}

/** Other evidence, or a decision, may come to the same sum: then nothing was written. */
function compareInputs(last: Bill, again: Bill | undefined, add: FindingBook['add']): void {
  if (last.inputHash !== again?.inputHash) add('inputs-changed', `revision ${last.revision}`)
  else if (last.energyWh !== again.energyWh || last.reason !== again.reason)
    add(
      'bill-mismatch',
      `revision ${last.revision} says ${last.energyWh} Wh (${last.reason}), and should say ${again.energyWh} Wh (${again.reason})`,
    )
}

type Telling = {
  readonly again: Verdict
  readonly last: Bill
  readonly comparing: Comparing
  /** In which it was shown a price. */
  readonly currencies: ReadonlySet<string>
  readonly add: FindingBook['add']
}

function tellMismatch(verdict: Verdict, { again, last, comparing, currencies, add }: Telling): void {
  const said = `${last.kind} ${last.amount} ${last.currency} for ${last.energyWh} Wh (${last.reason})`
  const [instead] = again.bills
  const should = instead
    ? `${instead.kind} ${instead.amount} ${instead.currency} for ${instead.energyWh} Wh (${instead.reason})`
    : 'nothing'
  // Shown in another currency too, or no longer told of: a person has to say what becomes of it.
  const isOther = verdict.flags.includes('other-currency') && currencies.has(last.currency)
  const isGone = verdict.flags.includes('evidence-withdrawn') || isOther
  if (verdict.bills.length === 0 && isGone) return
  const left = verdict.bills.map(bill => `${bill.kind} ${bill.amount} ${bill.currency}`).join(', ')
  const missing = left === '' ? '' : `; ${left} are missing behind it`
  add(
    'bill-mismatch',
    `revision ${last.revision} of ${comparing.bills.length} says ${said}, and should say ${should}${missing}`,
  )
}

/** A debit may wait for a person where more came to be known; one stop, told by one node, was never known otherwise. */
function compareOnlyStop(session: Session, last: Bill, comparing: Comparing): void {
  const { bills, corrections, isDiscounted, findings } = comparing
  const { ends, end, recordedBy, pricings, flags, lastTick, energyWh } = session
  const isOnly = ends.length === 1 && recordedBy.length === 1 && pricings.length === 1 && flags.length === 0
  const isLate = lastTick && end && (lastTick.ref.logId !== end.ref.logId || lastTick.ref.seq > end.ref.seq)
  const isDecided = corrections.resolutions.length > 0 || corrections.refunds.length > 0
  if (!isOnly || isLate || isDecided || isDiscounted || bills.length > 1) return
  if (last.reason !== 'ended' || last.energyWh === energyWh) return
  adding(session.sessionId, findings)(
    'bill-mismatch',
    `billed for ${last.energyWh} Wh; its only stop tells of ${energyWh} Wh`,
  )
}

/** Where nothing can be owed by now, what was billed before has to be what some of the evidence came to. */
function compareUnspoken(session: Session, { flags, bills: next }: Verdict, comparing: Comparing): void {
  const { bills, tariffAt, corrections, isDiscounted, findings } = comparing
  const isGone = flags.includes('evidence-withdrawn') && next.length === 0
  if (!isGone || isDiscounted || corrections.resolutions.length > 0) return
  if (session.lastTick && bills.some(bill => bill.reason === 'provisional')) return
  const { currency = '' } = bills[0] ?? {}
  const gross = sumOf(ungiven(bills))
  const most = mostOf(candidatesOf(session, tariffAt), currency)
  if (!isMore(gross, most)) return
  adding(session.sessionId, findings)(
    'bill-mismatch',
    `billed ${gross} ${currency}; what is told of it comes to ${isZero(most) ? 'nothing' : `${most} ${currency} at the most`}`,
  )
}

/** Billed by the last reading that had come by then; others may have come since, and are billed with the stop. */
function compareProvisional(
  session: Session,
  last: Bill,
  { bills, tariffAt, corrections, findings }: Comparing,
): void {
  const add = adding(session.sessionId, findings)
  const [now] = judge(session, { billed: [], finalise: true, tariffAt, corrections }).bills
  const total = sumOf(ungiven(bills))
  const hasGrown = now !== undefined && now.currency === last.currency && now.energyWh > last.energyWh
  if (hasGrown)
    add('provisional', `${total} ${last.currency} for ${last.energyWh} Wh; ${now.energyWh} Wh by now`)
  else if (!now || now.currency !== last.currency || !isSame(now.amount, total))
    add(
      'bill-mismatch',
      `billed ${total} ${last.currency} for ${last.energyWh} Wh; its readings come to ${now ? `${now.amount} ${now.currency} for ${now.energyWh} Wh` : 'nothing'}`,
    )
}

/** With one price of energy alone, and nobody who decided otherwise, each revision comes to the price of the energy that it names. */
function comparePlain(session: Session, count: number, comparing: Comparing): void {
  const { bills, tariffAt, corrections, findings } = comparing
  const prices = new Set(session.pricings.map(({ body }) => priceWords(body)))
  const isPlain = prices.size === 1 && session.pricing?.body.byTerms !== true
  if (!isPlain || corrections.resolutions.length > 0 || corrections.refunds.length > 0) return
  let total = '0'
  for (const [i, bill] of bills.slice(0, count).entries()) {
    total = addAmounts(total, bill.amount)
    const due = dueOf(session, tariffAt, { energyWh: bill.energyWh })
    if (
      !bill ||
      due?.kind !== 'due' ||
      (isSame(due.cost.total, total) && due.cost.currency === bill.currency)
    )
      continue
    adding(session.sessionId, findings)(
      'bill-mismatch',
      `up to revision ${i} it was billed ${total} ${bill.currency} for ${bill.energyWh} Wh, which cost ${due.cost.total} ${due.cost.currency}`,
    )
  }
}

function remark(
  verdict: Verdict,
  { bills, add }: { readonly bills: readonly Bill[]; readonly add: FindingBook['add'] },
): void {
  const { state, flags, reviewAmount } = verdict
  if (state === 'disputed')
    add(
      'disputed',
      [...flags, ...(reviewAmount === undefined ? [] : [`${reviewAmount} wait for a person`])].join(', '),
    )
  if (state === 'unpriced') add('unpriced', flags.join(', '))
  if (state === 'open') add('open', 'no stop, and not billed')
  if (state === 'provisional')
    add('provisional', `${sumOf(bills)} ${bills[0]?.currency ?? ''} by its last reading`)
  if (bills.length > 1)
    add('corrected', bills.map(bill => `${bill.kind} ${bill.amount} (${bill.reason})`).join(', '))
}

/** Bills under a name that no session has: another one is it by now, or what told of it does not count. */
export function compareGone(
  sessionId: SessionId,
  gone: 'merged' | 'evidence-withdrawn',
  { bills, isDiscounted, corrections, findings }: Omit<Comparing, 'tariffAt'>,
): void {
  const add = adding(sessionId, findings)
  if (!checkRevisions(sessionId, bills, findings)) return
  const due = judgeGone(sessionId, { gone, billed: bills, corrections })
  const told = `${bills.length} revisions, ${sumOf(bills)} ${bills[0]?.currency}`
  if (due.bills.length > 0)
    add(
      'bill-mismatch',
      `${told}; ${due.bills.map(bill => `${bill.kind} ${bill.amount}`).join(', ')} are missing (${gone})`,
    )
  else if (gone !== 'merged' && !isDiscounted && !isZero(sumOf(bills))) add('bill-without-session', told)
  else if (gone === 'merged') add('merged', told)
  else add('withdrawn', told)
}

/** Numbered from 0, the first an invoice, credits below zero and debits above, all in one currency. */
export function checkRevisions(sessionId: SessionId, bills: readonly Bill[], findings: FindingBook): boolean {
  const isGood = bills.every((bill, i) => {
    const isBelow = bill.amount.startsWith('-')
    const kind = i === 0 ? 'invoice' : isBelow ? 'credit' : 'debit'
    const fits = bill.kind === kind && !(i === 0 && isBelow)
    return bill.revision === i && fits && AMOUNT.test(bill.amount) && bill.currency === bills[0]?.currency
  })
  if (!isGood)
    adding(sessionId, findings)(
      'bill-malformed',
      bills.map(bill => `${bill.revision} ${bill.kind} ${bill.amount} ${bill.currency}`).join(', '),
    )
  return isGood
}

function isSame(a: string, b: string): boolean {
  return isZero(subtractAmounts(a, b))
}

export function totalOf(bills: readonly Bill[]): string {
  return bills.every(bill => AMOUNT.test(bill.amount)) ? sumOf(bills) : '?'
}
