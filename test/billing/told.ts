// Words about one session, from nodes and from an issuer, told to the judge one by one, as they might reach a cloud: after
// each the session is folded and judged, and what that bills is kept.
import { aboutOf } from '../../src/billing/candidates.ts'
import { createCorrections, type Rule } from '../../src/billing/corrections.ts'
import { judge, type Verdict } from '../../src/billing/judge.ts'
import { type Owed, owedOf } from '../../src/billing/owed.ts'
import { type Bill, sumOf } from '../../src/billing/revisions.ts'
import type { AnyBody, EventRef } from '../../src/log/body.ts'
import type { LogEvent } from '../../src/log/event.ts'
import { addFact, emptyFacts } from '../../src/session/facts.ts'
import { foldCharger, type Session } from '../../src/session/fold.ts'
import { createTariffs } from '../../src/tariff/tariffs.ts'
import type { ChargerId, SessionId } from '../../src/units.ts'
import { SITE_OPENED_AT, type TestDevice, testSite } from '../site.ts'

export const site = testSite('told')
const node = site.device('north')
const HOUR_MS = 3600_000

/** One event of a log of its own, so that any order is an order in which logs may come. */
export type Word = { readonly event: LogEvent; readonly said: AnyBody; readonly by: TestDevice }

/** Said by a node; `atMs`: when, from the opening of the site on. */
export function wordOf(said: AnyBody, atMs = 0): Word {
  return spoken(said, node, atMs)
}

/** Said by the issuer, a day later unless told otherwise. */
export function issued(said: AnyBody, atMs = 24 * HOUR_MS): Word {
  return spoken(said, site.issuer, atMs)
}

function spoken(said: AnyBody, by: TestDevice, atMs: number): Word {
  const [event] = site.openLog(by).append([said], SITE_OPENED_AT + HOUR_MS + atMs)
  if (!event) throw new Error('no event')
  return { event, said, by }
}

export function refOf({ event }: Word): EventRef {
  return { logId: event.logId, seq: event.seq, hash: event.hash }
}

export type Step = Word | 'finalise'

export type Told = {
  readonly session: Session | undefined
  readonly verdict: Verdict | undefined
  readonly bills: readonly Bill[]
  /** As a node tells it. */
  readonly owed: Owed | undefined
  /** Of all revisions. */
  readonly sum: string
  /** The sum behind each step. */
  readonly sums: readonly string[]
}

export function told(steps: readonly Step[]): Told {
  const [facts, corrections, tariffs] = [emptyFacts(), createCorrections(), createTariffs()]
  let bills: readonly Bill[] = []
  let verdict: Verdict | undefined
  let session: Session | undefined
  let owed: Owed | undefined
  const sums: string[] = []
  for (const step of steps) {
    if (step !== 'finalise') {
      const { event, said, by } = step
      const ref = refOf(step)
      if (said.name === 'tariff') tariffs.add({ ...said.body, ref, hlc: event.hlc })
      else if (by.certificate.roles.includes('issuer')) corrections.add(event, said)
      else addFact(facts, event, said, by.certificate.deviceId)
    }
    const charger = facts.chargers.get('CP-1' as ChargerId)
    session = charger && foldCharger(charger).sessions[0]
    if (session) {
      const knowing = { tariffAt: tariffs.at, corrections: corrections.of(session.sessionId) }
      verdict = judge(session, { ...knowing, billed: bills, finalise: step === 'finalise' })
      bills = [...bills, ...verdict.bills]
      owed = owedOf(session, { ...knowing, finalise: false }).owed
    }
    sums.push(sumOf(bills))
  }
  return { session, verdict, bills, owed, sum: sumOf(bills), sums }
}

/** As a person decides who sees what these words tell. */
export function decided(
  rule: Rule,
  seen: readonly Step[],
  more: { readonly amount?: string; readonly keep?: EventRef; readonly atMs?: number } = {},
): Word {
  const { session } = told(seen)
  if (!session) throw new Error('no session to decide about')
  const { atMs, ...body } = more
  const about = aboutOf(session)
  return issued(
    { name: 'resolution', body: { sessionId: session.sessionId, rule, note: '', about, ...body } },
    atMs,
  )
}

let refunds = 0

export function refunded(sessionId: SessionId, amount: string, currency = 'EUR', id?: number): Word {
  const refundId = new Uint8Array(16).fill(id ?? ++refunds)
  return issued({ name: 'refund', body: { sessionId, refundId, amount, currency, reason: 'goodwill' } })
}
