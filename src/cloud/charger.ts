// The sessions of chargers as the database's events tell them: loads the facts that matter, and folds. Exact and
// bounded: sessions of a charger touch one another only through stops that name no session, or through equal
// connector and start register (a re-sent start), so only when there are such stops is the history loaded.

import { refText } from '../billing/revisions.ts'
import { type AnyBody, decodeBody, TYPE_NUMBERS } from '../log/body.ts'
import { decodeElement, type LogEvent } from '../log/event.ts'
import { addFact, emptyFacts, type Fact, type FactSet, type SessionFacts } from '../session/facts.ts'
import { type ChargerSessions, foldCharger, type Session } from '../session/fold.ts'
import { contentOf, idsUnder } from '../session/split.ts'
import type { ChargerId, DeviceId, EventHash, LogId, SessionId } from '../units.ts'
import {
  MAX_ORPHANS,
  type Named,
  namelessOf,
  orphanRows,
  pairsIn,
  reach,
  sessionRows,
} from './charger-rows.ts'
import type { Row, Sql } from './database.ts'
import { bytesIn, flagIn, intIn, optionalTextIn, textIn } from './rows.ts'
import { curveRows, orphanCurveRows, orphanTickRows, tickRows } from './ticks.ts'

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
  /** By charger; one without any is folded for its stops that name no session. */
  readonly sessions: Named
  /** Those that are billed without a stop. */
  readonly finalise: ReadonlySet<SessionId>
}

/** Folds the wanted sessions of chargers and all that they touch. */
export async function foldsOf(sql: Sql, wanted: Wanted): Promise<ReadonlyMap<ChargerId, ChargerFold>> {
  const { siteId, sessions } = wanted
  if (sessions.size === 0) return new Map()
  const chargerIds = [...sessions.keys()]
  const nameless = await namelessOf(sql, siteId, chargerIds)
  const reached = await reach(sql, siteId, { wanted: sessions, stops: nameless.stops })
  const tellings = new Map(chargerIds.map(chargerId => [chargerId, openTelling(chargerId)]))
  const claims = claimsIn(reached)
  const each = (rows: readonly Row[], take: (telling: Telling, row: Row) => void): void => {
    for (const row of rows)
      for (const chargerId of tellersOf(row, reached, claims)) {
        const telling = tellings.get(chargerId)
        if (telling) take(telling, row)
      }
  }
  each(await sessionRows(sql, siteId, reached), tell)
  each(await tickRows(sql, siteId, pairsIn(reached)), give)
  for (const [chargerId, telling] of tellings) {
    const of = { siteId, chargerId }
    if (nameless.ticks.has(chargerId))
      for (const row of await orphanTickRows(sql, of, MAX_ORPHANS)) give(telling, row)
    if (nameless.stops.has(chargerId))
      for (const row of await orphanRows(sql, siteId, chargerId)) give(telling, row)
    telling.folded = foldTold(telling)
  }
  const asking = await askingForCurves(sql, wanted, tellings)
  each(await curvesBySession(sql, siteId, asking), give)
  await giveNamelessCurves(sql, { siteId, asking, tellings, chargers: nameless.ticks })
  for (const chargerId of asking.keys()) {
    const telling = tellings.get(chargerId)
    if (telling) telling.folded = foldTold(telling)
  }
  return new Map([...tellings].map(([id, telling]) => [id, foldFrom(telling, reached.get(id) ?? new Set())]))
}

/** What is known of one charger while it is read. */
type Telling = {
  readonly chargerId: ChargerId
  readonly facts: FactSet
  /** What no longer counts has given its name to sessions all the same. */
  readonly ever: FactSet
  readonly given: Set<string>
  folded: ChargerSessions
}

function openTelling(chargerId: ChargerId): Telling {
  const folded = { sessions: [], orphanEnds: [] }
  return { chargerId, facts: emptyFacts(), ever: emptyFacts(), given: new Set(), folded }
}

function tell({ facts, ever }: Telling, row: Row): void {
  const read = eventIn(row)
  if (!read) return
  if (flagIn(row, 'counts')) addFact(facts, ...read)
  if (read[1].name === 'session_start' || read[1].name === 'session_end') addFact(ever, ...read)
}

function give({ facts, given }: Telling, row: Row): void {
  const place = `${textIn(row, 'log_id')}/${intIn(row, 'seq')}`
  if (given.has(place)) return
  given.add(place)
  const read = eventIn(row)
  if (read) addFact(facts, ...read)
}

function foldTold({ chargerId, facts }: Telling): ChargerSessions {
  const held = facts.chargers.get(chargerId)
  return held ? foldCharger(held) : { sessions: [], orphanEnds: [] }
}

function claimsIn(reached: Named): ReadonlyMap<SessionId, readonly ChargerId[]> {
  const claims = new Map<SessionId, ChargerId[]>()
  for (const [chargerId, ids] of reached)
    for (const sessionId of ids) {
      const claimers = claims.get(sessionId)
      if (claimers) claimers.push(chargerId)
      else claims.set(sessionId, [chargerId])
    }
  return claims
}

/** What names no charger is told of all that have a word about the session; rows of pairs that nobody asked for, of none. */
function tellersOf(row: Row, reached: Named, claims: ReturnType<typeof claimsIn>): readonly ChargerId[] {
  const sessionId = textIn<SessionId>(row, 'session_id')
  const chargerId = optionalTextIn<ChargerId>(row, 'charger_id')
  if (chargerId === undefined) return claims.get(sessionId) ?? []
  return reached.get(chargerId)?.has(sessionId) ? [chargerId] : []
}

type Asking = ReadonlyMap<ChargerId, readonly Session[]>

async function askingForCurves(
  sql: Sql,
  wanted: Wanted,
  tellings: ReadonlyMap<ChargerId, Telling>,
): Promise<Asking> {
  const all = [...tellings.values()].flatMap(({ folded }) => folded.sessions)
  const decided = await decidedAmong(sql, wanted.siteId, all)
  const asking = new Map<ChargerId, readonly Session[]>()
  for (const [chargerId, { folded }] of tellings) {
    const some = folded.sessions.filter(one => asksForCurve(one, wanted) || decided.has(one.sessionId))
    if (some.length > 0) asking.set(chargerId, some)
  }
  return asking
}

async function curvesBySession(sql: Sql, siteId: string, asking: Asking): Promise<readonly Row[]> {
  const named = [...asking].map(([chargerId, sessions]) => {
    const ids = sessions.flatMap(({ starts }) => starts.map(({ body }) => body.sessionId))
    return [chargerId, new Set(ids)] as const
  })
  return curveRows(sql, siteId, pairsIn(new Map(named)))
}

type Naming = {
  readonly siteId: string
  readonly asking: Asking
  readonly tellings: ReadonlyMap<ChargerId, Telling>
  readonly chargers: ReadonlySet<ChargerId>
}

async function giveNamelessCurves(sql: Sql, { siteId, asking, tellings, chargers }: Naming): Promise<void> {
  for (const [chargerId, sessions] of asking) {
    const telling = tellings.get(chargerId)
    if (!telling || !chargers.has(chargerId)) continue
    const numbers = sessions.flatMap(({ transactionIds }) => transactionIds)
    for (const row of await orphanCurveRows(sql, { siteId, chargerId }, numbers)) give(telling, row)
  }
}

function foldFrom({ chargerId, facts, ever, folded }: Telling, reached: ReadonlySet<SessionId>): ChargerFold {
  const held = facts.chargers.get(chargerId)
  const everHeld = [...(ever.chargers.get(chargerId)?.sessions.values() ?? [])]
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
  siteId: string,
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
