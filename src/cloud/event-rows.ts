// The rows of events and of the heads of their logs, of all segments that a push gains, with COPY and one statement.
import { invariant } from '../errors.ts'
import type { LogId, SiteId } from '../units.ts'
import type { Admitted, Said } from './admitting.ts'
import { type FoldColumns, foldColumns } from './columns.ts'
import type { Copy } from './copying.ts'
import type { Sql } from './database.ts'
import { type Cell, insertRows, type Table } from './inserting.ts'

/** What was admitted, with the columns by which each event is found again. */
export type Columned = Said & { readonly columns: readonly FoldColumns[] }

const EVENTS = [
  ...['site_id', 'log_id', 'seq', 'event_hash', 'prev', 'type', 'hlc', 'mono_ms', 'element', 'received_at'],
  ...['charger_id', 'session_id', 'fold_key', 'sampled_at', 'register_wh', 'cites'],
]

const HEADS: Table = {
  name: 'log_head',
  columns: [
    ['log_id', 'text'],
    ['device_id', 'text'],
    ['cert_hash', 'text'],
    ['contiguous_seq', 'bigint'],
    ['head_hash', 'text'],
    ['hlc', 'numeric'],
    ['mono_ms', 'bigint'],
    ['closed', 'boolean'],
    ['ack_due', 'boolean'],
  ],
  conflict: `ON CONFLICT (site_id, log_id) DO UPDATE SET contiguous_seq = excluded.contiguous_seq,
     head_hash = excluded.head_hash, hlc = excluded.hlc, mono_ms = excluded.mono_ms,
     closed = excluded.closed, ack_due = true`,
}

export function columned({ admission, said }: Said): Columned {
  const columns = admission.events.map((event, i) => foldColumns(event, said[i], admission.certificate))
  return { admission, said, columns }
}

/** The gate has compared every hash that was there; whoever commits one between is a lost race and runs us again. */
export async function copyEvents(
  copy: Copy,
  siteId: SiteId,
  { news, nowAt }: { readonly news: readonly Columned[]; readonly nowAt: number },
): Promise<void> {
  const rows = news.flatMap(one => rowsOf(siteId, one, nowAt))
  if (rows.length > 0) await copy('events', EVENTS, rows)
}

function rowsOf(
  siteId: SiteId,
  { admission, columns }: Columned,
  nowAt: number,
): readonly (readonly Cell[])[] {
  return admission.events.map((event, i) => {
    const element = admission.elements[i]
    invariant(element !== undefined, 'an admitted event has no element')
    const { chargerId, sessionId, foldKey, sampledAt, registerWh, cites } = columns[i] ?? {}
    return [
      siteId,
      event.logId,
      event.seq,
      event.hash,
      event.prev,
      event.type,
      event.hlc,
      event.monoMs,
      element,
      nowAt,
      chargerId ?? null,
      sessionId ?? null,
      foldKey ?? null,
      sampledAt ?? null,
      registerWh ?? null,
      cites ?? null,
    ]
  })
}

/** Of several segments of one log the last says how far it goes. */
export async function writeHeads(sql: Sql, siteId: SiteId, news: readonly Said[]): Promise<void> {
  const newest = new Map<LogId, Admitted>(news.map(({ admission }) => [admission.head.logId, admission]))
  const rows = [...newest.values()].map(({ head, certificate }): readonly Cell[] => [
    head.logId,
    certificate.deviceId,
    certificate.hash,
    head.seq,
    head.hash,
    head.hlc,
    head.monoMs,
    head.closed,
    true,
  ])
  await insertRows(sql, siteId, HEADS, rows)
}
