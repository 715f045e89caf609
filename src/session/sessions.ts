// The sessions of all chargers that a node has heard of, kept up as events come in whatever order. Who asks gets what
// `foldCharger` makes of all facts so far; what an event costs does not depend on how much was heard before.
import type { AnyBody } from '../log/body.ts'
import type { LogEvent } from '../log/event.ts'
import type { ChargerId, DeviceId, TokenRef } from '../units.ts'
import { openBook, type SessionBook } from './book.ts'
import { addFact, emptyFacts, type Fact } from './facts.ts'
import type { ChargerSessions, Session } from './fold.ts'

const NO_SESSIONS: ChargerSessions = { sessions: [], orphanEnds: [] }

export type Sessions = {
  /** Adds one event that `deviceId` wrote; events that tell nothing of sessions change nothing. Each event once. */
  readonly add: (event: LogEvent, said: AnyBody, deviceId: DeviceId) => void
  readonly ofCharger: (chargerId: ChargerId) => ChargerSessions
  /** The sessions of one card; no other is looked at. */
  readonly ofToken: (tokenRef: TokenRef) => readonly Session[]
  readonly all: () => readonly Session[]
  /** Who has ever said something of a session. */
  readonly chargers: () => readonly ChargerId[]
  /** Stops that no session is known for. */
  readonly orphanEnds: () => readonly Fact<'session_end'>[]
}

export function createSessions(): Sessions {
  const facts = emptyFacts()
  const books = new Map<ChargerId, SessionBook>()
  const chargersOf = new Map<TokenRef, Set<ChargerId>>()

  const bookOf = (chargerId: ChargerId): SessionBook | undefined => {
    const charger = facts.chargers.get(chargerId)
    const book = books.get(chargerId) ?? (charger && openBook(charger))
    if (book) books.set(chargerId, book)
    return book
  }
  const ofCharger = (chargerId: ChargerId): ChargerSessions => bookOf(chargerId)?.sessions() ?? NO_SESSIONS

  return {
    add: (event, said, deviceId) => {
      const changed = addFact(facts, event, said, deviceId)
      const sessionId = 'sessionId' in said.body ? said.body.sessionId : undefined
      for (const chargerId of changed) bookOf(chargerId)?.changed(sessionId)
      if (said.name !== 'session_start' && said.name !== 'session_card') return
      const { tokenRef, chargerId } = said.body
      chargersOf.set(tokenRef, (chargersOf.get(tokenRef) ?? new Set()).add(chargerId))
    },
    ofCharger,
    ofToken: tokenRef =>
      [...(chargersOf.get(tokenRef) ?? [])].flatMap(id => bookOf(id)?.ofToken(tokenRef) ?? []),
    chargers: () => [...facts.chargers.keys()],
    all: () => [...facts.chargers.keys()].flatMap(id => ofCharger(id).sessions),
    orphanEnds: () => [...facts.chargers.keys()].flatMap(id => ofCharger(id).orphanEnds),
  }
}
