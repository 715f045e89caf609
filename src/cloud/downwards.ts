// What goes down with the answer to a push: what operators have said (cards, revocations, tariffs, policies), beyond what
// the push holds; the certificates under which they said it; and the newest beacons that pushes brought. Nothing else, and
// nothing to a device that was revoked. Every byte was signed by its author and is judged again by whoever takes it, so an
// older cloud can only be silent, never undo. When there is nothing new a push costs one statement here.
import type { Certificate } from '../identity/certificate.ts'
import type { AnsweredHead, Push, PushAnswer } from '../ports.ts'
import { encodeUpdate, MAX_SEGMENT_EVENTS } from '../replica/canonical.ts'
import { endOfSegment } from '../replica/logs.ts'
import type { CertHash, EventHash, LogId } from '../units.ts'
import {
  MAX_HELD_LOGS,
  MAX_PUSH_CERTIFICATES,
  MAX_PUSH_OBJECTS,
  MAX_PUSH_SEGMENTS,
} from '../uplink/request.ts'
import type { AckPage } from './acks.ts'
import { keepBeacons, type WordsDeps } from './beacons.ts'
import type { Row } from './database.ts'
import { countsIn } from './exclusion.ts'
import { bytesIn, intIn, optionalIntIn, textIn } from './rows.ts'
import { isOperator } from './weighing.ts'

/** Of segments in one answer; a node takes it in some tenths of a second, and asks on. */
export const MAX_DOWN_BYTES = 256 * 1024
/** A certificate comes with its issuer's. */
const CHAIN_LENGTH = 2

export type Asked = {
  readonly push: Pick<Push, 'holds' | 'objects' | 'sinceVersion'>
  /** Who asks, by a signature that was checked. */
  readonly asker: Certificate
  /** The acks that it is answered. */
  readonly page: AckPage
}

export type Words = Pick<PushAnswer, 'version' | 'acks' | 'segments' | 'certificates' | 'more' | 'heads'>

/** Keeps the beacons that a push brought, and adds to its acks what operators have said that the asker does not hold. */
export async function wordsFor(deps: WordsDeps, { push, asker, page }: Asked): Promise<Words> {
  await keepBeacons(deps, push.objects ?? [])
  if (!push.holds) return page
  const known = await whatIsKnown(deps, { asker, page, since: push.sinceVersion })
  if (known.isRevoked) return page
  const own = known.logs.filter(log => log.certificate.deviceId === asker.deviceId)
  const held = new Map(push.holds.map(log => [log.logId, log.nextSeq]))
  const down = await segmentsBeyond(deps, known.logs, held)
  const authors = [...down.begun, ...known.beacons.map(beacon => beacon.certificate)]
  return {
    ...page,
    acks: [...page.acks, ...known.beacons.map(beacon => beacon.encoded)],
    ...(down.segments.length > 0 && { segments: down.segments }),
    ...(authors.length > 0 && { certificates: chainsOf(deps, authors) }),
    ...(down.more && { more: true }),
    ...(own.length > 0 && { heads: own.slice(-MAX_HELD_LOGS).map(headIn) }),
  }
}

type OperatorLog = {
  readonly logId: LogId
  readonly certificate: Certificate
  readonly seq: number
  readonly hash: EventHash
  readonly forkedAt: number | undefined
}

type Known = {
  readonly isRevoked: boolean
  readonly logs: readonly OperatorLog[]
  readonly beacons: readonly { readonly certificate: Certificate; readonly encoded: Uint8Array }[]
}

type Question = Pick<Asked, 'asker' | 'page'> & { readonly since: number }

/** One statement, unless another receiver has learned certificates that this one does not know. */
async function whatIsKnown(deps: WordsDeps, question: Question): Promise<Known> {
  const { roster, reload } = deps.certificates
  const rows = await lookUp(deps, question)
  const stored = rows.find(row => row.what === 'certificates')
  if (stored && intIn(stored, 'n') > roster.all().length) {
    const before = roster.all().length
    await reload()
    if (roster.all().length > before) return readKnown(deps, await lookUp(deps, question))
  }
  return readKnown(deps, rows)
}

async function lookUp(
  { database, siteId, certificates }: WordsDeps,
  { asker, page, since }: Question,
): Promise<readonly Row[]> {
  const operators = [
    ...new Set(
      certificates.roster
        .all()
        .filter(isOperator)
        .map(one => one.deviceId),
    ),
  ]
  const found = await database.query(
    `SELECT 'log' AS what, h.log_id, h.cert_hash, h.contiguous_seq AS n, x.from_seq AS forked_at, h.head_hash,
       NULL::bytea AS encoded
     FROM log_head h
     LEFT JOIN exclusions x ON x.site_id = h.site_id AND x.log_id = h.log_id AND x.reason = 'fork'
     WHERE h.site_id = $1 AND h.device_id = ANY($2::text[])
     UNION ALL
     SELECT * FROM (SELECT 'beacon', log_id, cert_hash, version, NULL::bigint, NULL, encoded FROM beacons
       WHERE site_id = $1 AND version > $3 ORDER BY version DESC LIMIT ${MAX_PUSH_OBJECTS}) b
     UNION ALL
     SELECT 'certificates', NULL, NULL, count(*), NULL, NULL, NULL FROM certificates WHERE site_id = $1
     UNION ALL
     SELECT 'revoked', NULL, NULL, count(*), NULL, NULL, NULL FROM revocations r
     WHERE r.site_id = $1 AND r.device_id = $4 AND r.serial >= $5 AND ${countsIn('r')}`,
    // Who has seen more versions than there are has seen another database: it gets everything (acks.ts).
    [siteId, operators, since > page.version ? 0 : since, asker.deviceId, asker.serial],
  )
  return found.rows
}

function readKnown({ certificates }: WordsDeps, rows: readonly Row[]): Known {
  const revoked = rows.find(row => row.what === 'revoked')
  const authored = rows.flatMap(row => {
    const certificate =
      row.cert_hash === null ? undefined : certificates.roster.certificate(textIn<CertHash>(row, 'cert_hash'))
    return certificate ? [{ row, certificate }] : []
  })
  return {
    isRevoked: revoked !== undefined && intIn(revoked, 'n') > 0,
    logs: authored
      .filter(({ row }) => row.what === 'log')
      .map(({ row, certificate }) => ({
        logId: textIn<LogId>(row, 'log_id'),
        certificate,
        seq: intIn(row, 'n'),
        hash: textIn<EventHash>(row, 'head_hash'),
        forkedAt: optionalIntIn(row, 'forked_at'),
      })),
    beacons: authored
      .filter(({ row }) => row.what === 'beacon')
      .map(({ row, certificate }) => ({ certificate, encoded: bytesIn(row, 'encoded') })),
  }
}

function headIn({ logId, seq, hash, forkedAt }: OperatorLog): AnsweredHead {
  return { logId, seq, hash, ...(forkedAt !== undefined && { forkedAt }) }
}

type Down = {
  readonly segments: NonNullable<PushAnswer['segments']>
  /** Who wrote the logs of which the asker holds nothing. */
  readonly begun: readonly Certificate[]
  readonly more: boolean
}

type Wanted = OperatorLog & { readonly fromSeq: number; readonly untilSeq: number }

async function segmentsBeyond(
  deps: WordsDeps,
  logs: readonly OperatorLog[],
  held: ReadonlyMap<LogId, number>,
): Promise<Down> {
  const wanted: readonly Wanted[] = logs
    .map(log => ({
      ...log,
      fromSeq: held.get(log.logId) ?? 0,
      // Behind a fork nothing counts, whichever branch it is of.
      untilSeq: Math.min(log.seq + 1, log.forkedAt ?? Number.POSITIVE_INFINITY),
    }))
    .filter(log => log.fromSeq < log.untilSeq)
  const segments: Down['segments'][number][] = []
  const begun: Certificate[] = []
  let room = MAX_DOWN_BYTES
  for (const log of wanted.toSorted(inOrder)) {
    if (room <= 0 || (begun.length + 1) * CHAIN_LENGTH > MAX_PUSH_CERTIFICATES / 2)
      return { segments, begun, more: true }
    const taken = await segmentsOf(deps, log, { room, most: MAX_PUSH_SEGMENTS - segments.length })
    if (taken.segments.length > 0 && log.fromSeq === 0) begun.push(log.certificate)
    segments.push(...taken.segments)
    room -= taken.segments.reduce((sum, { update }) => sum + update.length, 0)
    if (taken.isCut) return { segments, begun, more: true }
  }
  return { segments, begun, more: false }
}

/** Who can only revoke goes first; then what lacks the least, which is news, before what a newcomer has to catch up. */
function inOrder(a: Wanted, b: Wanted): number {
  const rank = ({ certificate }: Wanted): number => (certificate.roles.includes('revoker') ? 0 : 1)
  const lack = ({ fromSeq, untilSeq }: Wanted): number => untilSeq - fromSeq
  return rank(a) - rank(b) || lack(a) - lack(b) || (a.logId < b.logId ? -1 : 1)
}

type Slice = { readonly segments: Down['segments']; readonly isCut: boolean }

async function segmentsOf(
  { database, siteId }: WordsDeps,
  { logId, fromSeq, untilSeq }: Wanted,
  { room, most }: { readonly room: number; readonly most: number },
): Promise<Slice> {
  const segments: Down['segments'][number][] = []
  let [from, left] = [fromSeq, room]
  while (from < untilSeq) {
    // One segment always goes, or a log of long events would never arrive.
    if (left <= 0 || segments.length >= most) return { segments, isCut: true }
    const found = await database.query(
      'SELECT element FROM events WHERE site_id = $1 AND log_id = $2 AND seq >= $3 AND seq < $4 ORDER BY seq',
      [siteId, logId, from, Math.min(untilSeq, from + MAX_SEGMENT_EVENTS)],
    )
    const elements = found.rows.map(row => bytesIn(row, 'element'))
    const end = endOfSegment(elements, 0)
    // Below a fork there need not be a seal.
    if (end === undefined) break
    const update = encodeUpdate(from, elements.slice(0, end))
    segments.push({ logId, fromSeq: from, update })
    from += end
    left -= update.length
  }
  return { segments, isCut: false }
}

/** Issuers before those whom they certified. */
function chainsOf({ certificates }: WordsDeps, authors: readonly Certificate[]): readonly Uint8Array[] {
  const chains = new Map<CertHash, Uint8Array>()
  for (const author of authors) {
    const issuer = certificates.roster.certificate(author.issuedBy)
    if (issuer) chains.set(issuer.hash, issuer.encoded)
    chains.set(author.hash, author.encoded)
  }
  return [...chains.values()].slice(0, MAX_PUSH_CERTIFICATES)
}
