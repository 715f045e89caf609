// What the database holds of the logs of a push, as the gate asks for it: heads of all in one statement, and the hashes that
// segments lie over in another. Each segment that is admitted moves its log on here, so that the next one finds it.
import type { Certificate } from '../identity/certificate.ts'
import type { Roster } from '../identity/roster.ts'
import type { LogHead } from '../log/event.ts'
import type { Segment } from '../ports.ts'
import type { Admission, Held } from '../replica/admit.ts'
import { MAX_SEGMENT_EVENTS } from '../replica/canonical.ts'
import type { CertHash, EventHash, LogId, SiteId } from '../units.ts'
import type { Row, Sql } from './database.ts'
import { bigintIn, flagIn, intIn, textIn } from './rows.ts'

type Admitted = Extract<Admission, { kind: 'admitted' }>
type Unknown = Extract<Admission, { kind: 'unknown-certificate' }>

export type HeldLogs = {
  /** `unknown-certificate`: another receiver took the log, under a certificate that this one has not heard of. */
  readonly of: (logId: LogId) => Held | Unknown | undefined
  readonly moveOn: (admission: Admitted) => void
}

type Book = {
  readonly certificate: Certificate
  readonly hashes: Map<number, EventHash>
  head: LogHead
}

export type Holding = { readonly siteId: SiteId; readonly roster: Roster }

export async function heldLogs(
  sql: Sql,
  { siteId, roster }: Holding,
  segments: readonly Segment[],
): Promise<HeldLogs> {
  const books = new Map<LogId, Book | Unknown>()
  const logIds = [...new Set(segments.map(segment => segment.logId))]
  const heads = await sql('SELECT * FROM log_head WHERE site_id = $1 AND log_id = ANY($2::text[])', [
    siteId,
    logIds,
  ])
  for (const row of heads.rows) {
    const [logId, certHash] = [textIn<LogId>(row, 'log_id'), textIn<CertHash>(row, 'cert_hash')]
    const certificate = roster.certificate(certHash)
    const head = headOf(logId, row)
    books.set(
      logId,
      certificate
        ? { certificate, head, hashes: new Map([[head.seq, head.hash]]) }
        : { kind: 'unknown-certificate', certHash },
    )
  }
  await readHashes(sql, siteId, { segments, books })
  return {
    of: logId => {
      const book = books.get(logId)
      if (!book || 'kind' in book) return book
      return { certificate: book.certificate, head: book.head, hashAt: seq => book.hashes.get(seq) }
    },
    moveOn: ({ events, head, certificate }) => {
      const book = books.get(head.logId)
      const hashes = book && !('kind' in book) ? book.hashes : new Map<number, EventHash>()
      for (const { seq, hash } of events) hashes.set(seq, hash)
      books.set(head.logId, { certificate, head, hashes })
    },
  }
}

type Asked = {
  readonly segments: readonly Segment[]
  readonly books: ReadonlyMap<LogId, Book | Unknown>
}

/** Of segments that lie over what is here; one that begins right behind the head needs the head's alone. */
async function readHashes(sql: Sql, siteId: SiteId, { segments, books }: Asked): Promise<void> {
  const over = segments.filter(({ logId, fromSeq }) => {
    const book = books.get(logId)
    return book && !('kind' in book) && fromSeq <= book.head.seq
  })
  if (over.length === 0) return
  const found = await sql(
    `SELECT e.log_id, e.seq, e.event_hash FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS w (log_id, low, high)
     JOIN events e ON e.site_id = $1 AND e.log_id = w.log_id AND e.seq >= w.low AND e.seq < w.high`,
    [
      siteId,
      over.map(({ logId }) => logId),
      over.map(({ fromSeq }) => fromSeq - 1),
      over.map(({ fromSeq }) => fromSeq + MAX_SEGMENT_EVENTS),
    ],
  )
  for (const row of found.rows) {
    const book = books.get(textIn<LogId>(row, 'log_id'))
    if (book && !('kind' in book)) book.hashes.set(intIn(row, 'seq'), textIn<EventHash>(row, 'event_hash'))
  }
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
