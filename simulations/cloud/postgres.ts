// The cloud of a simulated site on a database: production's ingest, acks, finalisation and gaps, called as its HTTP door
// calls them, on PGlite. Many worlds may share one database, because every row is keyed by its site; calls of one cloud
// are done one after another, in the order in which they were made. A fail-over deletes the site's rows and lets
// production take in again, at their own times, the pushes that survived: every commit is a function of those before it.
import { acksSince, signDueAcks } from '../../src/cloud/acks.ts'
import { type CertificateStore, openCertificates } from '../../src/cloud/certificates.ts'
import type { Database, Row } from '../../src/cloud/database.ts'
import { wordsFor } from '../../src/cloud/downwards.ts'
import { finalise } from '../../src/cloud/finalise.ts'
import { gapsOf } from '../../src/cloud/gaps.ts'
import { ingest } from '../../src/cloud/ingest.ts'
import { heedClaims } from '../../src/cloud/regression.ts'
import { bytesIn, intIn, optionalIntIn, textIn } from '../../src/cloud/rows.ts'
import { enterSite, migrate } from '../../src/cloud/schema.ts'
import { billOf } from '../../src/cloud/session-rows.ts'
import { InvariantBroken, invariant } from '../../src/errors.ts'
import type { Certificate } from '../../src/identity/certificate.ts'
import { decodeBody } from '../../src/log/body.ts'
import { decodeElement } from '../../src/log/event.ts'
import type { Push, PushAnswer } from '../../src/ports.ts'
import { PRUNING_DURABILITY } from '../../src/replica/cut.ts'
import type { CertHash, ChargerId, EventHash, LogId, SessionId, SiteId } from '../../src/units.ts'
import {
  away,
  type CloudBill,
  type CloudDeps,
  type CloudHead,
  type CloudSession,
  createCounters,
  type SimulatedCloud,
  verifyingOnce,
} from './cloud.ts'

type Change = { readonly kind: 'push'; readonly push: Push } | { readonly kind: 'finalise' }
type Changed = { readonly atMs: number; readonly wallAt: number; readonly change: Change }
type Site = { readonly database: Database; readonly siteId: SiteId }

const ALL = { after: '', limit: 1_000_000 }

/** What an earlier world of the same site left behind is deleted first. */
export async function postgresCloud(
  deps: CloudDeps & { readonly database: Database },
): Promise<SimulatedCloud> {
  const { database, siteId, rootKey } = deps
  const counters = createCounters()
  const inTurn = queue()
  let [cloudEpoch, isDown, tries] = [1, false, 0]
  let journal: Changed[] = []
  /** The time of what is done again; else it is now. */
  let again: number | undefined
  const clock = { ...deps.clock, wallMs: () => again ?? deps.clock.wallMs() }
  const signatures = verifyingOnce(deps.signatures, () => again !== undefined)
  await migrate(database)
  let open = await openSite({ ...deps, signatures })

  const take = async (change: Change): Promise<PushAnswer['refused']> => {
    if (change.kind === 'push') return ingest({ ...deps, ...open, signatures, clock }, change.push)
    await finalise(database, siteId, clock)
    return []
  }
  const commit = (change: Change): Promise<PushAnswer['refused']> => {
    journal.push({ atMs: clock.monotonicMs(), wallAt: clock.wallMs(), change })
    return take(change)
  }
  const answer = async (push: Push): Promise<PushAnswer> => {
    const heeding = { ...deps, ...open, signatures, signer: { certHash: open.certHash } }
    if (await heedClaims(heeding, push.objects)) cloudEpoch = await epochOf(deps)
    const logIds = [...new Set(push.segments.map(segment => segment.logId))]
    const before = await seqsOf(deps, logIds)
    const refused = await commit({ kind: 'push', push })
    const after = await seqsOf(deps, logIds)
    counters.add(push, refused, logId => (after.get(logId) ?? -1) - (before.get(logId) ?? -1))
    const signer = { certHash: open.certHash, logKey: deps.cloud.logKey, signatures }
    await signDueAcks({ database, siteId, signer, clock, durability: async () => PRUNING_DURABILITY })
    const page = await acksSince(deps, push.sinceVersion, logIds)
    const words = await wordsFor({ ...deps, ...open, signatures }, { push, asker: open.own, page })
    return { ...words, refused, wireBytes: 0 }
  }
  const rewind = async (ageMs: number, epochs = 1): Promise<void> => {
    const untilMs = clock.monotonicMs() - ageMs
    journal = journal.filter(made => made.atMs <= untilMs)
    cloudEpoch += epochs
    again = clock.wallMs()
    open = await openSite({ ...deps, signatures })
    for (const { wallAt, change } of journal) {
      again = wallAt
      await take(change)
    }
    again = undefined
    await enterSite(database, { siteId, rootKey, name: 'simulated' }, cloudEpoch)
  }

  return {
    push: push => {
      tries += 1
      const refusal = isDown ? away(tries) : undefined
      return refusal ? Promise.reject(refusal) : inTurn(() => answer(push))
    },
    down: on => {
      isDown = on
    },
    failover: losesMs => inTurn(() => rewind(losesMs)),
    restore: ageMs => inTurn(() => rewind(ageMs)),
    forget: losesMs => inTurn(() => rewind(losesMs, 0)),
    finalise: () => inTurn(async () => void (await commit({ kind: 'finalise' }))),
    sessions: () => inTurn(() => sessionsOf(deps)),
    bills: () => inTurn(() => billsOf(deps)),
    heads: () => inTurn(() => headsOf(deps)),
    gaps: () => inTurn(() => gapsOf(database, siteId, ALL)),
    epoch: () => cloudEpoch,
    counters: counters.read,
    close: () => inTurn(() => forget(deps)),
  }
}

/** One after another, in the order of the calls, whatever became of the one before. */
function queue(): <T>(run: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  return run => {
    const mine = last.then(run)
    last = mine.catch(() => undefined)
    return mine
  }
}

/** As openReceiver does it, for a site of which nothing is known yet. */
async function openSite(deps: CloudDeps & Site): Promise<{
  readonly certificates: CertificateStore
  readonly certHash: CertHash
  readonly own: Certificate
}> {
  const { database, siteId, rootKey } = deps
  await forget(deps)
  await enterSite(database, { siteId, rootKey, name: 'simulated' }, 1)
  const certificates = await openCertificates(deps)
  const own = await certificates.enrol(database.query, deps.cloud.certificate)
  invariant(own.kind === 'valid' && own.certificate.roles.includes('cloud'), 'the cloud may sign receipts')
  return { certificates, certHash: own.certificate.hash, own: own.certificate }
}

async function epochOf({ database, siteId }: Site): Promise<number> {
  const found = await database.query('SELECT cloud_epoch FROM sites WHERE site_id = $1', [siteId])
  return found.rows[0] ? intIn(found.rows[0], 'cloud_epoch') : 1
}

async function forget({ database, siteId }: Site): Promise<void> {
  const tables = await database.query(
    `SELECT table_name FROM information_schema.columns
     WHERE column_name = 'site_id' AND table_schema = current_schema() ORDER BY table_name`,
  )
  for (const row of tables.rows)
    await database.query(`DELETE FROM ${textIn(row, 'table_name')} WHERE site_id = $1`, [siteId])
}

async function seqsOf({ database, siteId }: Site, logIds: readonly LogId[]): Promise<Map<LogId, number>> {
  const found = await database.query(
    'SELECT log_id, contiguous_seq FROM log_head WHERE site_id = $1 AND log_id = ANY($2::text[])',
    [siteId, logIds],
  )
  return new Map(found.rows.map(row => [textIn<LogId>(row, 'log_id'), intIn(row, 'contiguous_seq')]))
}

/** The rows, with the registers of the start and the stop that they name. */
async function sessionsOf({ database, siteId }: Site): Promise<readonly CloudSession[]> {
  const eventAt = (
    ref: string,
    name: string,
  ): string => `LEFT JOIN events ${name} ON ${name}.site_id = s.site_id
    AND ${name}.log_id = split_part(s.${ref}, '/', 1) AND ${name}.seq = split_part(s.${ref}, '/', 2)::bigint`
  const found = await database.query(
    `SELECT s.*, a.element AS started, z.element AS stopped FROM sessions s
     ${eventAt('start_ref', 'a')} ${eventAt('end_ref', 'z')}
     WHERE s.site_id = $1 ORDER BY s.session_id`,
    [siteId],
  )
  return found.rows.map(row => {
    const energyWh = optionalIntIn(row, 'energy_wh')
    return {
      sessionId: textIn<SessionId>(row, 'session_id'),
      chargerId: textIn<ChargerId>(row, 'charger_id'),
      meterStartWh: registerIn(row, 'started'),
      ...(row.stopped !== null && { meterStopWh: registerIn(row, 'stopped') }),
      ...(energyWh !== undefined && { energyWh }),
      state: textIn<CloudSession['state']>(row, 'state'),
      flags: textIn(row, 'flags')
        .split(',')
        .filter(flag => flag !== ''),
    }
  })
}

function registerIn(row: Row, column: string): number {
  const element = decodeElement(bytesIn(row, column))
  const said = typeof element === 'string' ? undefined : decodeBody(element.type, element.body)
  if (said?.name === 'session_start') return said.body.meterStartWh
  if (said?.name === 'session_end') return said.body.meterStopWh
  throw new InvariantBroken(`what a session calls ${column} is neither a start nor a stop`)
}

async function billsOf(site: Site): Promise<readonly CloudBill[]> {
  const sessions = new Map((await sessionsOf(site)).map(session => [session.sessionId, session]))
  const found = await site.database.query(
    'SELECT * FROM bills WHERE site_id = $1 ORDER BY session_id, revision',
    [site.siteId],
  )
  return found.rows.map(row => {
    const session = sessions.get(textIn<SessionId>(row, 'session_id'))
    invariant(session !== undefined, 'a bill has its session')
    const { sessionId, chargerId, meterStartWh } = session
    const { inputHash: _, ...bill } = billOf(row)
    return { sessionId, chargerId, meterStartWh, ...bill }
  })
}

async function headsOf({ database, siteId }: Site): Promise<ReadonlyMap<LogId, CloudHead>> {
  const found = await database.query(
    `SELECT h.log_id, h.contiguous_seq, h.head_hash, x.from_seq FROM log_head h
     LEFT JOIN exclusions x ON x.site_id = h.site_id AND x.log_id = h.log_id AND x.reason = 'fork'
     WHERE h.site_id = $1 ORDER BY h.log_id`,
    [siteId],
  )
  return new Map(
    found.rows.map(row => {
      const forkSeq = optionalIntIn(row, 'from_seq')
      const head = { seq: intIn(row, 'contiguous_seq'), hash: textIn<EventHash>(row, 'head_hash') }
      return [textIn<LogId>(row, 'log_id'), { ...head, ...(forkSeq !== undefined && { forkSeq }) }]
    }),
  )
}
