// What a node tells people about itself, as plain JSON: sessions, chargers, logs, and its own state. Field names are
// part of the interface; they only grow.

import type { Corrections } from '../billing/corrections.ts'
import type { TariffAt, Unpriced } from '../billing/due.ts'
import { owedOf } from '../billing/owed.ts'
import type { ConnectorStatus } from '../chargers.ts'
import type { Roster } from '../identity/roster.ts'
import type { Node } from '../node.ts'
import { isStartAcked } from '../session/acked.ts'
import { concurrentSessions } from '../session/concurrent.ts'
import type { Session } from '../session/fold.ts'
import { type Moment, timesOf } from '../session/times.ts'
import { describe } from '../tariff/describe.ts'
import type { ChargerId, DeviceId, TokenRef } from '../units.ts'

export type SessionReport = {
  readonly sessionId: string
  readonly state: string
  readonly chargerId: string
  readonly connectorId: number
  /** What is printed on the card, or a short form of its reference. */
  readonly card: string
  readonly tokenRef: string
  readonly transactionId: number
  /** All that nodes gave it, which did not know of one another. */
  readonly transactionIds: readonly number[]
  /** The charger's own name for it (OCPP 2.0.1). */
  readonly stationTransactionId?: string
  readonly allowed: string
  readonly reason: string
  /** ISO 8601 in UTC; `clock` says whose clock told it. */
  readonly startedAt: string
  readonly stoppedAt?: string
  /** `charger`, `node` where that cannot be right, or `counted` back or on from what a node heard. */
  readonly clock: { readonly started: Moment['clock']; readonly stopped?: Moment['clock'] }
  readonly meterStartWh: number
  readonly meterStopWh?: number
  readonly energyWh?: number
  /** While it charges: the newest register seen, minus the start's. */
  readonly energySoFarWh?: number
  readonly socPercent?: number
  /** No register was heard between start and stop: the charger sends none, or only what flowed in intervals. */
  readonly withoutReadings?: true
  readonly currency?: string
  /** The highest price of energy, taxes included, where the tariff has terms of its own. */
  readonly pricePerKwh?: string
  /** The price that was fixed at the start, in words. */
  readonly price?: string
  /** To be paid, taxes included: as people decided, less what they refunded. */
  readonly cost?: string
  /** The sum that a person decided in the place of what its price gives. */
  readonly decided?: string
  readonly refunded?: string
  /** Why an ended session has no cost. */
  readonly unpriced?: Unpriced
  /** Names of the nodes that recorded something of it. */
  readonly recordedBy: readonly string[]
  readonly adoptions: number
  readonly flags: readonly string[]
  /** Chargers where the same card charged at the same time: a copied card, or one that was lent. */
  readonly alsoAt?: readonly string[]
  /** The cloud has confirmed the end of it. */
  readonly acked: boolean
  readonly receipt?: string
}

export type ReportDeps = {
  readonly node: Node
  readonly roster: Roster
  readonly connected: () => readonly ChargerId[]
}

export function reportSessions({ node, roster }: ReportDeps): readonly SessionReport[] {
  const ledger = node.ledger()
  const view = ledger.view()
  const sessions = view.sessions()
  const concurrent = concurrentSessions(sessions)
  return sessions
    .map(session =>
      reportSession(session, {
        alsoAt: concurrent.get(session.sessionId),
        card: cardName(node, session.tokenRef),
        nameOf: deviceId => nameOf(roster, deviceId),
        receipt: receiptOf(node, session),
        tariffAt: view.tariffs.at,
        corrections: view.corrections.of(session.sessionId),
      }),
    )
    .toSorted((a, b) =>
      a.startedAt < b.startedAt ? -1 : a.startedAt > b.startedAt ? 1 : a.sessionId < b.sessionId ? -1 : 1,
    )
}

type Known = {
  readonly alsoAt: readonly ChargerId[] | undefined
  readonly card: string
  readonly nameOf: (deviceId: DeviceId) => string
  readonly receipt: string | undefined
  readonly tariffAt: TariffAt
  readonly corrections: Corrections
}

function reportSession(session: Session, known: Known): SessionReport {
  const { start, end, pricing, energyWh, soFar, lastTick } = session
  const { startedAt, stoppedAt } = timesOf(session)
  const { claim, owed } = owedOf(session, { ...known, finalise: false })
  return {
    sessionId: session.sessionId,
    state: session.state === 'completed' && known.receipt !== undefined ? 'reconciled' : session.state,
    chargerId: session.chargerId,
    connectorId: session.connectorId,
    card: known.card,
    tokenRef: session.tokenRef,
    transactionId: start.body.transactionId,
    transactionIds: session.transactionIds,
    ...(start.body.stationTransactionId !== undefined && {
      stationTransactionId: start.body.stationTransactionId,
    }),
    allowed: session.allowed,
    reason: session.reason,
    startedAt: isoOf(startedAt.at),
    ...(stoppedAt && { stoppedAt: isoOf(stoppedAt.at) }),
    clock: { started: startedAt.clock, ...(stoppedAt && { stopped: stoppedAt.clock }) },
    ...(end && { meterStopWh: end.body.meterStopWh }),
    meterStartWh: start.body.meterStartWh,
    ...(energyWh !== undefined && { energyWh }),
    ...(!end && soFar?.energyWh !== undefined && { energySoFarWh: soFar.energyWh }),
    ...(end && !soFar && { withoutReadings: true }),
    ...(lastTick?.body.socPercent !== undefined && { socPercent: lastTick.body.socPercent }),
    ...(pricing && { currency: pricing.body.currency, pricePerKwh: pricing.body.pricePerKwh }),
    ...(pricing && { price: priceText(pricing.body, known.tariffAt) }),
    ...(owed && { cost: owed.total, currency: owed.currency }),
    ...(owed?.decided !== undefined && { decided: owed.decided }),
    ...(owed?.refunded !== undefined && { refunded: owed.refunded }),
    ...(claim.kind === 'unpriced' && { unpriced: claim.why }),
    recordedBy: session.recordedBy.map(known.nameOf),
    adoptions: session.adoptions.length,
    flags: [...new Set<string>([...session.flags, ...claim.flags])].sort(),
    ...(known.alsoAt && { alsoAt: known.alsoAt }),
    acked: known.receipt !== undefined,
    ...(known.receipt !== undefined && { receipt: known.receipt }),
  }
}

/** What was agreed at the start, in words; the plain price where its tariff is not here. */
export function priceText(pricing: NonNullable<Session['pricing']>['body'], tariffAt: TariffAt): string {
  const tariff = pricing.byTerms ? tariffAt(pricing.tariff) : undefined
  if (tariff) return describe(tariff)
  const plain = `${pricing.pricePerKwh} ${pricing.currency} a kWh`
  return pricing.byTerms ? `up to ${plain}; its other terms are not known here yet` : plain
}

/** First digits of the ack's signature that covers a recorded end: enough to find it, in the cloud or on any node. */
export function receiptOf(node: Node, session: Session): string | undefined {
  const ledger = node.ledger()
  if (!isStartAcked(session, ledger.ackedSeq)) return undefined
  for (const { ref } of session.ends) {
    const ack = ledger.objects.get(`ack/${ref.logId}`)
    if (ack?.kind === 'ack' && ack.body.seq >= ref.seq) {
      return Buffer.from(ack.encoded.subarray(-64)).toString('hex').slice(0, 12)
    }
  }
  return undefined
}

function cardName(node: Node, tokenRef: TokenRef): string {
  const token = node.ledger().view().policy.token(tokenRef)
  const grant = token.kind === 'unknown' ? undefined : token.grant
  return grant?.body.visualNumber ?? `card ${tokenRef.slice(0, 8)}`
}

export function nameOf(roster: Roster, deviceId: DeviceId): string {
  return roster.byDevice(deviceId)?.name ?? deviceId.slice(0, 8)
}

export function reportLogs({ node, roster }: ReportDeps): readonly Readonly<Record<string, unknown>>[] {
  const ledger = node.ledger()
  return [...ledger.logs.all()].map(log => ({
    logId: log.logId,
    author: nameOf(roster, log.certificate.deviceId),
    deviceId: log.certificate.deviceId,
    seq: log.head.seq,
    hash: log.head.hash,
    ackedSeq: ledger.ackedSeq(log.logId),
    ...(log.fork && { forkedAt: log.fork.seq }),
  }))
}

export function reportChargers({
  node,
  connected,
}: ReportDeps): readonly Readonly<Record<string, unknown>>[] {
  const here = new Set(connected())
  const view = node.ledger().view()
  return view.policy.chargePoints().map(({ chargerId, connectors, zone, connectorType, maxPowerW }) => ({
    chargerId,
    connectors,
    ...(zone !== undefined && { zone }),
    ...(connectorType !== undefined && { connectorType }),
    ...(maxPowerW !== undefined && { maxPowerW }),
    connectedHere: here.has(chargerId),
    status: statusesOf(node.connectors(), chargerId),
    openSessions: view.ofCharger(chargerId).sessions.filter(session => !session.end).length,
    onboarding: onboardingOf(node.onboarding.report(chargerId)),
    derated: node.deratings.report(chargerId),
  }))
}

/** In short; `/v1/chargers/:id/onboarding` has each setting. */
function onboardingOf({ state, notSet, needsRestart, limit }: OnboardingReport): OnboardingShort {
  return { state, notSet, ...(needsRestart && { needsRestart }), ...(limit && { limit }) }
}
type OnboardingReport = ReturnType<Node['onboarding']['report']>
type OnboardingShort = Pick<OnboardingReport, 'state' | 'notSet' | 'needsRestart' | 'limit'>

function statusesOf(
  all: ReadonlyMap<string, ConnectorStatus>,
  chargerId: ChargerId,
): Readonly<Record<string, string>> {
  const own = [...all].filter(([key]) => key.startsWith(`${chargerId}/`))
  return Object.fromEntries(own.map(([key, status]) => [key.slice(chargerId.length + 1), status.status]))
}

export function reportRefusals({ node, roster }: ReportDeps): readonly Readonly<Record<string, unknown>>[] {
  const diagnostics = node.ledger().view().diagnostics()
  return diagnostics
    .filter(one => one.body.code === 'card-refused')
    .map(({ ref, deviceId, body }) => ({
      event: `${ref.logId}/${ref.seq}`,
      node: nameOf(roster, deviceId),
      chargerId: body.chargerId,
      card: body.tokenRef === undefined ? undefined : cardName(node, body.tokenRef),
      reason: body.detail,
    }))
}

export function reportTokens({ node }: ReportDeps): readonly Readonly<Record<string, unknown>>[] {
  const { policy } = node.ledger().view()
  return policy.tokens().map(tokenRef => {
    const token = policy.token(tokenRef)
    const grant = token.kind === 'unknown' ? undefined : token.grant?.body
    return {
      card: cardName(node, tokenRef),
      state: token.kind,
      ...(grant && {
        notBefore: isoOf(grant.notBeforeAt),
        notAfter: isoOf(grant.notAfterAt),
        whitelist: grant.whitelist,
      }),
      ...(token.kind === 'revoked' && { reason: token.revocation.body.reason }),
    }
  })
}

export function isoOf(at: number): string {
  // Dates outside what ISO 8601 in JavaScript can say come from hostile or broken clocks.
  return Math.abs(at) <= 8.64e15 ? new Date(at).toISOString() : String(at)
}
