// What existing central systems were told of sessions, and what they answered: the words of all forwarders, in whatever order
// they came. A word that was written before its call left says that the call may have arrived.
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import type { ChargerId, DeviceId, LogId, SessionId } from '../units.ts'
import { byTime, type Turns } from './turns.ts'

export type Word = {
  readonly ref: EventRef
  readonly hlc: Hlc
  readonly deviceId: DeviceId
  readonly body: BodyOf<'forwarded'>
}

/** Of one session, as far as a central system was told. */
export type Told =
  /** `isReleased`: a person said that it may be told (again), whatever was before. */
  | { readonly stage: 'unsaid'; readonly isReleased: boolean }
  /** It may have arrived; nobody knows what the central system calls it. */
  | { readonly stage: 'asked'; readonly asked: Word }
  | { readonly stage: 'started'; readonly upstreamId: string; readonly asked: Word | undefined }
  | { readonly stage: 'stopping'; readonly upstreamId: string; readonly stopping: Word }
  | { readonly stage: 'stopped'; readonly upstreamId: string; readonly at: Hlc }
  | { readonly stage: 'skipped'; readonly skipped: Word }

export type ToldBook = {
  readonly add: (word: Word) => void
  readonly of: (uplink: string, sessionId: SessionId) => Told
  /** Every word about it, in the order in which they were written. */
  readonly words: (uplink: string, sessionId: SessionId) => readonly Word[]
  /** Which session a central system calls so. */
  readonly named: (uplink: string, chargerId: ChargerId, upstreamId: string) => SessionId | undefined
  /** Of all central systems. */
  readonly logsOf: (sessionId: SessionId) => ReadonlySet<LogId>
  /** The newest word about a central system in each log, newest first. */
  readonly heads: (uplink: string) => readonly EventRef[]
  /** Grows with every word about a charger, and every order. */
  readonly changes: (uplink: string, chargerId: ChargerId) => number
}

/** Whose words count; that may be known later than the words are heard. */
export type Named = Pick<Turns, 'isNamed' | 'orders'>

const EVERYBODY: Named = { isNamed: () => true, orders: () => 0 }
const UNSAID: Told = { stage: 'unsaid', isReleased: false }
const NO_LOGS: ReadonlySet<LogId> = new Set()

export function createTold({ isNamed, orders }: Named = EVERYBODY): ToldBook {
  /** By uplink and session: a key made of both would have to be made, and hashed, at each question. */
  const book = new Map<string, Map<SessionId, Word[]>>()
  const byUpstream = new Map<string, Word>()
  const logs = new Map<SessionId, Set<LogId>>()
  const heads = new Map<string, Map<LogId, Word>>()
  const changes = new Map<string, number>()
  const counts = ({ deviceId }: Word): boolean => isNamed(deviceId)
  const wordsOf = (uplink: string, sessionId: SessionId): readonly Word[] =>
    (book.get(uplink)?.get(sessionId) ?? []).filter(counts)
  const name = (word: Word, key: string): void => {
    const held = byUpstream.get(key)
    // A central system may begin its numbers anew: the newest has it.
    if (!held || !counts(held) || (counts(word) && byTime(held, word) < 0)) byUpstream.set(key, word)
  }
  return {
    add: word => {
      const { uplink, sessionId, chargerId, upstreamId } = word.body
      const sessions = book.get(uplink) ?? new Map<SessionId, Word[]>()
      book.set(uplink, sessions)
      sessions.set(sessionId, kept([...(sessions.get(sessionId) ?? []), word], counts).sort(byTime))
      logs.set(sessionId, (logs.get(sessionId) ?? new Set()).add(word.ref.logId))
      if (upstreamId !== undefined) name(word, `${uplink} ${chargerId} ${upstreamId}`)
      const newest = heads.get(uplink) ?? new Map<LogId, Word>()
      heads.set(uplink, newest)
      if ((newest.get(word.ref.logId)?.ref.seq ?? -1) < word.ref.seq) newest.set(word.ref.logId, word)
      const charger = `${uplink} ${chargerId}`
      changes.set(charger, (changes.get(charger) ?? 0) + 1)
    },
    of: (uplink, sessionId) => {
      const held = book.get(uplink)?.get(sessionId)
      if (!held) return UNSAID
      // So are most, and they are asked about each time that something is heard of their charger.
      const [over] = held
      const upstreamId = over?.body.upstreamId
      if (over && over.body.stage === 'stopped' && upstreamId !== undefined && counts(over))
        return { stage: 'stopped', upstreamId, at: over.hlc }
      const words = held.filter(counts)
      return words.length > 0 ? toldBy(words) : UNSAID
    },
    words: wordsOf,
    named: (uplink, chargerId, upstreamId) => {
      const word = byUpstream.get(`${uplink} ${chargerId} ${upstreamId}`)
      return word && counts(word) ? word.body.sessionId : undefined
    },
    logsOf: sessionId => logs.get(sessionId) ?? NO_LOGS,
    heads: uplink =>
      [...(heads.get(uplink)?.values() ?? [])]
        .filter(counts)
        .sort((a, b) => byTime(b, a))
        .map(({ ref }) => ref),
    changes: (uplink, chargerId) => orders() + (changes.get(`${uplink} ${chargerId}`) ?? 0),
  }
}

/** Of a session that was told to its end nothing else is asked any more, and there will be many of these. */
function kept(words: readonly Word[], counts: (word: Word) => boolean): Word[] {
  const stopped = words.filter(word => word.body.stage === 'stopped' && counts(word))
  return stopped.length > 0 ? stopped : [...words]
}

/** `words` in their order. What was answered outweighs what was asked; only a person's word undoes, and no answer. */
export function toldBy(words: readonly Word[]): Told {
  const retries = words.filter(({ body }) => body.stage === 'retry')
  const undone = new Set(retries.flatMap(({ body }) => body.undoes.map(({ hash }) => hash)))
  const isUndone = ({ ref, body }: Word): boolean =>
    (body.stage === 'asked' || body.stage === 'skipped') && undone.has(ref.hash)
  const standing = words.filter(word => !isUndone(word))
  const first = (stage: Word['body']['stage']): Word | undefined =>
    standing.find(({ body }) => body.stage === stage)
  const [started, stopping, stopped] = [first('started'), first('stopping'), first('stopped')]
  const asked = first('asked')
  const upstreamId = started?.body.upstreamId ?? stopping?.body.upstreamId ?? stopped?.body.upstreamId
  if (upstreamId !== undefined && stopped) return { stage: 'stopped', upstreamId, at: stopped.hlc }
  const skipped = first('skipped')
  if (skipped) return { stage: 'skipped', skipped }
  if (upstreamId !== undefined && stopping) return { stage: 'stopping', upstreamId, stopping }
  if (upstreamId !== undefined) return { stage: 'started', upstreamId, asked }
  if (asked) return { stage: 'asked', asked }
  return { stage: 'unsaid', isReleased: retries.length > 0 }
}
