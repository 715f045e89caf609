// What a person is shown of a session that needs one: why, what it might be billed, and what each rule would make of it. What
// is decided is bound to exactly this by `about`.
import type { Session } from '../session/fold.ts'
import { hex, type SessionId } from '../units.ts'
import { inDigitsOf, isZero, smallerOf } from './amounts.ts'
import { REASONS, type Reason } from './attention.ts'
import { aboutOf, candidatesOf } from './candidates.ts'
import { claimOf } from './claim.ts'
import { NO_CORRECTIONS, type Rule } from './corrections.ts'
import { leastOf, pricesOf, type TariffAt } from './due.ts'
import { aboutGone, type Gone } from './judge.ts'
import { type Bill, refText, sumOf } from './revisions.ts'

export type ConflictCandidate = {
  readonly kind: 'least' | 'stop' | 'last-reading'
  readonly energyWh: number
  /** The stop or reading, as log/seq/hash. */
  readonly ref: string
  /** At each price that was shown. */
  readonly amounts: readonly string[]
}

export type ConflictPrice = {
  /** The tariff, as log/seq/hash. */
  readonly tariff: string
  readonly currency: string
  /** For the energy that is billed, or why it cannot be computed. */
  readonly amount: string
}

export type Outcome = { readonly rule: Rule; readonly amount: string; readonly keep?: string }

export type Conflict = {
  readonly kind: 'session'
  readonly sessionId: string
  readonly chargerId: string
  readonly connectorId?: number
  readonly startedAt?: number
  readonly state: string
  readonly reasons: readonly { readonly code: Reason; readonly text: string }[]
  /** Hash of all this. */
  readonly about: string
  readonly currency?: string
  /** Before refunds. */
  readonly billed: string
  readonly reviewAmount?: string
  readonly candidates: readonly ConflictCandidate[]
  readonly prices: readonly ConflictPrice[]
  /** What would be owed by each rule that needs nothing more to be said. */
  readonly outcomes: readonly Outcome[]
  /** The rules that fit, those that need an amount or a tariff too. */
  readonly rules: readonly Rule[]
  /** Since when it waits (ms). */
  readonly sinceAt?: number
}

type Shown = {
  readonly state: string
  readonly reasons: readonly Reason[]
  readonly billed: readonly Bill[]
  readonly tariffAt: TariffAt
  readonly reviewAmount?: string
}

export function conflictOf(session: Session, shown: Shown): Conflict {
  const { tariffAt, billed } = shown
  const claim = claimOf(session, { tariffAt, corrections: NO_CORRECTIONS, finalise: true })
  const gross = grossOf(billed)
  const candidates = candidatesOf(session, tariffAt)
  const currency = billed[0]?.currency ?? (claim.kind === 'due' ? claim.cost.currency : undefined)
  const outcomes: Outcome[] = []
  if (claim.kind === 'due') {
    const least = shown.reviewAmount === undefined ? claim.owed : smallerOf(claim.owed, gross)
    outcomes.push({ rule: 'bill-smaller', amount: inDigitsOf(claim.owed, least) })
    if (shown.reviewAmount !== undefined) outcomes.push({ rule: 'accept-debit', amount: claim.owed })
    for (const { kind, ref, costs } of candidates) {
      const cost = kind === 'stop' ? leastOf(costs) : undefined
      if (cost) outcomes.push({ rule: 'bill-end', amount: cost.total, keep: refText(ref) })
    }
  } else if (billed.length > 0) outcomes.push({ rule: 'bill-smaller', amount: gross })
  outcomes.push({ rule: 'waive', amount: '0' })
  const more: readonly Rule[] =
    claim.kind === 'due' ? ['amount', 'tariff'] : claim.kind === 'unpriced' ? ['tariff'] : []
  const energyWh = claim.kind === 'due' || claim.kind === 'unpriced' ? claim.energyWh : undefined
  const prices = energyWh === undefined ? [] : pricesOf(session, tariffAt, { energyWh })
  return {
    ...said(session.sessionId, shown),
    ...{ chargerId: session.chargerId, connectorId: session.connectorId },
    about: hex(aboutOf(session)),
    ...(currency !== undefined && { currency }),
    candidates: candidates.map(({ kind, energyWh: wh, ref, costs }) => ({
      ...{ kind, energyWh: wh, ref: refText(ref) },
      amounts: costs.map(({ total, currency: of }) => `${total} ${of}`),
    })),
    prices: prices.map(({ pricing, due }) => ({
      ...{ tariff: refText(pricing.body.tariff), currency: pricing.body.currency },
      amount: due.kind === 'due' ? due.cost.total : due.why,
    })),
    outcomes,
    rules: [...new Set([...outcomes.map(({ rule }) => rule), ...more])],
  }
}

/** Of a session that is none any more, and was billed. */
export function goneConflict(
  { sessionId, chargerId }: { readonly sessionId: SessionId; readonly chargerId: string },
  gone: Gone,
  shown: Omit<Shown, 'tariffAt'>,
): Conflict {
  const gross = gone === 'merged' ? '0' : grossOf(shown.billed)
  const [first] = shown.billed
  const outcomes: readonly Outcome[] = [
    { rule: 'bill-smaller', amount: gross },
    ...(isZero(gross) ? [] : [{ rule: 'waive' as const, amount: '0' }]),
  ]
  return {
    ...said(sessionId, shown),
    ...{ chargerId, about: hex(aboutGone(sessionId, gone)), candidates: [], prices: [], outcomes },
    ...(first && { currency: first.currency }),
    rules: outcomes.map(({ rule }) => rule),
  }
}

function said(
  sessionId: SessionId,
  { state, reasons, billed, reviewAmount }: Omit<Shown, 'tariffAt'>,
): Pick<Conflict, 'kind' | 'sessionId' | 'state' | 'reasons' | 'billed' | 'reviewAmount'> {
  return {
    ...{ kind: 'session', sessionId, state, billed: grossOf(billed) },
    reasons: reasons.map(code => ({ code, text: REASONS[code] })),
    ...(reviewAmount !== undefined && { reviewAmount }),
  }
}

function grossOf(billed: readonly Bill[]): string {
  const sum = sumOf(billed.filter(({ reason }) => reason !== 'refunded'))
  return inDigitsOf(billed[0]?.amount ?? '0', sum)
}

/** A stop that fits no session: energy that nobody is billed for. */
export type OrphanStop = {
  readonly kind: 'stop'
  readonly stopId: string
  readonly chargerId: string
  readonly sessionId?: string
  readonly transactionId: number
  readonly meterStopWh: number
  /** As the charger said it. */
  readonly stoppedAt: string
  readonly ref: string
  readonly sinceAt?: number
}
