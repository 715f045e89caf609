// What a session owes, decided from its fold and from the bills already written; pure. Revision 0 is the invoice,
// later revisions carry only the difference, so the sum of a session's bills is always the price of its final fold
// (PROTOCOL 3.7; I20). Nothing is ever priced by default: without a price there is no bill. What contradicts itself
// is billed at the smaller energy and shown to people, like a meter that began anew; a debit of more than a trifle waits
// for them.
import { hashOf, lengthPrefixed, sha256, utf8Bytes } from '../identity/hash.ts'
import type { EventRef } from '../log/body.ts'
import type { Session, SessionFlag } from '../session/fold.ts'
import type { Cost } from '../tariff/cost.ts'
import { addAmounts, subtractAmounts } from '../tariff/price.ts'
import { concatBytes, hex, type SessionId, unhex } from '../units.ts'
import { dueOf, type TariffAt } from './due.ts'

export type BillKind = 'invoice' | 'credit' | 'debit'
export type BillReason = 'ended' | 'provisional' | 'corrected' | 'merged'

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
}

export type CloudState = 'open' | 'provisional' | 'complete' | 'disputed' | 'unpriced'

export type Verdict = {
  readonly state: CloudState
  /** The fold's flags and ours, sorted. */
  readonly flags: readonly string[]
  readonly energyWh?: number
  /** A debit that a person has to allow. */
  readonly reviewAmount?: string
  /** To be written now, in the same transaction. */
  readonly bill?: Bill
}

/** Debits up to this much, in units of the currency, are written without review. */
export const DEBIT_WITHOUT_REVIEW = '1'

/** With these, what is billed is the least that was proven, and a person looks at the rest. */
const DOUBTFUL: readonly SessionFlag[] = ['conflicting-ends', 'meter-reset', 'meter-went-back']

/** What the session owes by now, or why that cannot be said. */
type Claim =
  | { readonly kind: 'open' }
  /** The meter went back, or its registers cannot be. */
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unpriced'; readonly energyWh: number }
  | {
      readonly kind: 'due'
      readonly energyWh: number
      readonly cost: Cost
      readonly reading: EventRef
      readonly provisional: boolean
    }

export type Judging = {
  readonly billed: readonly Bill[]
  /** The session has been silent for so long that its last tick stands in for the stop. */
  readonly finalise: boolean
  readonly tariffAt: TariffAt
}

export function judge(session: Session, judging: Judging): Verdict {
  const { billed, finalise } = judging
  const claim = claimOf(session, judging)
  const ofReadings = !session.end && finalise ? session.soFar?.flags : undefined
  const flags = new Set<string>([...session.flags, ...(ofReadings ?? [])])
  if (claim.kind !== 'due') return withoutBill(claim, { billed, flags })
  const conflict = DOUBTFUL.some(flag => flags.has(flag))
  const settled = settle(session, claim, billed)
  if (settled.reviewAmount !== undefined) flags.add('debit-review')
  if (settled.otherCurrency) flags.add('other-currency')
  const doubtful = conflict || settled.reviewAmount !== undefined || settled.otherCurrency
  return {
    state: doubtful ? 'disputed' : claim.provisional ? 'provisional' : 'complete',
    flags: [...flags].sort(),
    energyWh: claim.energyWh,
    ...(settled.reviewAmount !== undefined && { reviewAmount: settled.reviewAmount }),
    ...(settled.bill && { bill: settled.bill }),
  }
}

function claimOf(session: Session, { finalise, tariffAt }: Judging): Claim {
  const provisional = session.end === undefined
  if (provisional && !finalise) return { kind: 'open' }
  const energyWh = provisional ? session.soFar?.energyWh : session.energyWh
  const reading = provisional ? session.lastTick?.ref : session.end?.ref
  if (provisional && !session.soFar) return { kind: 'open' }
  // Registers near the end of all numbers differ by more than a number holds.
  const usable = energyWh !== undefined && energyWh >= 0 && Number.isSafeInteger(energyWh)
  if (!usable || reading === undefined) return { kind: 'unreadable' }
  if (energyWh === 0 && session.allowed !== 'ALLOWED') return { kind: 'refused' }
  const due = dueOf(session, tariffAt, { energyWh })
  if (due.kind === 'unpriced') return { kind: 'unpriced', energyWh }
  return { kind: 'due', energyWh, cost: due.cost, reading, provisional }
}

type Known = { readonly billed: readonly Bill[]; readonly flags: Set<string> }

function withoutBill(claim: Exclude<Claim, { kind: 'due' }>, { billed, flags }: Known): Verdict {
  const energy = claim.kind === 'unpriced' ? { energyWh: claim.energyWh } : {}
  const last = billed.at(-1)
  if (last?.reason === 'provisional' && claim.kind === 'open') {
    return { state: 'provisional', flags: [...flags].sort(), energyWh: last.energyWh }
  }
  if (last) {
    // A bill was written on evidence that no longer says so: nothing is taken back unseen.
    return { state: 'disputed', flags: [...flags.add('evidence-withdrawn')].sort(), ...energy }
  }
  const sorted = [...flags].sort()
  switch (claim.kind) {
    case 'open':
      return { state: 'open', flags: sorted }
    case 'unreadable':
      return { state: 'disputed', flags: sorted }
    case 'refused':
      return { state: 'complete', flags: sorted, energyWh: 0 }
    case 'unpriced':
      return { state: 'unpriced', flags: sorted, ...energy }
  }
}

type Settled = { readonly bill?: Bill; readonly reviewAmount?: string; readonly otherCurrency: boolean }

function settle(session: Session, claim: Extract<Claim, { kind: 'due' }>, billed: readonly Bill[]): Settled {
  const { currency, total: amount } = claim.cost
  if (billed.some(bill => bill.currency !== currency)) return { otherCurrency: true }
  const total = billed.map(bill => bill.amount).reduce(addAmounts, '0')
  const difference = inDigitsOf(amount, subtractAmounts(amount, total))
  if (billed.length > 0 && isZero(difference)) return { otherCurrency: false }
  const kind = billed.length === 0 ? 'invoice' : difference.startsWith('-') ? 'credit' : 'debit'
  if (kind === 'debit' && isMore(difference, DEBIT_WITHOUT_REVIEW)) {
    return { reviewAmount: difference, otherCurrency: false }
  }
  const inputHash = inputHashOf([
    session.sessionId,
    String(billed.length),
    refText(session.start.ref),
    refText(claim.reading),
    session.pricing ? refText(session.pricing.ref) : '',
    String(claim.energyWh),
    currency,
    session.pricing?.body.pricePerKwh ?? '',
    total,
  ])
  const reason: BillReason = claim.provisional ? 'provisional' : billed.length === 0 ? 'ended' : 'corrected'
  const bill = { revision: billed.length, kind, amount: difference, currency, reason, inputHash } as const
  return { bill: { ...bill, energyWh: claim.energyWh }, otherCurrency: false }
}

/** A session that the fold knows under another id by now: what it was billed is given back (PROTOCOL 3.2). */
export function judgeMerged(sessionId: SessionId, billed: readonly Bill[]): Verdict {
  const settled: Verdict = { state: 'complete', flags: ['merged'], energyWh: 0 }
  const [first] = billed
  const total = billed.map(bill => bill.amount).reduce(addAmounts, '0')
  if (!first || isZero(total)) return settled
  const bill: Bill = {
    revision: billed.length,
    kind: 'credit',
    amount: inDigitsOf(first.amount, subtractAmounts('0', total)),
    currency: first.currency,
    energyWh: 0,
    reason: 'merged',
    inputHash: inputHashOf([sessionId, String(billed.length), 'merged', total]),
  }
  return { ...settled, bill }
}

/** The key under which a payment provider takes one bill at most once. */
export function idempotencyKeyOf(sessionId: SessionId, revision: number): string {
  const number = new Uint8Array(4)
  new DataView(number.buffer).setUint32(0, revision)
  return hex(sha256(concatBytes([unhex(sessionId), number])))
}

export function refText(ref: EventRef): string {
  return `${ref.logId}/${ref.seq}/${ref.hash}`
}

function inputHashOf(parts: readonly string[]): string {
  return hex(hashOf('chargemesh/bill/v1', ...parts.map(part => lengthPrefixed(utf8Bytes(part)))))
}

export function isZero(amount: string): boolean {
  return /^-?0*(\.0*)?$/.test(amount)
}

function isMore(a: string, b: string): boolean {
  return subtractAmounts(b, a).startsWith('-')
}

/** A difference with as many digits behind the point as the amount it came from: 0.50, not 0.5. */
function inDigitsOf(model: string, amount: string): string {
  const digits = model.split('.')[1]?.length ?? 0
  const [whole = '0', fraction = ''] = amount.split('.')
  return fraction.length >= digits ? amount : `${whole}.${fraction.padEnd(digits, '0')}`
}
