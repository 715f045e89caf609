// A session against what it was billed so far; pure. The sum of a session's revisions is what its final fold owes, as people
// decided, less what they refunded (PROTOCOL 3.7; I20). Nothing is ever priced by default: without a price there is no bill.
// What contradicts itself is billed at the least and shown to people, like a meter that began anew; a debit of more than a
// trifle waits for them.
import { hashOf, lengthPrefixed, utf8Bytes } from '../identity/hash.ts'
import type { Session, SessionFlag } from '../session/fold.ts'
import { subtractAmounts } from '../tariff/price.ts'
import { hex, type SessionId } from '../units.ts'
import { inDigitsOf, isZero, smallerOf } from './amounts.ts'
import { aboutOf } from './candidates.ts'
import { type Claim, type ClaimDue, claimOf } from './claim.ts'
import { type Corrections, decisionIn, refundsIn } from './corrections.ts'
import { priceWords, type TariffAt } from './due.ts'
import { type Bill, type Owing, refText, revision, settle, sumOf } from './revisions.ts'

export type CloudState = 'open' | 'provisional' | 'complete' | 'disputed' | 'unpriced'

export type Verdict = {
  readonly state: CloudState
  /** The fold's flags and ours, sorted. */
  readonly flags: readonly string[]
  readonly energyWh?: number
  /** A debit that a person has to allow. */
  readonly reviewAmount?: string
  /** To be written now, in the same transaction, in their order. */
  readonly bills: readonly Bill[]
}

/** With these, what is billed is the least that was proven, and a person looks at the rest. */
export const DOUBTFUL: readonly SessionFlag[] = ['conflicting-ends', 'meter-reset', 'meter-went-back']

export type Judging = {
  readonly billed: readonly Bill[]
  /** The session has been silent for so long that its last tick stands in for the stop. */
  readonly finalise: boolean
  readonly tariffAt: TariffAt
  readonly corrections: Corrections
}

export function judge(session: Session, judging: Judging): Verdict {
  const { billed, corrections } = judging
  // Billed by its last reading it stays so until its stop comes, and people may decide about that.
  const stands = !session.end && corrections.resolutions.length > 0 && isProvisional(billed)
  const claim = claimOf(session, { ...judging, finalise: judging.finalise || stands })
  const ofReadings = !session.end && (judging.finalise || stands) ? session.soFar?.flags : undefined
  const flags = new Set<string>([...session.flags, ...(ofReadings ?? []), ...claim.flags])
  if (claim.kind === 'due') return withBill(session, claim, { judging, flags })
  if (billed.length === 0) return withoutBill(claim, flags)
  if (claim.kind === 'open' && isProvisional(billed)) return lastTold(session, { judging, flags })
  // A bill was written on evidence that no longer says so: nothing is taken back unseen.
  const going = { gone: 'evidence-withdrawn', billed, corrections } as const
  const left = gone(session.sessionId, going, aboutOf(session))
  const energy = claim.kind === 'unpriced' ? { energyWh: claim.energyWh } : {}
  return { ...left, ...energy, flags: [...new Set([...flags, ...left.flags])].sort() }
}

type Known = { readonly judging: Judging; readonly flags: Set<string> }

function withBill(session: Session, claim: ClaimDue, { judging, flags }: Known): Verdict {
  const { billed, corrections } = judging
  const settled = settle(owingOf(session, claim), billed, refundsIn(corrections))
  if (settled?.reviewAmount !== undefined) flags.add('debit-review')
  if (!settled) flags.add('other-currency')
  if (!isSeen(claim, corrections)) for (const flag of settled?.flags ?? []) flags.add(flag)
  const conflict = DOUBTFUL.some(flag => flags.has(flag)) && !flags.has('resolved')
  const waits = settled === undefined || settled.reviewAmount !== undefined
  const doubtful = conflict || waits || flags.has('resolved-on-other-evidence')
  const isOpen = claim.provisional && !flags.has('resolved')
  return {
    state: doubtful ? 'disputed' : isOpen ? 'provisional' : 'complete',
    flags: [...flags].sort(),
    energyWh: claim.energyWh,
    ...(settled?.reviewAmount !== undefined && { reviewAmount: settled.reviewAmount }),
    bills: settled?.bills ?? [],
  }
}

/** Whoever decided since has seen what became of the refunds. */
function isSeen({ decision, flags }: ClaimDue, { refunds }: Corrections): boolean {
  return (
    flags.includes('resolved') && refunds.every(({ hlc }) => decision !== undefined && hlc < decision.hlc)
  )
}

function owingOf(
  session: Session,
  { cost, owed, energyWh, reading, provisional, decision }: ClaimDue,
): Owing {
  const prices = session.pricings.map(({ body }) => priceWords(body))
  return {
    ...{ sessionId: session.sessionId, currency: cost.currency, owed, energyWh, cost },
    reason: provisional ? 'provisional' : decision ? 'resolved' : 'ended',
    ...(decision && { decidedBy: decision.ref }),
    inputs: [
      refText(session.start.ref),
      refText(reading),
      session.pricing ? refText(session.pricing.ref) : '',
      [...new Set(prices)].sort().join('|'),
      owed,
      decision ? refText(decision.ref) : '',
    ],
  }
}

function withoutBill(claim: Exclude<Claim, { kind: 'due' }>, flags: ReadonlySet<string>): Verdict {
  const said = { flags: [...flags].sort(), bills: [] }
  switch (claim.kind) {
    case 'open':
      return { state: 'open', ...said }
    case 'unreadable':
      return { state: 'disputed', ...said }
    case 'refused':
      return { state: 'complete', ...said, energyWh: 0 }
    case 'waived':
      return {
        state: flags.has('resolved') ? 'complete' : 'disputed',
        ...said,
        ...(claim.energyWh !== undefined && { energyWh: claim.energyWh }),
      }
    case 'unpriced':
      return { state: 'unpriced', ...said, energyWh: claim.energyWh }
  }
}

/** The last reading was billed, and nothing has come since that would change that; refunds are given all the same. */
function lastTold(session: Session, { judging, flags }: Known): Verdict {
  const { billed, corrections } = judging
  const owed = sumOf(billed.filter(bill => bill.reason !== 'refunded'))
  const owing = standing(session.sessionId, billed, owed)
  const settled = owing && settle({ ...owing, reason: 'provisional' }, billed, refundsIn(corrections))
  for (const flag of settled?.flags ?? []) flags.add(flag)
  const energyWh = billed.at(-1)?.energyWh ?? 0
  return { state: 'provisional', flags: [...flags].sort(), energyWh, bills: settled?.bills ?? [] }
}

function isProvisional(billed: readonly Bill[]): boolean {
  return billed.findLast(bill => bill.reason !== 'refunded')?.reason === 'provisional'
}

/** Why a session that was billed is none any more: another one is it, or what told of it does not count. */
export type Gone = 'merged' | 'evidence-withdrawn'

export type Going = {
  readonly gone: Gone
  readonly billed: readonly Bill[]
  readonly corrections: Corrections
}

/**
 * What becomes of the bills. A session that the fold knows under another id by now gives back what it was billed (PROTOCOL
 * 3.2). Where the evidence is gone what was billed stands until a person says otherwise, and never more than that.
 */
export function judgeGone(sessionId: SessionId, going: Going): Verdict {
  return gone(sessionId, going, aboutGone(sessionId, going.gone))
}

function gone(sessionId: SessionId, { gone, billed, corrections }: Going, about: Uint8Array): Verdict {
  const { decision } = decisionIn(corrections)
  const flags = new Set<string>([gone])
  if (decision?.body.about && hex(decision.body.about) === hex(about)) flags.add('resolved')
  if (gone === 'merged') return merged(sessionId, billed, flags)
  const gross = sumOf(billed.filter(bill => bill.reason !== 'refunded'))
  const said = decision?.rule === 'waive' ? '0' : decision?.body.amount
  const owing = standing(sessionId, billed, said === undefined ? gross : smallerOf(said, gross))
  const decided = decision && { reason: 'resolved' as const, decidedBy: decision.ref }
  const settled = owing && settle({ ...owing, ...decided }, billed, refundsIn(corrections))
  for (const flag of settled?.flags ?? []) flags.add(flag)
  return {
    state: flags.has('resolved') ? 'complete' : 'disputed',
    flags: [...flags].sort(),
    bills: settled?.bills ?? [],
  }
}

/** Whatever refunds gave back before is not given back again. */
function merged(sessionId: SessionId, billed: readonly Bill[], flags: ReadonlySet<string>): Verdict {
  const total = sumOf(billed)
  const owing = standing(sessionId, billed, '0')
  const amount = owing && inDigitsOf(owing.owed, subtractAmounts('0', total))
  const bill = owing && amount && !isZero(total) && revision(owing, billed, { amount, reason: 'merged' })
  return { state: 'complete', flags: [...flags].sort(), energyWh: 0, bills: bill ? [bill] : [] }
}

/** What a decision about a session that is gone is bound to. */
export function aboutGone(sessionId: SessionId, gone: Gone): Uint8Array {
  return hashOf('chargemesh/evidence/v1', ...[sessionId, gone].map(part => lengthPrefixed(utf8Bytes(part))))
}

function standing(sessionId: SessionId, billed: readonly Bill[], owed: string): Owing | undefined {
  const [first] = billed
  if (!first) return undefined
  return {
    ...{ sessionId, currency: first.currency, owed: inDigitsOf(first.amount, owed) },
    ...{ energyWh: 0, reason: 'corrected', inputs: [] },
  }
}
