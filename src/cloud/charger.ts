// One charger's sessions as the database's events tell them: loads the facts that matter, and folds. Exact and
// bounded: sessions of a charger touch one another only through stops that name no session, or through equal
// connector and start register (a re-sent start), so only when there are such stops is the history loaded.

import { refText } from '../billing/revisions.ts'
import { type AnyBody, decodeBody, TYPE_NUMBERS } from '../log/body.ts'
import { decodeElement, type LogEvent } from '../log/event.ts'
import { addFact, emptyFacts, type Fact, type SessionFacts } from '../session/facts.ts'
import { type ChargerSessions, foldCharger, type Session } from '../session/fold.ts'
import { contentOf, idsUnder } from '../session/split.ts'
import type { ChargerId, DeviceId, EventHash, LogId, SessionId } from '../units.ts'
import type { Row, Sql } from './database.ts'
import { bytesIn, flagIn, intIn, textIn } from './rows.ts'
import { COLUMNS, COUNTING, COUNTS, curveRows, EVENTS, orphanTickRows, tickRows } from './ticks.ts'

/** A stop without a session joins one of a charger's newest so many sessions. */
export const MAX_FOLD_SESSIONS = 5_000
/** Stops without a session and ticks without a session that are looked at, newest first. */
export const MAX_ORPHANS = 2_000

const { session_start, session_card, session_end } = TYPE_NUMBERS
const { session_state, adoption, pricing, reconciliation_mark } = TYPE_NUMBERS

export type ChargerFold = ChargerSessions & {
  /** All but the open ones whose stop may be among those that were not looked at. */
  readonly sessions: readonly Session[]
  /** Every id that the loaded events name or ever named a session by, whether or not it still stands for itself. */
  readonly loaded: readonly SessionId[]
  /** Whether one of them that stands for itself no longer is told of by events that still count. */
  readonly isTold: (sessionId: SessionId, refs: RowRefs) => boolean
}

/** The start and the stop that a session's row names. */
export type RowRefs = { readonly startRef: string; readonly endRef: string | undefined }

export type Wanted = {
  readonly siteId: string
  readonly chargerId: ChargerId
  readonly sessionIds: readonly SessionId[]
  /** Those that are billed without a stop. */
  readonly finalise: ReadonlySet<SessionId>
}

/** Folds the wanted sessions of a charger and all that they touch. */
export async function foldOf(sql: Sql, wanted: Wanted): Promise<ChargerFold> {
  const reached = await reach(sql, wanted)
  const facts = emptyFacts()
  // What no longer counts has given its name to sessions all the same.
  const ever = emptyFacts()
  for (const row of await sessionRows(sql, wanted, reached)) {
    const read = eventIn(row)
    if (!read) continue
    if (flagIn(row, 'counts')) addFact(facts, ...read)
    if (read[1].name === 'session_start' || read[1].name === 'session_end') addFact(ever, ...read)
  }
  const given = new Set<string>()
  const give = (rows: readonly Row[]): void => {
    for (const row of rows) {
      const read = eventIn(row)
      if (read && !given.has(refText(read[0]))) addFact(facts, ...read)
      if (read) given.add(refText(read[0]))
    }
  }
  give(await tickRows(sql, wanted, reached))
  give(await orphanTickRows(sql, wanted, MAX_ORPHANS))
  give(await orphanRows(sql, wanted))
  const fold = (): ChargerSessions => {
    const held = facts.chargers.get(wanted.chargerId)
    return held ? foldCharger(held) : { sessions: [], orphanEnds: [] }
  }
  const first = fold()
  const decided = await decidedAmong(sql, wanted, first.sessions)
  const asking = first.sessions.filter(one => asksForCurve(one, wanted) || decided.has(one.sessionId))
  const curves = await curveRows(sql, wanted, asking)
  give(curves)
  const folded = curves.length > 0 ? fold() : first
  const held = facts.chargers.get(wanted.chargerId)
  const everHeld = [...(ever.chargers.get(wanted.chargerId)?.sessions.values() ?? [])]
  const homes = new Map(everHeld.flatMap(under => idsUnder(under).map(id => [id, under] as const)))
  const unseen = withoutAllStops(held?.orphanEnds ?? [], folded.sessions)
  return {
    ...folded,
    sessions: folded.sessions.filter(({ sessionId }) => !unseen.has(sessionId)),
    loaded: [...new Set([...reached, ...homes.keys()])].filter(sessionId => !unseen.has(sessionId)),
    isTold: (sessionId, refs) => {
      const home = homes.get(sessionId)
      const counting = home && held?.sessions.get(home.sessionId)
      if (!counting) return false
      if (home.sessionId === sessionId) return counting.starts.length > 0
      const end = home.ends.find(({ ref }) => refText(ref) === refs.endRef)
      return isTold(counting, refs.startRef, end && contentOf(end))
    },
  }
}

/** What costs by terms asks when the energy flowed; while it is open, nobody asks what it costs. */
function asksForCurve({ sessionId, pricings, end }: Session, { finalise }: Wanted): boolean {
  return pricings.some(({ body }) => body.byTerms) && (end !== undefined || finalise.has(sessionId))
}

/** A person may have decided that terms are the price of a session that was shown none. */
async function decidedAmong(
  sql: Sql,
  { siteId }: Wanted,
  sessions: readonly Session[],
): Promise<ReadonlySet<SessionId>> {
  const found = await sql(
    `SELECT DISTINCT session_id FROM events
     WHERE site_id = $1 AND session_id = ANY($2::text[]) AND type = ${TYPE_NUMBERS.resolution}`,
    [siteId, sessions.map(({ sessionId }) => sessionId)],
  )
  return new Set(found.rows.map(row => textIn<SessionId>(row, 'session_id')))
}

/** Sessions from before the oldest stop that was looked at: theirs may be among those that were not, so nothing is said of them. */
function withoutAllStops(
  orphans: readonly Fact<'session_end'>[],
  sessions: readonly Session[],
): ReadonlySet<SessionId> {
  if (orphans.length < MAX_ORPHANS) return new Set()
  const oldest = orphans.reduce((least, { hlc }) => (hlc < least ? hlc : least), orphans[0]?.hlc ?? 0n)
  return new Set(sessions.filter(({ end, start }) => !end && start.hlc < oldest).map(one => one.sessionId))
}

/** Whether what was told under an id and split off is still told: its start is there, or another one with its stop. */
export function isTold(counting: SessionFacts, startRef: string, stopContent: string | undefined): boolean {
  const { starts, ends } = counting
  if (starts.some(({ ref }) => refText(ref) === startRef)) return true
  return starts.length > 0 && stopContent !== undefined && ends.some(end => contentOf(end) === stopContent)
}

/** The ids of all sessions whose fold may depend on the wanted ones. */
async function reach(
  sql: Sql,
  { siteId, chargerId: charger, sessionIds }: Wanted,
): Promise<readonly SessionId[]> {
  const orphan = await sql(
    `SELECT seq FROM events WHERE site_id = $1 AND charger_id = $2 AND type = $3 AND session_id IS NULL LIMIT 1`,
    [siteId, charger, session_end],
  )
  const found =
    orphan.rows.length > 0
      ? await sql(
          `SELECT session_id, max(hlc) AS newest FROM events
           WHERE site_id = $1 AND charger_id = $2 AND type = $3 AND session_id IS NOT NULL
           GROUP BY session_id ORDER BY newest DESC LIMIT $4`,
          [siteId, charger, session_start, MAX_FOLD_SESSIONS],
        )
      : await sql(
          `SELECT DISTINCT b.session_id FROM events a
           JOIN events b ON b.site_id = a.site_id AND b.charger_id = a.charger_id AND b.type = a.type
             AND b.fold_key = a.fold_key
           WHERE a.site_id = $1 AND a.charger_id = $2 AND a.type = $3 AND a.session_id = ANY($4::text[])`,
          [siteId, charger, session_start, sessionIds],
        )
  return [...new Set([...sessionIds, ...found.rows.map(row => textIn<SessionId>(row, 'session_id'))])]
}

/** All that was ever told, with a word on whether it counts. */
async function sessionRows(sql: Sql, wanted: Wanted, ids: readonly SessionId[]): Promise<readonly Row[]> {
  const said = [session_start, session_card, session_end, session_state, adoption]
  const types = [...said, pricing, reconciliation_mark]
  const result = await sql(
    `SELECT ${COLUMNS}, ${COUNTS} AS counts ${EVENTS} AND e.session_id = ANY($3::text[]) AND e.type IN (${types.join(', ')})
       AND (e.charger_id = $2 OR e.charger_id IS NULL)`,
    [wanted.siteId, wanted.chargerId, ids],
  )
  return result.rows
}

async function orphanRows(sql: Sql, { siteId, chargerId: charger }: Wanted): Promise<readonly Row[]> {
  const ends = await sql(
    `SELECT ${COLUMNS} ${COUNTING} AND e.charger_id = $2 AND e.type = ${session_end} AND e.session_id IS NULL
     ORDER BY e.hlc DESC, e.log_id, e.seq LIMIT ${MAX_ORPHANS}`,
    [siteId, charger],
  )
  return ends.rows
}

export function eventIn(row: Row): readonly [event: LogEvent, said: AnyBody, deviceId: DeviceId] | undefined {
  const element = decodeElement(bytesIn(row, 'element'))
  if (typeof element === 'string') return undefined
  const said = decodeBody(element.type, element.body)
  if (!said) return undefined
  const event: LogEvent = {
    ...element,
    logId: textIn<LogId>(row, 'log_id'),
    seq: intIn(row, 'seq'),
    prev: textIn<EventHash>(row, 'prev'),
    hash: textIn<EventHash>(row, 'event_hash'),
  }
  return [event, said, textIn<DeviceId>(row, 'device_id')]
}
