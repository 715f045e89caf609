// What people said of sessions' money: resolutions and refunds, facts of an issuer's log, kept as sets. Which of them counts
// is decided from all of them alike (PROTOCOL 3), so that the order in which they arrive changes no amount.
import type { AnyBody, BodyOf, EventRef } from '../log/body.ts'
import type { LogEvent } from '../log/event.ts'
import type { Hlc } from '../log/hlc.ts'
import { isDecimal } from '../tariff/price.ts'
import type { SessionId } from '../units.ts'

/**
 * `bill-smaller`: what is billed at the least that was proven is right. `bill-end`: the stop that `keep` names counts.
 * `amount`: this sum was agreed on. `waive`: nothing is owed. `accept-debit`: a debit that waits may be written. `tariff`:
 * the tariff event that `keep` names is the price.
 */
export const RULES = ['bill-smaller', 'bill-end', 'amount', 'waive', 'accept-debit', 'tariff'] as const
export type Rule = (typeof RULES)[number]

export type Said<N extends 'resolution' | 'refund'> = {
  readonly ref: EventRef
  readonly hlc: Hlc
  readonly body: BodyOf<N>
}
export type Resolution = Said<'resolution'>
export type Refund = Said<'refund'>

/** All of one session; in any order. */
export type Corrections = {
  readonly resolutions: readonly Resolution[]
  readonly refunds: readonly Refund[]
}
export const NO_CORRECTIONS: Corrections = { resolutions: [], refunds: [] }

export type CorrectionBook = {
  /** Takes a word of an issuer; answers the session of which it speaks. Each event once. */
  readonly add: (event: LogEvent, said: AnyBody) => SessionId | undefined
  readonly of: (sessionId: SessionId) => Corrections
}

export function createCorrections(): CorrectionBook {
  const held = new Map<SessionId, { readonly resolutions: Resolution[]; readonly refunds: Refund[] }>()
  return {
    add: (event, said) => {
      if (said.name !== 'resolution' && said.name !== 'refund') return undefined
      const { sessionId } = said.body
      const own = held.get(sessionId) ?? { resolutions: [], refunds: [] }
      held.set(sessionId, own)
      const place = { ref: { logId: event.logId, seq: event.seq, hash: event.hash }, hlc: event.hlc }
      if (said.name === 'resolution') own.resolutions.push({ ...place, body: said.body })
      else own.refunds.push({ ...place, body: said.body })
      return sessionId
    },
    of: sessionId => held.get(sessionId) ?? NO_CORRECTIONS,
  }
}

/** Earlier first: by hybrid clock, then by place. */
export function bySaying(a: Resolution | Refund, b: Resolution | Refund): number {
  if (a.hlc !== b.hlc) return a.hlc < b.hlc ? -1 : 1
  if (a.ref.logId !== b.ref.logId) return a.ref.logId < b.ref.logId ? -1 : 1
  return a.ref.seq - b.ref.seq
}

/** A resolution that says all that its rule needs. */
export type Decision = Resolution & { readonly rule: Rule }

/**
 * The newest that can be understood. One that names no evidence is bound to nothing that anybody saw and does not count,
 * nor does one whose rule or sum cannot be read; `unusable` says that there are such.
 */
export function decisionIn({ resolutions }: Corrections): {
  readonly decision?: Decision
  readonly unusable: boolean
} {
  const inOrder = resolutions.toSorted(bySaying)
  const decision = inOrder.map(understood).findLast(one => one !== undefined)
  return { ...(decision && { decision }), unusable: inOrder.some(one => understood(one) === undefined) }
}

function understood(one: Resolution): Decision | undefined {
  const { about, amount, keep } = one.body
  const rule = RULES.find(known => known === one.body.rule)
  if (!rule || !about || (amount !== undefined && !isDecimal(amount))) return undefined
  if (rule === 'amount' && amount === undefined) return undefined
  if ((rule === 'bill-end' || rule === 'tariff') && !keep) return undefined
  return { ...one, rule }
}

/** Each refund once, by its id: of two that bear the same, the first that was said counts. */
export function refundsIn({ refunds }: Corrections): readonly Refund[] {
  const byId = new Map<string, Refund>()
  for (const one of refunds.toSorted(bySaying)) {
    const id = one.body.refundId.join()
    if (!byId.has(id)) byId.set(id, one)
  }
  return [...byId.values()]
}
