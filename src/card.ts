// May this card charge at this charger? Here the policy meets what the card has already drawn, as far as this node
// knows, and the clock. The rule itself is authorization/decide.ts.
import { type Decision, decide, isToday } from './authorization/decide.ts'
import { dueOf } from './billing/due.ts'
import type { Ledger, Times } from './ledger.ts'
import type { AnyBody } from './log/body.ts'
import { wallOf } from './log/hlc.ts'
import { happenedAt } from './session/clock.ts'
import { sampledAt } from './session/facts.ts'
import type { Session } from './session/fold.ts'
import type { Place } from './tariff/choice.ts'
import { hasCost, isAtLeast } from './tariff/price.ts'
import type { ChargerId, EventHash, TokenRef } from './units.ts'
import type { View } from './view.ts'

/** Clocks of one site that nobody doubts may differ by so much; a card that was made a moment ago is let in. */
const UNCERTAINTY_MS = 60_000
/** A clock that is in doubt counts from what was signed last, and may be behind that by a beacon's lead. */
const DOUBTED_MS = 10 * 60_000

/** Every reference of a card, where the site has had several keys. */
export type Aliases = (tokenRef: TokenRef) => readonly TokenRef[]

export type CardContext = {
  readonly view: View
  readonly nowAt: number
  readonly policyAgeMs: number | undefined
  readonly isClockInDoubt: boolean
  /** When this node heard of an entry, if that was since its start. */
  readonly knownSince: (entry: EventHash) => number | undefined
  readonly aliases?: Aliases | undefined
}

export function cardContext(ledger: Ledger, times: Times, aliases?: Aliases): CardContext {
  const view = ledger.view()
  const { nowAt, policyAgeMs, isClockInDoubt } = ledger.news(times)
  return { view, nowAt, policyAgeMs, isClockInDoubt, knownSince: ledger.knownSince, aliases }
}

export function decideFor(context: CardContext, chargerId: ChargerId, tokenRef: TokenRef): Decision {
  const { view, nowAt, policyAgeMs, isClockInDoubt } = context
  const { policy, sitePolicy } = view
  const point = policy.chargePoint(chargerId)
  const tokenRefs = context.aliases?.(tokenRef) ?? [tokenRef]
  const recent = tokenRefs
    .flatMap(view.ofToken)
    .filter(session => counts(session) && isToday(beganAt(session), nowAt))
  const energyWh = recent.reduce((sum, session) => sum + (session.energyWh ?? energySoFar(session)), 0)
  return decide(policy.tokenOf(tokenRefs), {
    nowAt,
    uncertaintyMs: isClockInDoubt ? DOUBTED_MS : UNCERTAINTY_MS,
    news: { policyAgeMs, isClockInDoubt, whenStale: sitePolicy.value('stale-policy') },
    site: {
      unknownCards: sitePolicy.value('unknown-cards'),
      alwaysAllow: sitePolicy.classes('always-allow'),
    },
    charger: {
      ...(point?.zone !== undefined && { zone: point.zone }),
      ...(point?.connectorType !== undefined && { connectorType: point.connectorType }),
      ...(point?.maxPowerW !== undefined && { maxPowerW: point.maxPowerW }),
    },
    today: {
      sessions: recent.length,
      energyWh,
      hasSpent: (share, amount) => hasSpent(context, { recent, energyWh, share, amount }),
    },
  })
}

type Spending = {
  readonly recent: readonly Session[]
  readonly energyWh: number
  readonly share: number
  readonly amount: string
}

/**
 * By the highest price that energy has anywhere now, or by what its sessions owe where time and fees have a price as well:
 * whichever is reached first.
 */
function hasSpent(
  { view, nowAt }: CardContext,
  { recent, energyWh, share, amount }: Spending,
): boolean | undefined {
  const price = view.tariffs.highestPrice(nowAt)
  if (price === undefined) return undefined
  if (hasCost(energyWh, price, { share, amount }) !== false)
    return hasCost(energyWh, price, { share, amount })
  const owed = recent.flatMap(session => owedFor(session, view) ?? [])
  return isAtLeast(owed, { share, amount })
}

/** Of a session whose price is more than one of energy; so far, while it charges. */
function owedFor(session: Session, { tariffs }: View): string | undefined {
  if (!session.pricing?.body.byTerms) return undefined
  const energyWh = session.energyWh ?? energySoFar(session)
  const untilAt = session.lastTick && sampledAt(session.lastTick)
  const due = dueOf(session, tariffs.at, { energyWh, ...(untilAt !== undefined && { untilAt }) })
  return due.kind === 'due' ? due.cost.total : undefined
}

/** What a tariff asks about a start: where, and with which class of card. */
export function placeOf({ view, aliases }: CardContext, chargerId: ChargerId, tokenRef: TokenRef): Place {
  const point = view.policy.chargePoint(chargerId)
  const token = view.policy.tokenOf(aliases?.(tokenRef) ?? [tokenRef])
  const grant = token.kind === 'unknown' ? undefined : token.grant
  return { chargerId, zone: point?.zone, connectorType: point?.connectorType, cardClass: grant?.body.class }
}

/** Why, for the people at the charger and behind the desk; at most 200 characters. */
export function explain({ revocation, reason }: Decision, knownSince: CardContext['knownSince']): string {
  if (!revocation) return reason
  const sinceAt = knownSince(revocation.ref.hash)
  const since = sinceAt === undefined ? 'before this start' : `since ${minuteOf(sinceAt)}`
  return `revoked at ${minuteOf(wallOf(revocation.hlc))} by ${revocation.by}, known here ${since}`
}

type Asked = { readonly chargerId: ChargerId; readonly tokenRef: TokenRef }

/** A refused tap is worth a line in the log: drivers ask why, and so do operators. */
export function refusal({ knownSince }: CardContext, decision: Decision, asked: Asked): AnyBody {
  const detail = `${decision.allowed}: ${explain(decision, knownSince)}`
  return { name: 'diagnostics', body: { code: 'card-refused', detail, ...asked } }
}

/** The card's group, for the charger. */
export function groupOf({ groupRef }: Decision): { readonly groupRef?: TokenRef } {
  return groupRef === undefined ? {} : { groupRef }
}

/** 2026-06-01 14:02 UTC. */
function minuteOf(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

function energySoFar({ soFar }: Session): number {
  return soFar?.energyWh ?? 0
}

/** A start that was refused and drew nothing uses up no cap: a driver may tap in vain. */
function counts(session: Session): boolean {
  return session.allowed === 'ALLOWED' || (session.energyWh ?? energySoFar(session)) > 0
}

export function beganAt({ start }: Session): number {
  return happenedAt(start.body.startedAt, wallOf(start.hlc))
}
