// Whether the revisions of a session's bill follow one another, and come to what its readings and tariff come to: the cloud's own rule
// (billing/judge.ts), asked what it would write behind them, has to answer nothing.
import { dueOf, type TariffAt } from '../billing/due.ts'
import { type Bill, isZero, judge } from '../billing/judge.ts'
import type { Session } from '../session/fold.ts'
import { addAmounts, subtractAmounts } from '../tariff/price.ts'
import type { SessionId } from '../units.ts'
import type { FindingBook } from './findings.ts'

const AMOUNT = /^-?\d{1,30}(\.\d{1,30})?$/

type Compared = {
  readonly bills: readonly Bill[]
  readonly tariffAt: TariffAt
  readonly findings: FindingBook
}

export function compareBills(session: Session, { bills, tariffAt, findings }: Compared): void {
  const { sessionId, end } = session
  const add: FindingBook['add'] = (kind, text) =>
    findings.add(kind, `session ${sessionId}: ${text}`, sessionId)
  if (!checkRevisions(sessionId, bills, findings)) return
  const last = bills.at(-1)
  const isProvisional = last?.reason === 'provisional' && !end
  const verdict = judge(session, { billed: bills, finalise: isProvisional, tariffAt })
  if (last && isProvisional) compareProvisional(session, last, { bills, tariffAt, findings })
  else if (verdict.bill && bills.length === 0)
    add('bill-missing', `${verdict.bill.amount} ${verdict.bill.currency} for ${verdict.bill.energyWh} Wh`)
  else if (verdict.bill)
    add(
      'bill-mismatch',
      `billed ${totalOf(bills)} ${last?.currency}; readings and tariff come to ${addAmounts(totalOf(bills), verdict.bill.amount)} (${verdict.bill.energyWh} Wh)`,
    )
  else if (last) compareLast(session, { bills, tariffAt, findings })
  if (verdict.state === 'disputed')
    add(
      'disputed',
      [
        ...verdict.flags,
        ...(verdict.reviewAmount === undefined ? [] : [`${verdict.reviewAmount} wait for a person`]),
      ].join(', '),
    )
  if (verdict.state === 'unpriced')
    add('unpriced', 'no tariff was fixed at its start, or it cannot be computed with')
  if (verdict.state === 'open') add('open', 'no stop, and not billed')
  if (bills.length > 1)
    add('corrected', bills.map(bill => `${bill.kind} ${bill.amount} (${bill.reason})`).join(', '))
}

/** Billed by the last reading that had come by then; others may have come since, and are billed with the stop. */
function compareProvisional(session: Session, last: Bill, { bills, tariffAt, findings }: Compared): void {
  const { sessionId, pricing } = session
  const add: FindingBook['add'] = (kind, text) =>
    findings.add(kind, `session ${sessionId}: ${text}`, sessionId)
  const now = judge(session, { billed: [], finalise: true, tariffAt }).bill
  const total = totalOf(bills)
  const isMoney = now?.currency === last.currency
  const hasGrown = isMoney && now.energyWh > last.energyWh
  const due = dueOf(session, tariffAt, { energyWh: last.energyWh })
  // By a plain price what was metered then costs the same today; by terms it hangs on when that was.
  const isRight =
    pricing?.body.byTerms === true ? hasGrown : due.kind === 'due' && isSame(due.cost.total, total)
  if (hasGrown ? isRight : isMoney && now.energyWh === last.energyWh && isSame(now.amount, total))
    add(
      'provisional',
      `${total} ${last.currency} for ${last.energyWh} Wh${hasGrown ? `; ${now.energyWh} Wh by now` : ''}`,
    )
  else
    add(
      'bill-mismatch',
      `billed ${total} ${last.currency} for ${last.energyWh} Wh; its readings come to ${now ? `${now.amount} ${now.currency} for ${now.energyWh} Wh` : 'nothing'}`,
    )
}

function isSame(a: string, b: string): boolean {
  return isZero(subtractAmounts(a, b))
}

/** The newest revision is what follows today from the evidence and the bills before it. */
function compareLast(session: Session, { bills, tariffAt, findings }: Compared): void {
  const { sessionId } = session
  const last = bills.at(-1)
  const again = judge(session, {
    billed: bills.slice(0, -1),
    finalise: last?.reason === 'provisional',
    tariffAt,
  }).bill
  if (!last || !again) return
  if (again.amount !== last.amount || again.kind !== last.kind || again.currency !== last.currency)
    findings.add(
      'bill-mismatch',
      `session ${sessionId}: revision ${last.revision} says ${last.kind} ${last.amount} ${last.currency}, and should say ${again.kind} ${again.amount} ${again.currency}`,
      sessionId,
    )
  else if (again.energyWh !== last.energyWh && session.end)
    findings.add(
      'bill-mismatch',
      `session ${sessionId}: billed for ${last.energyWh} Wh, which are ${again.energyWh} Wh`,
      sessionId,
    )
  else if (again.inputHash !== last.inputHash)
    findings.add('inputs-changed', `session ${sessionId}: revision ${last.revision}`, sessionId)
}

/** Numbered from 0, the first an invoice, credits below zero and debits above, all in one currency. */
export function checkRevisions(sessionId: SessionId, bills: readonly Bill[], findings: FindingBook): boolean {
  const isGood = bills.every((bill, i) => {
    const isBelow = bill.amount.startsWith('-')
    const kinds =
      i === 0 ? bill.kind === 'invoice' && !isBelow : isBelow ? bill.kind === 'credit' : bill.kind === 'debit'
    const isAmount = AMOUNT.test(bill.amount)
    return bill.revision === i && kinds && isAmount && bill.currency === bills[0]?.currency
  })
  if (!isGood)
    findings.add(
      'bill-malformed',
      `session ${sessionId}: ${bills.map(bill => `${bill.revision} ${bill.kind} ${bill.amount} ${bill.currency}`).join(', ')}`,
      sessionId,
    )
  return isGood
}

export function totalOf(bills: readonly Bill[]): string {
  return bills.every(bill => AMOUNT.test(bill.amount))
    ? bills.map(bill => bill.amount).reduce(addAmounts, '0')
    : '?'
}
