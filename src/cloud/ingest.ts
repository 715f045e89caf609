// What a push does to the database: one serialisable transaction a segment — gate, events, head, exclusions, fold,
// bill (PROTOCOL 3.6) — and a word of refusal for every log that could not go on, so that one bad log never costs
// the rest of the batch. Anything may be pushed any number of times, by anybody, in any order.

import { invariant } from '../errors.ts'
import type { Signatures } from '../identity/signature.ts'
import { type AnyBody, decodeBody } from '../log/body.ts'
import type { LogEvent, LogHead } from '../log/event.ts'
import type { Clock, Logger, Push, PushAnswer, Segment } from '../ports.ts'
import { type Admission, admit, type Held } from '../replica/admit.ts'
import { MAX_SEGMENT_EVENTS } from '../replica/canonical.ts'
import type { CertHash, ChargerId, EventHash, LogId, SessionId, SiteId } from '../units.ts'
import { bearersOf, type Nameless } from './bearers.ts'
import type { CertificateStore } from './certificates.ts'
import { foldColumns } from './columns.ts'
import type { Database, Param, Row, Sql } from './database.ts'
import { awaitRefold } from './refolds.ts'
import { bigintIn, flagIn, intIn, textIn, valuesOf } from './rows.ts'
import { MAX_REFOLDS, refold, refoldWaiting, type Touched } from './sessions.ts'
import { noteFork, noteStanding } from './standing.ts'

export type IngestDeps = {
  readonly database: Database
  readonly siteId: SiteId
  readonly certificates: CertificateStore
  readonly signatures: Signatures
  readonly clock: Clock
  readonly logger: Logger
}

export type Refused = PushAnswer['refused'][number]

/** Applies a push; answers the logs of which something was refused, each once, with the first reason. */
export async function ingest(
  deps: IngestDeps,
  push: Pick<Push, 'segments' | 'certificates'>,
): Promise<readonly Refused[]> {
  for (const encoded of push.certificates) {
    const verdict = await deps.certificates.enrol(deps.database.query, encoded)
    if (verdict.kind === 'refused') deps.logger.warn('certificate-refused', { reason: verdict.reason })
  }
  const refused = new Map<LogId, string>()
  const waiting = await ingestAll(deps, push.segments, refused)
  // An issuer's log later in the batch may have enrolled what these were written under.
  if (waiting.length > 0 && waiting.length < push.segments.length) {
    for (const { logId } of waiting) refused.delete(logId)
    await ingestAll(deps, waiting, refused)
  }
  // The rest a receiver folds meanwhile.
  await refoldWaiting(deps.database, deps.siteId, { nowAt: deps.clock.wallMs(), most: MAX_REFOLDS })
  return [...refused].map(([logId, reason]) => ({ logId, reason }))
}

/** Answers the segments of logs whose certificate was unknown. */
async function ingestAll(
  deps: IngestDeps,
  segments: readonly Segment[],
  refused: Map<LogId, string>,
): Promise<readonly Segment[]> {
  const waiting: Segment[] = []
  for (const segment of segments) {
    const before = refused.get(segment.logId)
    if (before?.startsWith('unknown-certificate')) waiting.push(segment)
    if (before !== undefined) continue
    const reason = await ingestSegment(deps, segment)
    if (reason === undefined) continue
    refused.set(segment.logId, reason)
    if (reason.startsWith('unknown-certificate')) waiting.push(segment)
    deps.logger.warn('segment-refused', { logId: segment.logId, fromSeq: segment.fromSeq, reason })
  }
  return waiting
}

/** One transaction. Answers why the segment was refused, or undefined when it is committed or was already there. */
async function ingestSegment(deps: IngestDeps, segment: Segment): Promise<string | undefined> {
  const outcome = await deps.database.transaction(sql => apply(deps, sql, segment), deps.siteId)
  switch (outcome.kind) {
    case 'admitted':
    case 'duplicate':
      return undefined
    case 'gap':
      return 'gap'
    case 'fork':
      return `fork at ${outcome.seq}`
    case 'unknown-certificate': {
      // Another receiver may have learned it since.
      const found = await deps.certificates.find(outcome.certHash)
      return found ? ingestSegment(deps, segment) : `unknown-certificate ${outcome.certHash}`
    }
    case 'invalid':
      return outcome.reason
  }
}

async function apply(deps: IngestDeps, sql: Sql, segment: Segment): Promise<Admission> {
  const found = await heldOf(deps, sql, segment)
  if (found && 'kind' in found) return found
  const admission = admit({ roster: deps.certificates.roster, signatures: deps.signatures }, segment, found)
  const nowAt = deps.clock.wallMs()
  const settlement = { siteId: deps.siteId, nowAt, finalise: new Set<SessionId>() }
  const weighing = { ...deps, sql }
  if (admission.kind === 'fork' && found) {
    const touched = await noteFork(weighing, found.certificate, { segment, fork: admission, nowAt })
    await refold(sql, settlement, touched)
  }
  if (admission.kind !== 'admitted') return admission
  const said = admission.events.map(event => decodeBody(event.type, event.body))
  await insertEvents(sql, deps.siteId, { admission, said, nowAt })
  await writeHead(sql, deps.siteId, admission)
  await enrolFrom(deps, sql, { admission, said })
  const [first] = admission.events
  if (first && isPricing({ admission, said }))
    await awaitRefold(sql, deps.siteId, { logId: first.logId, fromSeq: first.seq })
  const weighed = await noteStanding(weighing, { admission, said, nowAt })
  const bearers = await bearersOf(sql, deps.siteId, namelessIn({ admission, said }))
  const touched = joined(touchedBy({ admission, said }), weighed)
  await refold(sql, settlement, { ...touched, sessions: new Set([...touched.sessions, ...bearers]) })
  return admission
}

/** Whether sessions may have waited for it: a tariff may come after those that were shown it. */
function isPricing({ admission, said }: Said): boolean {
  return admission.certificate.roles.includes('issuer') && said.some(body => body?.name === 'tariff')
}

/** What we hold of the segment's log; the gate asks for hashes inside the segment and just before it. */
async function heldOf(
  deps: IngestDeps,
  sql: Sql,
  segment: Segment,
): Promise<Held | Extract<Admission, { kind: 'unknown-certificate' }> | undefined> {
  const { logId, fromSeq } = segment
  const heads = await sql('SELECT * FROM log_head WHERE site_id = $1 AND log_id = $2', [deps.siteId, logId])
  const row = heads.rows[0]
  if (!row) return undefined
  const certHash = textIn<CertHash>(row, 'cert_hash')
  const certificate = deps.certificates.roster.certificate(certHash)
  if (!certificate) return { kind: 'unknown-certificate', certHash }
  const found = await sql(
    'SELECT seq, event_hash FROM events WHERE site_id = $1 AND log_id = $2 AND seq >= $3 AND seq < $4',
    [deps.siteId, logId, fromSeq - 1, fromSeq + MAX_SEGMENT_EVENTS],
  )
  const hashes = new Map(
    found.rows.map(event => [intIn(event, 'seq'), textIn<EventHash>(event, 'event_hash')]),
  )
  const head = headOf(logId, row)
  hashes.set(head.seq, head.hash)
  return { certificate, head, hashAt: seq => hashes.get(seq) }
}

function headOf(logId: LogId, row: Row): LogHead {
  return {
    logId,
    seq: intIn(row, 'contiguous_seq'),
    hash: textIn<EventHash>(row, 'head_hash'),
    hlc: bigintIn(row, 'hlc'),
    monoMs: intIn(row, 'mono_ms'),
    closed: flagIn(row, 'closed'),
  }
}

type Admitted = Extract<Admission, { kind: 'admitted' }>
type Said = { readonly admission: Admitted; readonly said: readonly (AnyBody | undefined)[] }

async function insertEvents(
  sql: Sql,
  siteId: SiteId,
  { admission, said, nowAt }: Said & { nowAt: number },
): Promise<void> {
  const rows = admission.events.map((event, i) =>
    eventRow(siteId, event, { admission, said: said[i], nowAt, element: admission.elements[i] }),
  )
  const { text, params } = valuesOf(rows)
  const inserted = await sql(
    `INSERT INTO events (site_id, log_id, seq, event_hash, prev, type, hlc, mono_ms, element, received_at,
       charger_id, session_id, fold_key, sampled_at, register_wh, cites) VALUES ${text} ON CONFLICT DO NOTHING RETURNING seq`,
    params,
  )
  // The gate has compared every hash that was there; whoever commits between is a lost race and runs us again.
  invariant(inserted.rows.length === rows.length, 'an event lies behind its log head')
}

type Noted = {
  readonly admission: Admitted
  readonly said: AnyBody | undefined
  readonly element: Uint8Array | undefined
  readonly nowAt: number
}

function eventRow(
  siteId: SiteId,
  event: LogEvent,
  { admission, said, element, nowAt }: Noted,
): readonly Param[] {
  invariant(element !== undefined, 'an admitted event has no element')
  const columns = foldColumns(event, said, admission.certificate)
  return [
    siteId,
    event.logId,
    event.seq,
    event.hash,
    event.prev,
    event.type,
    event.hlc.toString(),
    event.monoMs,
    element,
    nowAt,
    columns.chargerId ?? null,
    columns.sessionId ?? null,
    columns.foldKey ?? null,
    columns.sampledAt ?? null,
    columns.registerWh ?? null,
    columns.cites ?? null,
  ]
}

async function writeHead(sql: Sql, siteId: SiteId, { head, certificate }: Admitted): Promise<void> {
  await sql(
    `INSERT INTO log_head (site_id, log_id, device_id, cert_hash, contiguous_seq, head_hash, hlc, mono_ms, closed,
       ack_due) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, true)
     ON CONFLICT (site_id, log_id) DO UPDATE SET contiguous_seq = excluded.contiguous_seq,
       head_hash = excluded.head_hash, hlc = excluded.hlc, mono_ms = excluded.mono_ms,
       closed = excluded.closed, ack_due = true`,
    [
      siteId,
      head.logId,
      certificate.deviceId,
      certificate.hash,
      head.seq,
      head.hash,
      head.hlc.toString(),
      head.monoMs,
      head.closed,
    ],
  )
}

function touchedBy({ admission, said }: Said): Touched {
  const sessions = new Set<SessionId>()
  const chargers = new Set<ChargerId>()
  for (const [i, event] of admission.events.entries()) {
    const body = said[i]
    const columns = foldColumns(event, body, admission.certificate)
    if (columns.sessionId) sessions.add(columns.sessionId)
    // A stop that names no session may belong to any of its charger's.
    else if (columns.chargerId && body?.name === 'session_end') chargers.add(columns.chargerId)
  }
  return { sessions, chargers }
}

/** Ticks that name no session: late, they say of one that is over when its energy flowed. */
function namelessIn({ admission, said }: Said): Nameless {
  const found = new Map<ChargerId, Set<number>>()
  for (const [i, event] of admission.events.entries()) {
    const body = said[i]
    const { chargerId, sessionId } = foldColumns(event, body, admission.certificate)
    if (body?.name !== 'meter_tick' || !chargerId || sessionId) continue
    found.set(chargerId, (found.get(chargerId) ?? new Set()).add(body.body.transactionId))
  }
  return found
}

function joined(one: Touched, other: Touched): Touched {
  return {
    sessions: new Set([...one.sessions, ...other.sessions]),
    chargers: new Set([...one.chargers, ...other.chargers]),
  }
}

/** Certificates in an issuer's log: the devices named there may be pushed from now on. */
async function enrolFrom(deps: IngestDeps, sql: Sql, { admission, said }: Said): Promise<void> {
  if (!admission.certificate.roles.includes('issuer')) return
  for (const body of said) {
    if (body?.name !== 'device_cert') continue
    const verdict = await deps.certificates.enrol(sql, body.body.certificate)
    if (verdict.kind === 'refused') deps.logger.warn('certificate-refused', { reason: verdict.reason })
  }
}
