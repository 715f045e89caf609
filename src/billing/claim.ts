// What a session owes by now, from its fold and from what people decided about it; the same on every node and in the cloud,
// whatever was billed so far. What contradicts itself is owed at the least that is proven.
//
// One rule for decisions: the newest resolution counts, and the sum that it names is owed, at most what any evidence speaks
// for. Evidence that came later than what that person saw changes nothing by itself: it brings the session back to the inbox
// (`resolved-on-other-evidence`), and only another resolution changes the sum.
import type { EventRef } from '../log/body.ts'
import type { Session } from '../session/fold.ts'
import type { Cost } from '../tariff/cost.ts'
import { decimalsIn } from '../tariff/price.ts'
import { hex } from '../units.ts'
import { inDigitsOf, isMore } from './amounts.ts'
import { aboutOf, candidatesOf, isEnergy, mostOf, stopVariants } from './candidates.ts'
import { type Corrections, type Decision, decisionIn } from './corrections.ts'
import { cheapest, type Due, dueByTariff, pricesOf, type TariffAt, type Unpriced } from './due.ts'
import { usageOf } from './usage.ts'

/** What billing adds to the fold's own flags. */
export type MoneyFlag =
  /** Different prices were shown; the cheapest counts. */
  | 'price-disagreement'
  /** The terms that were shown are not here (yet), or their event counts no longer; they cannot be computed with. */
  | 'tariff-unknown'
  | 'tariff-unreadable'
  /** Nobody charges for so long: a clock was wrong, and hours of it are no price. */
  | 'too-long'
  /** A person decided, by the evidence as it is; by other evidence than there is now. */
  | 'resolved'
  | 'resolved-on-other-evidence'
  /** The sum that was decided is more than anything speaks for. */
  | 'resolution-limited'
  /** A resolution that cannot be understood or applied, and does not count. */
  | 'resolution-unusable'

export type Claim = { readonly flags: readonly MoneyFlag[]; readonly decision?: Decision } & (
  | { readonly kind: 'open' }
  /** The meter went back, or its registers cannot be. */
  | { readonly kind: 'unreadable' }
  | { readonly kind: 'refused' }
  /** Nothing is owed, whatever was used: a person decided so where nothing can be computed. */
  | { readonly kind: 'waived'; readonly energyWh?: number }
  | { readonly kind: 'unpriced'; readonly energyWh: number; readonly why: Unpriced }
  | {
      readonly kind: 'due'
      readonly energyWh: number
      /** By the price; a decision may say another sum. */
      readonly cost: Cost
      /** What is owed before refunds, in the currency of `cost`. */
      readonly owed: string
      readonly reading: EventRef
      readonly provisional: boolean
    }
)
export type ClaimDue = Extract<Claim, { kind: 'due' }>

export type Knowing = {
  readonly tariffAt: TariffAt
  readonly corrections: Corrections
  /** The session has been silent for so long that its last tick stands in for the stop. */
  readonly finalise: boolean
}

export function claimOf(session: Session, knowing: Knowing): Claim {
  const claim = byEvidence(session, knowing)
  if (knowing.corrections.resolutions.length === 0 || claim.kind === 'open' || claim.kind === 'refused')
    return claim
  const { decision, unusable } = decisionIn(knowing.corrections)
  const flags: readonly MoneyFlag[] = [...claim.flags, ...(unusable ? ['resolution-unusable' as const] : [])]
  if (!decision) return { ...claim, flags }
  const isFresh = hex(decision.body.about ?? new Uint8Array()) === hex(aboutOf(session))
  return decided(session, { ...claim, flags }, { ...knowing, decision, isFresh })
}

type Read = Pick<ClaimDue, 'energyWh' | 'reading' | 'provisional'>

function byEvidence(session: Session, { finalise, tariffAt }: Knowing): Claim {
  const provisional = session.end === undefined
  if (provisional && !finalise) return { kind: 'open', flags: [] }
  const energyWh = provisional ? session.soFar?.energyWh : session.energyWh
  const reading = provisional ? session.lastTick?.ref : session.end?.ref
  if (provisional && !session.soFar) return { kind: 'open', flags: [] }
  if (!isEnergy(energyWh) || reading === undefined) return { kind: 'unreadable', flags: [] }
  if (energyWh === 0 && session.allowed !== 'ALLOWED') return { kind: 'refused', flags: [] }
  return priced(session, tariffAt, { energyWh, reading, provisional })
}

function priced(session: Session, tariffAt: TariffAt, read: Read): Claim {
  const prices = pricesOf(session, tariffAt, read)
  const differs = new Set(prices.map(({ due }) => sumOf(due))).size > 1
  const flags: readonly MoneyFlag[] = differs ? ['price-disagreement'] : []
  return fromDue(cheapest(prices), read, flags)
}

function fromDue(due: Due, { energyWh, reading, provisional }: Read, flags: readonly MoneyFlag[]): Claim {
  if (due.kind === 'due') {
    const { cost } = due
    return { kind: 'due', energyWh, cost, owed: cost.total, reading, provisional, flags }
  }
  // Without a price at all the fold says so itself.
  const { why } = due
  return { kind: 'unpriced', energyWh, why, flags: why === 'no-tariff' ? flags : [...flags, why] }
}

function sumOf(due: Due): string {
  return due.kind === 'due' ? `${due.cost.total} ${due.cost.currency}` : due.why
}

type Deciding = Knowing & { readonly decision: Decision; readonly isFresh: boolean }

function decided(session: Session, claim: Claim, deciding: Deciding): Claim {
  const { decision, isFresh } = deciding
  const marked = (one: Claim, ...more: readonly MoneyFlag[]): Claim => {
    const mark = isFresh ? 'resolved' : 'resolved-on-other-evidence'
    return { ...one, decision, flags: [...one.flags, mark, ...more] }
  }
  const unusable = (): Claim => ({ ...claim, flags: [...claim.flags, 'resolution-unusable'] })
  const basis = basisOf(session, claim, deciding)
  if (basis.kind !== 'due') {
    if (decision.rule !== 'waive') return unusable()
    const energy = basis.kind === 'unpriced' ? { energyWh: basis.energyWh } : {}
    return marked({ kind: 'waived', flags: basis.flags, ...energy })
  }
  const said = decision.rule === 'waive' ? '0' : decision.body.amount
  // A rule without its sum is computed from what there is, but only from what that person saw.
  if (said === undefined && !isFresh) return unusable()
  const sum = said ?? basis.cost.total
  if (decimalsIn(sum) > decimalsIn(basis.cost.total)) return unusable()
  const kept = decision.rule === 'tariff' ? decision.body.keep : undefined
  const most = mostOf(candidatesOf(session, deciding.tariffAt, kept), basis.cost.currency)
  const isLimited = isMore(sum, most)
  const owed = inDigitsOf(basis.cost.total, isLimited ? most : sum)
  return isLimited ? marked({ ...basis, owed }, 'resolution-limited') : marked({ ...basis, owed })
}

/** The energy and the price that the decision speaks of. */
function basisOf(session: Session, claim: Claim, { decision, tariffAt }: Deciding): Claim {
  const { keep } = decision.body
  if (decision.rule === 'bill-end') {
    const kept = stopVariants(session).find(
      one => keep && one.ends.some(end => isSame(end.ref, keep) && isSameStop(end, one.end)),
    )
    if (!kept) return claim
    const read = { energyWh: kept.energyWh, reading: kept.end.ref, provisional: false }
    const from = priced(kept, tariffAt, read)
    return { ...from, flags: [...new Set([...claim.flags, ...from.flags])] }
  }
  if (decision.rule !== 'tariff' || (claim.kind !== 'due' && claim.kind !== 'unpriced')) return claim
  const tariff = keep && tariffAt(keep)
  if (!tariff) return claim
  const reading = session.end?.ref ?? session.lastTick?.ref ?? session.start.ref
  const due = dueByTariff(tariff, usageOf(session, claim.energyWh))
  return fromDue(due, { energyWh: claim.energyWh, reading, provisional: !session.end }, claim.flags)
}

function isSame(a: EventRef, b: EventRef): boolean {
  return a.logId === b.logId && a.seq === b.seq && a.hash === b.hash
}

function isSameStop(a: Session['ends'][number], b: Session['ends'][number]): boolean {
  return a.body.meterStopWh === b.body.meterStopWh && a.body.stoppedAt.raw === b.body.stoppedAt.raw
}
