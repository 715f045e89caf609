// What is kept of each log while a file is read: the hash of every event, and whom it tells of; not the events themselves. Some 36
// bytes an event, so that a file of millions is checked in little memory.
import type { Certificate } from '../identity/certificate.ts'
import type { AnyBody, BodyOf } from '../log/body.ts'
import type { LogHead } from '../log/event.ts'
import type { Hlc } from '../log/hlc.ts'
import { type ChargerId, chargerId, type EventHash, type LogId, type SessionId } from '../units.ts'

const HASH_BYTES = 32
const FIRST_EVENTS = 64

export type BookedLog = {
  readonly logId: LogId
  readonly certificate: Certificate
  readonly opened: BodyOf<'epoch_open'>
  readonly openedHlc: Hlc
  head: LogHead
  hashes: Buffer
  /** Of each event: n > 0 tells of charger n, n < 0 of session -n alone, 0 of neither. */
  homes: Int32Array
  /** The lowest fork that was proven. */
  forkAt: number
  /** The number of the first event that does not count, for whatever reason. */
  limit: number
  forks: { readonly seq: number; readonly ours: EventHash; readonly theirs: EventHash }[]
  finalSeq: number | undefined
}

export function hashAt(log: BookedLog, seq: number): EventHash | undefined {
  if (seq < 0 || seq > log.head.seq) return undefined
  return log.hashes.toString('hex', seq * HASH_BYTES, (seq + 1) * HASH_BYTES) as EventHash
}

/** Makes room for events up to there. */
export function makeRoom(log: BookedLog, seq: number): void {
  const room = log.homes.length
  if (seq < room) return
  const wanted = Math.max(FIRST_EVENTS, 2 * room, seq + 1)
  const homes = new Int32Array(wanted)
  homes.set(log.homes)
  log.homes = homes
  const hashes = Buffer.alloc(wanted * HASH_BYTES)
  log.hashes.copy(hashes)
  log.hashes = hashes
}

export function enterEvent(
  log: BookedLog,
  { seq, hash, home }: { seq: number; hash: EventHash; home: number },
): void {
  log.hashes.write(hash, seq * HASH_BYTES, 'hex')
  log.homes[seq] = home
}

/** Chargers and sessions by number, and which chargers have a word about which session. */
export type Homes = {
  readonly homeOf: (said: AnyBody | undefined) => number
  readonly chargers: () => readonly ChargerId[]
  /** Events that tell of each charger, by its number; 0 has none. */
  readonly weights: () => readonly number[]
  /** Numbers of the chargers that claim a session; none for an id that nobody named so. */
  readonly chargersOf: (sessionId: SessionId) => readonly number[]
  /** The same, by the number of the session. */
  readonly claimantsOf: (session: number) => readonly number[]
  /** Whether one of these chargers has a word about a session, by its number. */
  readonly isClaimed: (session: number, chargers: ReadonlySet<number>) => boolean
}

export function createHomes(): Homes {
  const chargers: ChargerId[] = []
  const numbers = new Map<string, number>()
  const weights: number[] = [0]
  const sessions = new Map<SessionId, number>()
  // One charger a session but where a node has lied: the others stand apart.
  const claimedBy: number[] = [0]
  const alsoBy = new Map<number, number[]>()

  const chargerNumber = (name: string): number => {
    const known = numbers.get(name)
    if (known !== undefined) return known
    const accepted = chargerId(name)
    const number = accepted ? chargers.push(accepted) : 0
    if (accepted) weights[number] = 0
    numbers.set(name, number)
    return number
  }
  const sessionNumber = (sessionId: SessionId): number => {
    const known = sessions.get(sessionId)
    if (known !== undefined) return known
    const number = claimedBy.push(0) - 1
    sessions.set(sessionId, number)
    return number
  }
  const claim = (sessionId: SessionId, charger: number): void => {
    const session = sessionNumber(sessionId)
    const holder = claimedBy[session] ?? 0
    if (holder === charger) return
    if (holder === 0) claimedBy[session] = charger
    else if (!alsoBy.get(session)?.includes(charger))
      alsoBy.set(session, [...(alsoBy.get(session) ?? []), charger])
  }
  const claimants = (session: number): readonly number[] => {
    const holder = claimedBy[session] ?? 0
    return holder === 0 ? [] : [holder, ...(alsoBy.get(session) ?? [])]
  }
  return {
    homeOf: said => {
      switch (said?.name) {
        case 'session_start':
        case 'session_end':
        case 'meter_tick':
        case 'adoption':
        case 'session_card': {
          const charger = chargerNumber(said.body.chargerId)
          if (charger === 0) return 0
          weights[charger] = (weights[charger] ?? 0) + 1
          if (said.body.sessionId) claim(said.body.sessionId, charger)
          return charger
        }
        case 'pricing':
        case 'session_state':
        case 'reconciliation_mark':
          return -sessionNumber(said.body.sessionId)
        default:
          return 0
      }
    },
    chargers: () => chargers,
    weights: () => weights,
    claimantsOf: claimants,
    chargersOf: sessionId => claimants(sessions.get(sessionId) ?? 0),
    isClaimed: (session, chargers) =>
      chargers.has(claimedBy[session] ?? 0) || (alsoBy.get(session)?.some(one => chargers.has(one)) ?? false),
  }
}
