// One session as its driver is told of it: live figures while it charges, a receipt afterwards. Pure. Every figure comes
// from registers that the charger said; a cost is rounded once, from the whole of the energy.
import { FULL_AGE_MS } from '../authorization/decide.ts'
import type { Corrections } from '../billing/corrections.ts'
import type { TariffAt } from '../billing/due.ts'
import { DOUBTFUL } from '../billing/judge.ts'
import { owedOf } from '../billing/owed.ts'
import { wallOf } from '../log/hlc.ts'
import { clockedAt, happenedAt } from '../session/clock.ts'
import type { Session } from '../session/fold.ts'
import type { RequestAnswer, SessionAnswer } from './driver-words.ts'
import { isoOf, priceText } from './report.ts'

export type SessionKnown = {
  readonly nowAt: number
  /** Neither this node nor one that it is connected with has a working uplink. */
  readonly isOffline: boolean
  /** First digits of the ack's signature, once the cloud has confirmed the end. */
  readonly receipt: string | undefined
  /** Nodes that hold all of it for certain, this one among them. */
  readonly nodes: number
  readonly isInCloud: boolean
  readonly tariffAt: TariffAt
  readonly corrections: Corrections
}

export function sessionAnswer(
  session: Session,
  known: SessionKnown,
  request: RequestAnswer | null = null,
): SessionAnswer {
  const { start, end, pricing } = session
  const energyWh = energyOf(session)
  const { claim, owed } = owedOf(session, { ...known, finalise: true })
  const cost = energyWh === null ? null : (owed?.total ?? null)
  const soc = socOf(session, known.nowAt)
  return {
    session_id: session.sessionId,
    station_id: session.chargerId,
    connector_id: session.connectorId,
    state: session.state === 'completed' && known.receipt !== undefined ? 'reconciled' : session.state,
    meter_start: start.body.meterStartWh,
    meter_stop: end?.body.meterStopWh ?? null,
    // Whole Wh: the quotient is printed as the exact decimal.
    energy_kwh: energyWh === null ? null : energyWh / 1000,
    rate_per_kwh: pricing?.body.pricePerKwh ?? null,
    price_text: pricing ? priceText(pricing.body, known.tariffAt) : null,
    currency: pricing?.body.currency ?? null,
    total_cost: cost,
    soc: soc?.percent ?? null,
    soc_age_s: soc?.ageS ?? null,
    start_time: isoOf(happenedAt(start.body.startedAt, wallOf(start.hlc))),
    end_time: end ? isoOf(happenedAt(end.body.stoppedAt, wallOf(end.hlc))) : null,
    offline: offlineOf(session, known),
    sync: syncOf(known),
    payment: paymentOf(session, known, { cost, isSettled: claim.flags.includes('resolved') }),
    text: end ? 'The session has ended.' : session.state === 'paused' ? 'Paused.' : 'Charging.',
    request,
  }
}

/** What is known of a session that the charger has not begun. */
export function nothingYet(request: RequestAnswer, known: Pick<SessionKnown, 'isOffline'>): SessionAnswer {
  return {
    session_id: null,
    station_id: request.station_id,
    connector_id: null,
    state: null,
    meter_start: null,
    meter_stop: null,
    energy_kwh: null,
    rate_per_kwh: null,
    price_text: null,
    currency: null,
    total_cost: null,
    soc: null,
    soc_age_s: null,
    start_time: null,
    end_time: null,
    offline: { at_start: null, now: known.isOffline, text: nowText(known.isOffline) },
    sync: null,
    payment: null,
    text: request.text,
    request,
  }
}

/** Wh so far, or in all; null where no register says so, or a meter went back unexplained. */
export function energyOf({ end, energyWh, soFar }: Session): number | null {
  return (end ? energyWh : soFar?.energyWh) ?? null
}

export type SocKnown = { readonly percent: number; readonly measuredAt: number; readonly ageS: number }

export function socOf({ lastSoc }: Session, nowAt: number): SocKnown | undefined {
  const percent = lastSoc?.body.socPercent
  if (!lastSoc || percent === undefined) return undefined
  const recordedAt = wallOf(lastSoc.hlc)
  const measuredAt = Math.min(clockedAt(lastSoc.body.sampledAt) ?? recordedAt, recordedAt)
  return { percent, measuredAt, ageS: Math.max(0, Math.round((nowAt - measuredAt) / 1000)) }
}

function offlineOf({ start }: Session, { isOffline }: SessionKnown): SessionAnswer['offline'] {
  const { policyAgeMs } = start.body
  const atStart = policyAgeMs === undefined || policyAgeMs > FULL_AGE_MS
  const began = atStart ? 'It began while this site had not heard of its operator for a while. ' : ''
  return { at_start: atStart, now: isOffline, text: `${began}${nowText(isOffline)}` }
}

function nowText(isOffline: boolean): string {
  return isOffline
    ? 'This site has no connection to the outside now; charging goes on, and nothing is lost.'
    : 'This site is connected.'
}

function syncOf({ nodes, isInCloud }: SessionKnown): NonNullable<SessionAnswer['sync']> {
  if (isInCloud)
    return { state: 'cloud', nodes, cloud: true, text: 'All of it is confirmed by the operator’s cloud.' }
  if (nodes > 1)
    return { state: 'mesh', nodes, cloud: false, text: `Kept by ${nodes} nodes of this site; not sent yet.` }
  return { state: 'here', nodes, cloud: false, text: 'Kept by this node; not sent yet.' }
}

function paymentOf(
  { end, pricing, flags }: Session,
  { receipt, isOffline, tariffAt }: SessionKnown,
  { cost, isSettled }: { readonly cost: string | null; readonly isSettled: boolean },
): NonNullable<SessionAnswer['payment']> {
  const amount = cost !== null && pricing ? `${cost} ${pricing.body.currency}` : undefined
  const payment = (state: NonNullable<SessionAnswer['payment']>['state'], text: string) => ({
    ...{ state, text },
    receipt: receipt ?? null,
  })
  if (!end) {
    return pricing
      ? payment('running', `You pay ${priceText(pricing.body, tariffAt)} when the session has ended.`)
      : payment('no_price', 'No price was known when it began; the operator will tell you.')
  }
  if (!isSettled && flags.some(flag => DOUBTFUL.includes(flag)))
    return payment(
      'in_review',
      'The charger’s figures contradict one another: the operator looks at them first.',
    )
  if (amount === undefined)
    return payment('no_price', 'No price was known when it began; the operator will tell you.')
  if (receipt !== undefined) return payment('handed_over', `${amount} was handed over to the operator.`)
  const when = isOffline ? 'when this site has a connection again' : 'in a moment'
  return payment('queued', `Payment of ${amount} is queued: it is sent ${when}. You need not wait.`)
}
