// Sessions and bills of the cloud in memory. Production: which columns an event is folded by (foldColumns), facts, fold
// (a session book a charger, so that an event costs no more as history grows) and judgement (judge, judgeGone).
// Modelled, because production has it as SQL: what is folded again after a commit and which rows that writes
// (src/cloud/sessions.ts, charger.ts). What an exclusion takes away is folded again without it.
import { judge, judgeGone, type Verdict } from '../../src/billing/judge.ts'
import { type Bill, refText } from '../../src/billing/revisions.ts'
import { isTold } from '../../src/cloud/charger.ts'
import { foldColumns } from '../../src/cloud/columns.ts'
import { isTouched } from '../../src/cloud/sessions.ts'
import type { Certificate } from '../../src/identity/certificate.ts'
import type { AnyBody } from '../../src/log/body.ts'
import type { LogEvent } from '../../src/log/event.ts'
import { openBook, type SessionBook } from '../../src/session/book.ts'
import { addFact, emptyFacts, type FactSet } from '../../src/session/facts.ts'
import type { Session } from '../../src/session/fold.ts'
import { contentOf } from '../../src/session/split.ts'
import type { ChargerId, DeviceId, LogId, SessionId } from '../../src/units.ts'
import type { CloudBill, CloudSession } from './cloud.ts'
import type { Excluded } from './devices.ts'
import { createMoney } from './money.ts'

export type Touched = { readonly sessions: Set<SessionId>; readonly chargers: Set<ChargerId> }
export type Settlement = { readonly nowAt: number; readonly finalise: ReadonlySet<SessionId> }

export type CloudLedger = {
  /** Takes a committed event in; what it speaks of is added to `touched`. */
  readonly add: (event: LogEvent, said: AnyBody | undefined, to: AddedTo) => void
  /** What these speak of, counted or not any more, is added to `touched`. */
  readonly withdraw: (excluded: readonly Excluded[], touched: Touched) => void
  /** Folds the touched sessions again and writes what they owe. */
  readonly refold: (touched: Touched, settlement: Settlement) => void
  /** Open sessions that were touched last at that time or before, by id. */
  readonly silentSince: (at: number) => readonly SessionId[]
  readonly sessions: () => readonly CloudSession[]
  readonly bills: () => readonly CloudBill[]
}
/** `certificate`: of the log that the event stands in. */
type AddedTo = { readonly certificate: Certificate; readonly touched: Touched }

type Word = {
  readonly event: LogEvent
  readonly said: AnyBody
  readonly deviceId: DeviceId
  readonly chargerId: ChargerId | undefined
  readonly sessionId: SessionId | undefined
}
type Account = {
  readonly chargerId: ChargerId
  readonly words: Word[]
  readonly claimed: Set<SessionId>
  /** By transaction id, for ticks that name no session. */
  readonly bearers: Map<number, Set<SessionId>>
  /** Undefined after something was excluded, until it is folded again. */
  folded: { readonly facts: FactSet; readonly book: SessionBook | undefined } | undefined
  /** Ids of sessions that were split off the one told under this id, now or ever. */
  readonly splitOff: Map<SessionId, Set<SessionId>>
  /** As they stood when they were judged last. */
  readonly judged: Map<SessionId, Session>
}
/** The ids that the charger's events name, and all that something was said of. */
type Wanted = { readonly named: ReadonlySet<SessionId>; readonly touched: ReadonlySet<SessionId> }
type SessionRow = CloudSession & {
  readonly startRef: string
  readonly endRef: string | undefined
  /** Of a stop that names a session. */
  readonly stopContent: string | undefined
  readonly toldUnder: SessionId
  readonly touchedAt: number
}

export function emptyTouched(): Touched {
  return { sessions: new Set(), chargers: new Set() }
}

/** `limitOf`: the first event of a log that does not count. */
export function createCloudLedger(limitOf: (logId: LogId) => number): CloudLedger {
  const accounts = new Map<ChargerId, Account>()
  const claims = new Map<SessionId, Set<ChargerId>>()
  /** Words that name a session and no charger. */
  const shelves = new Map<SessionId, Word[]>()
  const wordsOf = new Map<LogId, Word[]>()
  const rows = new Map<SessionId, SessionRow>()
  const bills = new Map<SessionId, Bill[]>()
  const money = createMoney(limitOf)

  const accountOf = (chargerId: ChargerId): Account => {
    const held = accounts.get(chargerId)
    if (held) return held
    const made: Account = {
      ...{ chargerId, words: [], claimed: new Set(), bearers: new Map(), splitOff: new Map() },
      ...{ judged: new Map(), folded: { facts: emptyFacts(), book: undefined } },
    }
    accounts.set(chargerId, made)
    return made
  }

  const tell = (account: Account, word: Word): void => {
    const { folded, chargerId } = account
    if (!folded || word.event.seq >= limitOf(word.event.logId)) return
    addFact(folded.facts, word.event, word.said, word.deviceId)
    const held = folded.facts.chargers.get(chargerId)
    const book = folded.book ?? (held && openBook(held))
    book?.changed(word.sessionId)
    account.folded = { facts: folded.facts, book }
  }

  const foldAgain = (account: Account): void => {
    account.folded = { facts: emptyFacts(), book: undefined }
    for (const word of account.words) tell(account, word)
    for (const sessionId of account.claimed)
      for (const word of shelves.get(sessionId) ?? []) tell(account, word)
  }

  const claim = (account: Account, sessionId: SessionId): void => {
    if (account.claimed.has(sessionId)) return
    account.claimed.add(sessionId)
    add(claims, sessionId, account.chargerId)
    for (const word of shelves.get(sessionId) ?? []) tell(account, word)
  }

  const write = (row: SessionRow, verdict: Verdict): void => {
    const { state, flags, energyWh } = verdict
    const { energyWh: _, ...rest } = row
    rows.set(row.sessionId, { ...rest, state, flags, ...(energyWh !== undefined && { energyWh }) })
    writeBills(row.sessionId, verdict)
  }
  const writeBills = (sessionId: SessionId, verdict: Verdict): void => {
    if (verdict.bills.length > 0) bills.set(sessionId, [...(bills.get(sessionId) ?? []), ...verdict.bills])
  }

  const settleSession = (session: Session, touched: boolean, { nowAt, finalise }: Settlement): void => {
    const { sessionId } = session
    const row = rows.get(sessionId)
    const verdict = judge(session, {
      ...{ billed: bills.get(sessionId) ?? [], finalise: finalise.has(sessionId) },
      ...{ tariffAt: money.tariffAt, corrections: money.correctionsOf(sessionId) },
    })
    const wanted = rowOf(session, verdict, nowAt)
    const isNews = touched || !row || !sameRow(row, wanted)
    write(isNews ? wanted : row, verdict)
  }

  const settle = (account: Account, wanted: Wanted, settlement: Settlement): void => {
    const { named, touched } = wanted
    if (!account.folded) foldAgain(account)
    const sessions = account.folded?.book?.sessions().sessions ?? []
    const standing = new Set(sessions.map(session => session.sessionId))
    const isForeign = (sessionId: SessionId): boolean =>
      (rows.get(sessionId)?.chargerId ?? account.chargerId) !== account.chargerId
    for (const session of sessions) {
      const { sessionId, start } = session
      // The first charger under an id stays: a second one is a forgery.
      if (isForeign(sessionId)) continue
      if (sessionId !== start.body.sessionId) add(account.splitOff, start.body.sessionId, sessionId)
      const isNamed = isTouched(session, touched)
      if (!isNamed && account.judged.get(sessionId) === session) continue
      settleSession(session, isNamed, settlement)
      account.judged.set(sessionId, session)
    }
    const splitOff = [...named].flatMap(sessionId => [...(account.splitOff.get(sessionId) ?? [])])
    for (const sessionId of new Set([...named, ...splitOff, ...account.judged.keys()])) {
      const row = rows.get(sessionId)
      if (standing.has(sessionId) || !row || isForeign(sessionId)) continue
      account.judged.delete(sessionId)
      const verdict = judgeGone(sessionId, {
        gone: isStillTold(account, row) ? 'merged' : 'evidence-withdrawn',
        ...{ billed: bills.get(sessionId) ?? [], corrections: money.correctionsOf(sessionId) },
      })
      const isNews = row.flags.join(',') !== verdict.flags.join(',')
      if (isNews) write({ ...row, touchedAt: settlement.nowAt }, verdict)
      else writeBills(sessionId, verdict)
    }
  }

  return {
    add: (event, said, { certificate, touched }) => {
      const { deviceId } = certificate
      const { chargerId, sessionId } = foldColumns(event, said, certificate)
      money.add(event, said, { certificate, touched })
      if (certificate.roles.includes('issuer')) return
      if (!said || (!chargerId && !sessionId)) return
      const word: Word = { event, said, deviceId, chargerId, sessionId }
      push(wordsOf, event.logId, word)
      touch(touched, word, chargerId && accounts.get(chargerId))
      if (chargerId) {
        const account = accountOf(chargerId)
        if (said.name === 'session_start') add(account.bearers, said.body.transactionId, said.body.sessionId)
        account.words.push(word)
        tell(account, word)
        if (sessionId) claim(account, sessionId)
      } else if (sessionId) {
        push(shelves, sessionId, word)
        for (const claimer of claims.get(sessionId) ?? []) tell(accountOf(claimer), word)
      }
    },
    withdraw: (excluded, touched) => {
      money.withdraw(excluded, touched)
      for (const { logId, fromSeq } of excluded) {
        for (const word of wordsOf.get(logId) ?? []) {
          if (word.event.seq < fromSeq) continue
          const { chargerId, sessionId } = word
          touch(touched, word, chargerId && accounts.get(chargerId))
          const claimers = chargerId ? [chargerId] : sessionId ? (claims.get(sessionId) ?? []) : []
          for (const claimer of claimers) accountOf(claimer).folded = undefined
        }
      }
    },
    refold: (touched, settlement) => {
      const named = new Map<ChargerId, Set<SessionId>>()
      for (const chargerId of [...touched.chargers].sort()) named.set(chargerId, new Set())
      for (const sessionId of touched.sessions) {
        for (const chargerId of claims.get(sessionId) ?? []) add(named, chargerId, sessionId)
        const row = rows.get(sessionId)
        if (row) add(named, row.chargerId, row.toldUnder)
      }
      const later = [...named.keys()].filter(chargerId => !touched.chargers.has(chargerId)).sort()
      for (const chargerId of [...[...touched.chargers].sort(), ...later])
        settle(
          accountOf(chargerId),
          { named: named.get(chargerId) ?? new Set(), touched: touched.sessions },
          settlement,
        )
    },
    silentSince: at =>
      [...rows.values()]
        .filter(row => row.state === 'open' && row.touchedAt <= at)
        .map(row => row.sessionId)
        .sort(),
    sessions: () =>
      inOrder(rows).map(([, row]) => {
        const {
          startRef: _,
          endRef: __,
          stopContent: ___,
          toldUnder: ____,
          touchedAt: _____,
          ...session
        } = row
        return session
      }),
    bills: () =>
      inOrder(bills).flatMap(([sessionId, ofSession]) =>
        ofSession.map(({ inputHash: _, ...bill }) => {
          const row = rows.get(sessionId)
          const [chargerId, meterStartWh] = [row?.chargerId ?? ('' as ChargerId), row?.meterStartWh ?? 0]
          return { sessionId, chargerId, meterStartWh, ...bill }
        }),
      ),
  }
}

/** As `foldOf` in src/cloud/charger.ts. */
function isStillTold({ chargerId, folded }: Account, row: SessionRow): boolean {
  const counting = folded?.facts.chargers.get(chargerId)?.sessions.get(row.toldUnder)
  if (!counting) return false
  if (row.toldUnder === row.sessionId) return counting.starts.length > 0
  return isTold(counting, row.startRef, row.stopContent)
}

function rowOf(session: Session, verdict: Verdict, nowAt: number): SessionRow {
  const { sessionId, chargerId, start, end } = session
  return {
    ...{ sessionId, chargerId, meterStartWh: start.body.meterStartWh },
    ...(end && { meterStopWh: end.body.meterStopWh }),
    ...(verdict.energyWh !== undefined && { energyWh: verdict.energyWh }),
    ...{ state: verdict.state, flags: verdict.flags },
    ...{ startRef: refText(start.ref), endRef: end && refText(end.ref), touchedAt: nowAt },
    stopContent: end?.body.sessionId ? contentOf(end) : undefined,
    toldUnder: start.body.sessionId,
  }
}

/** As `changed` in src/cloud/sessions.ts: anything else may differ without being written again. */
function sameRow(a: SessionRow, b: SessionRow): boolean {
  const { state, startRef, endRef, energyWh } = a
  const same = state === b.state && startRef === b.startRef && endRef === b.endRef && energyWh === b.energyWh
  return same && a.flags.join(',') === b.flags.join(',')
}

/** A stop without a session may be any of its charger's, a tick is of who bears its transaction id, a mark tells nothing. */
function touch(touched: Touched, { said, chargerId, sessionId }: Word, account: Account | undefined): void {
  if (sessionId && said.name !== 'reconciliation_mark') touched.sessions.add(sessionId)
  else if (chargerId && said.name === 'session_end') touched.chargers.add(chargerId)
  else if (said.name === 'meter_tick')
    for (const bearer of account?.bearers.get(said.body.transactionId) ?? []) touched.sessions.add(bearer)
}

function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}

function add<K, V>(sets: Map<K, Set<V>>, key: K, value: V): void {
  sets.set(key, (sets.get(key) ?? new Set()).add(value))
}

function inOrder<V>(table: ReadonlyMap<SessionId, V>): readonly (readonly [SessionId, V])[] {
  return [...table].sort(([a], [b]) => (a < b ? -1 : 1))
}
