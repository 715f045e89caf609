// One charger's sessions, kept up fact by fact: always what `foldCharger` makes of the same facts, at a cost that does
// not grow with the charger's history. Sessions touch one another only in the ways of join.ts; one that touches none is
// folded alone and put in its place. Else all are joined anew, from drafts that are kept while their facts stay.
import type { SessionId, TokenRef } from '../units.ts'
import { type Draft, draftsOf, sessionOf } from './draft.ts'
import { byTime, type ChargerFacts, type Fact } from './facts.ts'
import { byBeginning, fits } from './fit.ts'
import { type ChargerSessions, foldDrafts, type Session } from './fold.ts'
import { meetsOrphan, restartWords } from './join.ts'

export type SessionBook = {
  /** Facts were added under this id; without one, a stop or tick that names no session. */
  readonly changed: (sessionId: SessionId | undefined) => void
  /** Earliest start first. The answer stays as it is; what comes later is in the next one. */
  readonly sessions: () => ChargerSessions
  /** The sessions of one card, earliest start first. */
  readonly ofToken: (tokenRef: TokenRef) => readonly Session[]
}

type Start = Fact<'session_start'>
type Pages = {
  readonly facts: ChargerFacts
  /** Drafts of the ids whose sessions touch no other. */
  readonly drafts: Map<SessionId, readonly Draft[]>
  /** Which ids have a session with these words: those may merge. */
  readonly bearers: Map<string, Set<SessionId>>
  readonly wordsOf: Map<SessionId, ReadonlySet<string>>
  readonly byToken: Map<TokenRef, Session[]>
  /** The starts on each connector as they began; kept where stops name no session, and what comes next has a say. */
  readonly lanes: Map<number, Start[]>
  sessions: Session[]
  orphanEnds: ChargerSessions['orphanEnds']
}

/** Opens the book of a charger, whose facts the caller goes on adding to; they are read when somebody asks. */
export function openBook(facts: ChargerFacts): SessionBook {
  const pages: Pages = {
    facts,
    drafts: new Map(),
    bearers: new Map(),
    wordsOf: new Map(),
    byToken: new Map(),
    lanes: new Map(),
    sessions: [],
    orphanEnds: [],
  }
  const stale = new Set<SessionId>()
  let allStale = true
  let answer: ChargerSessions | undefined

  const settle = (): void => {
    if (!allStale) allStale = ![...stale].every(sessionId => foldAlone(pages, sessionId))
    if (allStale) foldAll(pages, stale)
    allStale = false
    stale.clear()
  }

  return {
    changed: sessionId => {
      answer = undefined
      if (sessionId) stale.add(sessionId)
      else allStale = true
    },
    sessions: () => {
      settle()
      answer ??= { sessions: [...pages.sessions], orphanEnds: pages.orphanEnds }
      return answer
    },
    ofToken: tokenRef => {
      settle()
      return [...(pages.byToken.get(tokenRef) ?? [])]
    },
  }
}

/** Puts the session of one id in its place, or answers false where it may touch another, or did so far. */
function foldAlone(pages: Pages, sessionId: SessionId): boolean {
  const { facts, drafts, wordsOf } = pages
  const own = facts.sessions.get(sessionId)
  if (!own) return false
  if (own.starts.length === 0) return own.ends.length === 0
  const [held, ...others] = drafts.get(sessionId) ?? []
  // Never seen with a start, its stops waited among those that fit nothing; seen but not kept, it touched another.
  if (!held && (own.ends.length > 0 || wordsOf.has(sessionId))) return false
  const [made, ...more] = draftsOf(own)
  if (!made || others.length > 0 || more.length > 0) return false
  if ((held && !standsAlone(pages, sessionId, held)) || !standsAlone(pages, sessionId, made)) return false
  if (held?.start !== made.start && !changesPlace(pages, held?.start, made.start)) return false
  note(pages, sessionId, [made])
  drafts.set(sessionId, [made])
  if (held) take(pages, sessionOf(held))
  put(pages, sessionOf(made))
  return true
}

function standsAlone({ facts, bearers }: Pages, sessionId: SessionId, draft: Draft): boolean {
  const ids = bearers.get(restartWords(draft))
  const shared = ids !== undefined && (ids.size > 1 || !ids.has(sessionId))
  return !shared && !meetsOrphan(draft, facts)
}

/**
 * Puts a start in its place on its connector; false where a stop may be looked for of the session that it comes behind,
 * or came behind so far: what follows has a say in that.
 */
function changesPlace({ facts, lanes }: Pages, before: Start | undefined, start: Start): boolean {
  if (facts.orphanEnds.length === 0) return true
  const lane = lanes.get(start.body.connectorId) ?? []
  lanes.set(start.body.connectorId, lane)
  const places = [start, ...(before ? [before] : [])].map(one => placeOf(lane, one, byBeginning))
  const followed = places.flatMap(place => lane[place - 1] ?? [])
  if (followed.some(one => facts.orphanEnds.some(end => fits({ start: one }, end)))) return false
  if (before) lane.splice(placeOf(lane, before, byBeginning), 1)
  lane.splice(placeOf(lane, start, byBeginning), 0, start)
  return true
}

/** Joins all sessions anew. Those whose facts did not change, and that touch no other, are not made again. */
function foldAll(pages: Pages, stale: ReadonlySet<SessionId>): void {
  const { facts, drafts } = pages
  for (const sessionId of stale) drafts.delete(sessionId)
  const all: Draft[] = []
  for (const [sessionId, own] of facts.sessions) {
    const held = drafts.get(sessionId)
    const made = held ?? draftsOf(own)
    if (!held && made.length > 0) {
      note(pages, sessionId, made)
      drafts.set(sessionId, made)
    }
    for (const draft of made) all.push(draft)
  }
  const { sessions, orphanEnds } = foldDrafts(facts, all)
  for (const [sessionId, made] of drafts) if (made.some(draft => draft.touched)) drafts.delete(sessionId)
  pages.sessions = [...sessions]
  pages.orphanEnds = orphanEnds
  pages.byToken.clear()
  for (const session of sessions) file(pages.byToken, session.tokenRef, session)
  pages.lanes.clear()
  if (facts.orphanEnds.length === 0) return
  for (const session of sessions) file(pages.lanes, session.connectorId, session.start)
  for (const lane of pages.lanes.values()) lane.sort(byBeginning)
}

function file<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}

/** Keeps in mind by which words an id's sessions may merge with others. */
function note({ bearers, wordsOf }: Pages, sessionId: SessionId, drafts: readonly Draft[]): void {
  for (const words of wordsOf.get(sessionId) ?? []) {
    const ids = bearers.get(words)
    ids?.delete(sessionId)
    if (ids?.size === 0) bearers.delete(words)
  }
  const words = new Set(drafts.map(restartWords))
  for (const one of words) bearers.set(one, (bearers.get(one) ?? new Set()).add(sessionId))
  wordsOf.set(sessionId, words)
}

function put({ sessions, byToken }: Pages, session: Session): void {
  const ofToken = byToken.get(session.tokenRef) ?? []
  byToken.set(session.tokenRef, ofToken)
  for (const list of [sessions, ofToken]) list.splice(placeOf(list, session.start, bySessionTime), 0, session)
}

function take({ sessions, byToken }: Pages, session: Session): void {
  for (const list of [sessions, byToken.get(session.tokenRef) ?? []])
    list.splice(placeOf(list, session.start, bySessionTime), 1)
}

function bySessionTime(session: Session, start: Start): number {
  return byTime(session.start, start)
}

/** Where what begins so stands in a list in that order, or would stand. */
function placeOf<T>(list: readonly T[], start: Start, order: (one: T, start: Start) => number): number {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (order(list[middle] as T, start) < 0) low = middle + 1
    else high = middle
  }
  return low
}
