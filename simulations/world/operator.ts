// The operator of a simulated site: one log of certificates, cards, tariffs and revocations, written by the production
// writer, and a beacon with each news. Who is handed the news is the plan's choice; what it says is never lost.

import { aboutOf } from '../../src/billing/candidates.ts'
import { sha256, utf8Bytes } from '../../src/identity/hash.ts'
import { TAG_NONCE_BYTES } from '../../src/identity/tag.ts'
import type { Submission } from '../../src/input.ts'
import type { AnyBody, EventRef } from '../../src/log/body.ts'
import { encodeElement, eventsOf, type LogEvent } from '../../src/log/event.ts'
import { hlcOf, wallOf } from '../../src/log/hlc.ts'
import { signObject } from '../../src/log/object.ts'
import { headAfter, logIdOf, write } from '../../src/log/writer.ts'
import type { Node } from '../../src/node.ts'
import type { Segment } from '../../src/ports.ts'
import { encodeUpdate, MAX_SEGMENT_BYTES, MAX_SEGMENT_EVENTS } from '../../src/replica/canonical.ts'
import type { Log } from '../../src/replica/logs.ts'
import {
  type DeviceId,
  type EpochId,
  type EventHash,
  hex,
  type LogId,
  type TokenRef,
} from '../../src/units.ts'
import type { Dice } from '../dice.ts'
import type { CardPlan, OperatorStep, Plan } from '../plan.ts'
import type { SimulatedSite } from './site.ts'
import { tariffOf } from './tariff.ts'

const DAY_MS = 24 * 3600 * 1000
const YEAR_MS = 365 * DAY_MS
const BEACON_EVERY_MS = DAY_MS
/** A cut-off holds no more. */
const MAX_HEADS = 64
/** Older than any run, so that a card is never refused because its operator was silent before the start. */
const GRANTED_BEFORE_MS = 3600_000
/** A site lets its cards charge through weeks without the operator. */
const OFFLINE_DAYS = 90

/** How long a card may be used on news of the operator that are so old. */
export function offlineMaxAgeMs(plan: Plan): number {
  return (plan.offlineMaxAgeS ?? OFFLINE_DAYS * 24 * 3600) * 1000
}

export type RevokedDevice = {
  readonly deviceId: DeviceId
  readonly cutoff: readonly EventRef[]
  readonly seq: number
}

export type Revoked = { readonly tokenRef: TokenRef; readonly seq: number; readonly atMs: number }

export type Operator = {
  readonly logId: LogId
  /** Everything so far, with a new beacon. */
  readonly all: (wallMs: number) => Submission
  /** Writes what the step says; what a node needs to know of it is the answer of `all`. */
  readonly act: (step: OperatorStep, nowMs: number, told: Node | undefined) => void
  readonly revocations: () => readonly Revoked[]
  readonly revokedDevices: () => readonly RevokedDevice[]
  readonly events: () => readonly LogEvent[]
}

export function createOperator(plan: Plan, site: SimulatedSite, dice: Dice): Operator {
  const { issuer, signatures } = site
  const epochId = hex<EpochId>(dice.random.bytes(16))
  const logId = logIdOf(issuer.certificate.deviceId, epochId)
  const events: LogEvent[] = []
  const segments: Segment[] = []
  const revoked: Revoked[] = []
  const revokedDevices: RevokedDevice[] = []
  const revocationOf = new Map<TokenRef, EventHash[]>()

  const append = (bodies: readonly AnyBody[], wallMs: number): void => {
    const last = events.at(-1)
    const head = last && headAfter(last)
    const writer = { logId, logKey: issuer.keys.logKey, signatures, head }
    const time = { hlc: head?.hlc ?? hlcOf(0), wallMs, monoMs: Math.max(0, wallMs - plan.startsAt) }
    const written = write(writer, bodies, time)
    events.push(...written)
    segments.push(...cut(logId, written))
  }

  const certificates = [site.cloud, ...site.devices].map(
    ({ certificate }): AnyBody => ({ name: 'device_cert', body: { certificate: certificate.encoded } }),
  )
  const grant = (card: CardPlan): AnyBody => {
    const tokenRef = site.tokenRef(card.idTag)
    const notAfterAt = card.kind === 'expired' ? plan.startsAt - 60_000 : plan.startsAt + YEAR_MS
    return {
      name: 'grant',
      body: {
        ...{ tokenRef, accountRef: tokenRef, whitelist: 'ALLOWED', class: 'driver' },
        ...{ notBeforeAt: plan.startsAt - GRANTED_BEFORE_MS, notAfterAt },
        supersedes: revocationOf.get(tokenRef) ?? [],
        scope: { zones: [], connectorTypes: [] },
        offline: {
          maxAgeS: offlineMaxAgeMs(plan) / 1000,
          ...(plan.capWhPerDay !== undefined && { maxWhPerDay: plan.capWhPerDay }),
        },
        ...(plan.localLists && sealed(tokenRef, card)),
      },
    }
  }
  const sealed = (tokenRef: TokenRef, { idTag }: CardPlan): { readonly tagSealed?: Uint8Array } => {
    const nonce = sha256(utf8Bytes(`${tokenRef} ${events.length}`)).subarray(0, TAG_NONCE_BYTES)
    const tagSealed = site.tagKeys.seal(tokenRef, idTag, nonce)
    return tagSealed ? { tagSealed } : {}
  }
  const revoke = (card: CardPlan, nowMs: number): void => {
    const tokenRef = site.tokenRef(card.idTag)
    append(
      [{ name: 'revoke', body: { tokenRef, reason: 'lost', effectiveAt: plan.startsAt } }],
      plan.startsAt + nowMs,
    )
    const event = events.at(-1)
    if (!event) return
    revocationOf.set(tokenRef, [...(revocationOf.get(tokenRef) ?? []), event.hash])
    revoked.push({ tokenRef, seq: event.seq, atMs: nowMs })
  }

  /** What the told node holds of it counts; where nobody is there to ask, nothing of it does. */
  const revokeDevice = (step: RevokeDevice, nowMs: number, told: Node | undefined): void => {
    const certificate = site.devices[step.device - 1]?.certificate
    if (!certificate) throw new RangeError(`there is no node ${step.device}`)
    const { deviceId, serial } = certificate
    const cutoff = [...(told?.ledger().logs.all() ?? [])]
      .filter(log => log.certificate.deviceId === deviceId)
      .toSorted((a, b) => (a.head.hlc > b.head.hlc ? -1 : 1))
      .flatMap(log => headAt(log, plan.startsAt + step.sinceMs) ?? [])
      .slice(0, MAX_HEADS)
    const body = { deviceId, serial, reason: 'found out', cutoff }
    append([{ name: 'device_revoke', body }], plan.startsAt + nowMs)
    revokedDevices.push({ deviceId, cutoff, seq: events.at(-1)?.seq ?? 0 })
  }

  const body = {
    ...{ epochId, certHash: issuer.certificate.hash, siteId: site.siteId },
    ...{ bootReason: 'start' as const, storeState: 'fresh' as const, swVersion: 'operator', policyHead: [] },
  }
  append([{ name: 'epoch_open', body }], plan.startsAt)
  append(certificates, plan.startsAt)
  append([tariffOf(plan, plan.pricePerKwh, plan.startsAt - DAY_MS)], plan.startsAt)
  if (plan.localLists) append([{ name: 'policy', body: { name: 'local-lists', value: 'on' } }], plan.startsAt)
  if (plan.retentionDays !== undefined) {
    const value = String(plan.retentionDays)
    append([{ name: 'policy', body: { name: 'retention-days', value } }], plan.startsAt)
  }
  const known = plan.cards.filter(card => card.kind !== 'unknown')
  if (known.length > 0) append(known.map(grant), plan.startsAt)
  for (const card of known) if (card.kind === 'revoked') revoke(card, 0)

  return {
    logId,
    revocations: () => revoked,
    revokedDevices: () => revokedDevices,
    events: () => events,
    all: wallMs => {
      const newest = events.at(-1)
      const ref = { logId, seq: newest?.seq ?? 0, hash: newest?.hash ?? ('' as EventHash) }
      const signer = { certHash: issuer.certificate.hash, logKey: issuer.keys.logKey, signatures }
      const beacon = { ...ref, issuedAt: wallMs, nextByAt: wallMs + BEACON_EVERY_MS }
      return {
        certificates: [issuer.certificate.encoded],
        segments,
        objects: [signObject(signer, { kind: 'beacon', body: beacon })],
      }
    },
    act: (step, nowMs, told) => {
      const wallMs = plan.startsAt + nowMs
      const card = 'card' in step ? plan.cards[step.card] : undefined
      if (step.kind === 'tariff')
        append([tariffOf(plan, step.pricePerKwh, plan.startsAt + step.fromMs)], wallMs)
      if (step.kind === 'revoke' && card) revoke(card, nowMs)
      if (step.kind === 'revoke-device') revokeDevice(step, nowMs, told)
      const said = told && corrected(step, told, events.length)
      if (said) append([said], wallMs)
      if (step.kind === 'grant' && card) append([grant(card)], wallMs)
    },
  }
}

/** What is said of the session that ended last there. */
function corrected(step: OperatorStep, told: Node, number: number): AnyBody | undefined {
  if (step.kind !== 'refund' && step.kind !== 'resolve') return undefined
  const session = told
    .ledger()
    .view()
    .sessions()
    .findLast(({ end, pricing }) => end && pricing)
  if (!session) return undefined
  const { sessionId } = session
  const { amount } = step
  if (step.kind === 'refund') {
    const refundId = sha256(utf8Bytes(`${sessionId} ${number}`)).subarray(0, 16)
    return { name: 'refund', body: { sessionId, refundId, amount, currency: 'EUR', reason: 'goodwill' } }
  }
  const { rule } = step
  const said = { sessionId, rule, note: 'simulated', about: aboutOf(session) }
  return { name: 'resolution', body: { ...said, ...(rule === 'amount' && { amount }) } }
}

type RevokeDevice = Extract<OperatorStep, { readonly kind: 'revoke-device' }>

/** The last event before that time, by the log's own clock. */
function headAt({ logId, elements, fork }: Log, untilAt: number): EventRef | undefined {
  const before = eventsOf(logId, fork ? elements.slice(0, fork.seq) : elements).filter(
    event => wallOf(event.hlc) <= untilAt,
  )
  const newest = before.at(-1)
  return newest && { logId, seq: newest.seq, hash: newest.hash }
}

/** Segments of whole sealed groups, as large as the gate takes. */
function cut(logId: LogId, events: readonly LogEvent[]): readonly Segment[] {
  const segments: Segment[] = []
  for (let from = 0; from < events.length; ) {
    let end = from
    let bytes = 0
    for (let i = from; i < events.length && i - from < MAX_SEGMENT_EVENTS; i++) {
      const event = events[i] as LogEvent
      bytes += encodeElement(event).length + 16
      if (bytes > MAX_SEGMENT_BYTES - 64) break
      if (event.signature) end = i + 1
    }
    if (end === from) throw new RangeError('no seal within one segment')
    const group = events.slice(from, end)
    const fromSeq = group[0]?.seq ?? 0
    segments.push({ logId, fromSeq, update: encodeUpdate(fromSeq, group.map(encodeElement)) })
    from = end
  }
  return segments
}
