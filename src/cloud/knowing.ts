// What a verdict needs besides a charger's own words: what people decided and refunded, and the tariffs that are cited. One
// query each, for all sessions of all folds at once.
import { type Corrections, createCorrections } from '../billing/corrections.ts'
import type { TariffAt } from '../billing/due.ts'
import { certificateRoles } from '../identity/certificate.ts'
import { type EventRef, TYPE_NUMBERS } from '../log/body.ts'
import type { Session } from '../session/fold.ts'
import { isUsable, type Tariff } from '../tariff/tariffs.ts'
import type { SessionId } from '../units.ts'
import { eventIn } from './charger.ts'
import { placeText, TARIFF_KEY } from './columns.ts'
import type { Row, Sql } from './database.ts'
import { bytesIn, optionalTextIn } from './rows.ts'
import { COLUMNS, COUNTING, COUNTS } from './ticks.ts'

export type KnownMoney = {
  readonly tariffAt: TariffAt
  readonly correctionsOf: (sessionId: SessionId) => Corrections
}

type Folded = { readonly sessions: readonly Session[]; readonly loaded: readonly SessionId[] }

const { refund, resolution } = TYPE_NUMBERS

export async function knowingOf(sql: Sql, siteId: string, folds: readonly Folded[]): Promise<KnownMoney> {
  const sessions = folds.flatMap(fold => fold.sessions)
  const ids = [...new Set([...folds.flatMap(fold => fold.loaded), ...sessions.map(one => one.sessionId)])]
  const corrections = createCorrections()
  const cited: EventRef[] = []
  // Only issuers' words have a session here (columns.ts).
  const said = await sql(
    `SELECT ${COLUMNS} ${COUNTING} AND e.session_id = ANY($2::text[]) AND e.type IN (${refund}, ${resolution})`,
    [siteId, ids],
  )
  for (const row of said.rows) {
    const read = eventIn(row)
    if (!read) continue
    corrections.add(read[0], read[1])
    if (read[1].name === 'resolution' && read[1].body.keep) cited.push(read[1].body.keep)
  }
  for (const { pricings } of sessions) for (const { body } of pricings) cited.push(body.tariff)
  return { tariffAt: await tariffsOf(sql, siteId, cited), correctionsOf: corrections.of }
}

/** Tariffs of issuers that count; one beyond a cut-off is as if it had never been there. */
async function tariffsOf(sql: Sql, siteId: string, cited: readonly EventRef[]): Promise<TariffAt> {
  const places = new Map(cited.map(ref => [placeText(ref), ref]))
  if (places.size === 0) return () => undefined
  const refs = [...places.values()]
  const found = await sql(
    `SELECT ${COLUMNS}, e.fold_key, c.encoded AS author FROM unnest($2::text[], $3::text[]) AS w (log_id, seq)
     JOIN events e ON e.site_id = $1 AND e.log_id = w.log_id AND e.seq = w.seq::bigint
     JOIN log_head h ON h.site_id = e.site_id AND h.log_id = e.log_id
     LEFT JOIN certificates c ON c.site_id = h.site_id AND c.cert_hash = h.cert_hash
     WHERE e.type = ${TYPE_NUMBERS.tariff} AND ${COUNTS}`,
    [siteId, refs.map(ref => ref.logId), refs.map(ref => String(ref.seq))],
  )
  const held = new Map<string, Tariff>()
  for (const row of found.rows) {
    const read = eventIn(row)
    if (!read || !isIssuers(row)) continue
    const [{ logId, seq, hash, hlc }, said] = read
    if (said.name === 'tariff' && isUsable(said.body))
      held.set(`${logId}/${seq}/${hash}`, { ...said.body, ref: { logId, seq, hash }, hlc })
  }
  return ({ logId, seq, hash }) => held.get(`${logId}/${seq}/${hash}`)
}

/** Those that came before tariffs had a key of their own (schema.ts) are known by who wrote their log. */
function isIssuers(row: Row): boolean {
  if (optionalTextIn(row, 'fold_key') === TARIFF_KEY) return true
  return row.author != null && certificateRoles(bytesIn(row, 'author')).includes('issuer')
}
