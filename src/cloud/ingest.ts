// What a push does to the database: one serialisable transaction — gate, events, heads, exclusions, fold, bills
// (PROTOCOL 3.6) — and a word of refusal for every log that could not go on, so that one bad log never costs the rest of the
// batch. Anything may be pushed any number of times, by anybody, in any order. Nothing is acknowledged here (acks.ts).
//
// Why one transaction a push and not a segment: all that a push says is folded once, by statements whose number does not
// grow with it, and one flush makes it durable. What was refused by the gate writes nothing, so it takes nobody along. A
// transaction that loses a race begins anew from the heads as they are then, and what does not go together for another
// reason is tried by parts, down to one segment, so that none is kept out by its neighbours. A crash takes back all of it;
// the node, unacknowledged, pushes it again.
import { MeshError, reasonOf } from '../errors.ts'
import type { Signatures } from '../identity/signature.ts'
import type { Clock, Logger, Push, PushAnswer, Segment } from '../ports.ts'
import type { Remember } from '../remember.ts'
import type { ChargerId, LogId, SessionId, SiteId } from '../units.ts'
import { admitAll, type Refusal, type Said, type Step, type Taken } from './admitting.ts'
import { bearersOf, type Nameless } from './bearers.ts'
import type { CertificateStore } from './certificates.ts'
import type { Copy } from './copying.ts'
import type { Database, Sql } from './database.ts'
import { type Columned, columned, copyEvents, writeHeads } from './event-rows.ts'
import { heldLogs } from './held.ts'
import { awaitRefold } from './refolds.ts'
import { checkSeals } from './seals.ts'
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
type Refusals = Map<LogId, Refusal>

/** Applies a push; answers the logs of which something was refused, each once, with the first reason. */
export async function ingest(
  deps: IngestDeps,
  push: Pick<Push, 'segments' | 'certificates'>,
): Promise<readonly Refused[]> {
  for (const encoded of push.certificates) {
    const verdict = await deps.certificates.enrol(deps.database.query, encoded)
    if (verdict.kind === 'refused') deps.logger.warn('certificate-refused', { reason: verdict.reason })
  }
  const refused: Refusals = new Map()
  await take(deps, push.segments, refused)
  const learned = await learnedMeanwhile(deps, refused)
  for (const logId of learned) refused.delete(logId)
  if (learned.size > 0)
    await take(
      deps,
      push.segments.filter(segment => learned.has(segment.logId)),
      refused,
    )
  for (const [logId, { fromSeq, reason }] of refused)
    deps.logger.warn('segment-refused', { logId, fromSeq, reason })
  await refoldSome(deps)
  return [...refused].map(([logId, { reason }]) => ({ logId, reason }))
}

/** The rest a receiver folds meanwhile. What cannot be folded is none of this push's, which is committed and waits for its acks. */
async function refoldSome({ database, siteId, clock, logger }: IngestDeps): Promise<void> {
  try {
    await refoldWaiting(database, siteId, { clock, most: MAX_REFOLDS })
  } catch (error) {
    logger.error('refold-failed', { siteId, reason: reasonOf(error) })
  }
}

/** The logs whose certificate another receiver has learned since. */
async function learnedMeanwhile(deps: IngestDeps, refused: Refusals): Promise<ReadonlySet<LogId>> {
  const learned = new Set<LogId>()
  for (const [logId, { certHash }] of refused)
    if (certHash && (await deps.certificates.find(certHash))) learned.add(logId)
  return learned
}

/** Commits what these bring, together, or by parts. */
async function take(deps: IngestDeps, all: readonly Segment[], refused: Refusals): Promise<void> {
  const segments = all.filter(segment => !refused.has(segment.logId))
  if (segments.length === 0) return
  try {
    const taken = await takeTogether(deps, segments)
    for (const [logId, refusal] of taken.refused) refused.set(logId, refusal)
  } catch (error) {
    // A database that is away or too busy is so for every part: whoever pushed comes back, with less at a time.
    if (segments.length === 1 || (error instanceof MeshError && error.code === 'STORE_FAILED')) throw error
    deps.logger.error('push-taken-by-parts', { segments: segments.length, reason: reasonOf(error) })
    await takeByParts(deps, segments, refused)
  }
}

/** What cannot be taken stops nobody else; then it is said. */
async function takeByParts(deps: IngestDeps, segments: readonly Segment[], refused: Refusals): Promise<void> {
  const failures: unknown[] = []
  for (const segment of segments) {
    await take(deps, [segment], refused).catch((error: unknown) => failures.push(error))
  }
  if (failures.length > 0) throw failures[0]
}

async function takeTogether(deps: IngestDeps, segments: readonly Segment[]): Promise<Taken> {
  const { siteId, certificates, signatures, database } = deps
  const holding = { siteId, roster: certificates.roster }
  const seen = await heldLogs(database.query, holding, segments)
  const remember = await checkSeals({ roster: holding.roster, signatures }, segments, seen)
  return database.transaction((sql, copy) => apply({ ...deps, sql, copy }, { segments, remember }), siteId)
}

type Applying = IngestDeps & { readonly sql: Sql; readonly copy: Copy }
type Read = { readonly segments: readonly Segment[]; readonly remember: Remember }

/** May run several times; each time from what is committed then. */
async function apply(on: Applying, { segments, remember }: Read): Promise<Taken> {
  const { siteId, signatures, certificates, sql, copy } = on
  const { roster } = certificates
  const held = await heldLogs(sql, { siteId, roster }, segments)
  const taken = admitAll({ roster, signatures, remember }, segments, held)
  if (taken.steps.length === 0) return taken
  const nowAt = on.clock.wallMs()
  const news = taken.steps.flatMap(step => (step.kind === 'admitted' ? columned(step) : []))
  await copyEvents(copy, siteId, { news, nowAt })
  await writeHeads(sql, siteId, news)
  // Who began these logs may be known to this process alone, from a log that was refused: no other could go on with them.
  for (const { admission } of news)
    if (admission.events[0]?.seq === 0) await certificates.enrol(sql, admission.certificate.encoded)
  const touched = touchedBy(news)
  for (const step of taken.steps) await weighStep(on, step, { nowAt, touched })
  for (const sessionId of await bearersOf(sql, siteId, namelessIn(news))) touched.sessions.add(sessionId)
  await refold(sql, { siteId, nowAt, finalise: new Set<SessionId>() }, touched)
  return taken
}

type Growing = { readonly sessions: Set<SessionId>; readonly chargers: Set<ChargerId> }
type Weighing = { readonly nowAt: number; readonly touched: Growing }

/** What a segment says of other logs and of tariffs; the sessions that it moves are added to `touched`. */
async function weighStep(on: Applying, step: Step, { nowAt, touched }: Weighing): Promise<void> {
  if (step.kind === 'fork') {
    addAll(touched, await noteFork(on, step.certificate, { ...step, nowAt }))
    return
  }
  await enrolFrom(on, step)
  const [first] = step.admission.events
  if (first && isPricing(step))
    await awaitRefold(on.sql, on.siteId, { logId: first.logId, fromSeq: first.seq })
  addAll(touched, await noteStanding(on, { ...step, nowAt }))
}

function addAll(touched: Growing, more: Touched): void {
  for (const sessionId of more.sessions) touched.sessions.add(sessionId)
  for (const chargerId of more.chargers) touched.chargers.add(chargerId)
}

/** Whether sessions may have waited for it: a tariff may come after those that were shown it. */
function isPricing({ admission, said }: Said): boolean {
  return admission.certificate.roles.includes('issuer') && said.some(body => body?.name === 'tariff')
}

/** Certificates in an issuer's log, written down for every receiver. */
async function enrolFrom({ certificates, logger, sql }: Applying, { admission, said }: Said): Promise<void> {
  if (!admission.certificate.roles.includes('issuer')) return
  for (const body of said) {
    if (body?.name !== 'device_cert') continue
    const verdict = await certificates.enrol(sql, body.body.certificate)
    if (verdict.kind === 'refused') logger.warn('certificate-refused', { reason: verdict.reason })
  }
}

function touchedBy(news: readonly Columned[]): Growing {
  const touched: Growing = { sessions: new Set(), chargers: new Set() }
  for (const { said, columns } of news)
    for (const [i, { sessionId, chargerId }] of columns.entries()) {
      // A mark says that the cloud has the stop, which changes nothing that the cloud knows, nor what anybody owes.
      if (said[i]?.name === 'reconciliation_mark') continue
      if (sessionId) touched.sessions.add(sessionId)
      // A stop that names no session may belong to any of its charger's.
      else if (chargerId && said[i]?.name === 'session_end') touched.chargers.add(chargerId)
    }
  return touched
}

/** Ticks that name no session: late, they say of one that is over when its energy flowed. */
function namelessIn(news: readonly Columned[]): Nameless {
  const found = new Map<ChargerId, Set<number>>()
  for (const { said, columns } of news)
    for (const [i, { sessionId, chargerId }] of columns.entries()) {
      const body = said[i]
      if (body?.name !== 'meter_tick' || !chargerId || sessionId) continue
      found.set(chargerId, (found.get(chargerId) ?? new Set()).add(body.body.transactionId))
    }
  return found
}
