// The second reading of an audit file: every session is folded anew from the events that count, and priced from its readings and the
// tariff that was fixed at its start, by the rules that nodes and the cloud use; what comes of it is compared with what the file says.
// Chargers are taken in groups, so that no more than one group's events are held at a time; the file is read once for each group.

import { createCorrections } from '../billing/corrections.ts'
import type { Bill, BillKind, BillReason } from '../billing/revisions.ts'
import { fromBytes, MalformedBytes } from '../cbor.ts'
import { decodeBody } from '../log/body.ts'
import { decodeElement } from '../log/event.ts'
import { countOf, decodeUpdate } from '../replica/canonical.ts'
import { addFact, emptyFacts } from '../session/facts.ts'
import { foldCharger } from '../session/fold.ts'
import { timesOf } from '../session/times.ts'
import type { Tariff } from '../tariff/tariffs.ts'
import type { SessionId } from '../units.ts'
import { hashAt } from './book.ts'
import { BILL, type BillSaid, KIND, SEGMENT, SESSION_SAID, type SessionSaid } from './format.ts'
import type { Read } from './proof.ts'
import type { AuditRecord } from './reader.ts'
import type { Money, Reckoning } from './reckoning.ts'

/** Events of one group's chargers; a charger with more is a group by itself. */
export const GROUP_EVENTS = 60_000

/** Numbers of the chargers that are folded in one reading; there is at least one reading, for bills of no session. */
export function groupsOf({ homes }: Read, most = GROUP_EVENTS): readonly ReadonlySet<number>[] {
  const groups: Set<number>[] = [new Set()]
  let events = 0
  homes.chargers().forEach((_, i) => {
    const weight = homes.weights()[i + 1] ?? 0
    if (events > 0 && events + weight > most) {
      groups.push(new Set())
      events = 0
    }
    events += weight
    groups.at(-1)?.add(i + 1)
  })
  return groups
}

/** What counts of what issuers said of money: tariffs by the event that published them, and decisions about sessions. */
export function moneyIn({ said }: Read): Money {
  const tariffs = new Map<string, Tariff>()
  const corrections = createCorrections()
  for (const { log, event, said: body } of said) {
    if (event.seq >= log.limit || !log.certificate.roles.includes('issuer')) continue
    const { logId, seq, hash, hlc } = event
    if (body.name === 'tariff')
      tariffs.set(`${logId}/${seq}/${hash}`, { ...body.body, ref: { logId, seq, hash }, hlc })
    corrections.add(event, body)
  }
  return {
    tariffAt: ({ logId, seq, hash }) => tariffs.get(`${logId}/${seq}/${hash}`),
    correctionsOf: corrections.of,
  }
}

export type Group = {
  readonly chargers: ReadonlySet<number>
  /** In the first reading bills are set apart that name a session of which no event tells under that name. */
  readonly isFirst: boolean
}
export type Recount = { readonly take: (record: AuditRecord) => void; readonly end: () => void }

export function createRecount(read: Read, group: Group, reckoning: Reckoning): Recount {
  const facts = emptyFacts()
  const { homes, logs } = read
  const shelfOf = <V>(sessionId: SessionId, { mine, loose }: { mine: V; loose: V }): V | undefined => {
    const chargers = homes.chargersOf(sessionId)
    if (chargers.length === 0) return group.isFirst ? loose : undefined
    return chargers.some(number => group.chargers.has(number)) ? mine : undefined
  }
  const bills = new Map<SessionId, Bill[]>()
  const said = new Map<SessionId, SessionSaid>()

  const discounted = discountedIn(read)
  const isDiscounted = (sessionId: SessionId): boolean =>
    discounted === 'all' || homes.chargersOf(sessionId).some(number => discounted.has(number))

  const isMeant = (home: number): boolean =>
    home > 0 ? group.chargers.has(home) : home < 0 && homes.isClaimed(-home, group.chargers)
  const isAnyMeant = (all: Int32Array): boolean => all.some(isMeant)

  const takeSegment = (payload: Uint8Array): void => {
    const { logId, fromSeq, update } = fromBytes(SEGMENT, payload)
    const log = logs.get(logId)
    // Logs tell of the chargers of one node, mostly: a segment in which none of this group's is named is left as it lies.
    if (!log || !isAnyMeant(log.homes.subarray(fromSeq, Math.min(log.limit, fromSeq + countOf(update)))))
      return
    const elements = decodeUpdate(fromSeq, update)
    if (!elements) return
    const { deviceId } = log.certificate
    for (const [i, bytes] of elements.entries()) {
      const seq = fromSeq + i
      if (seq >= log.limit || seq > log.head.seq) return
      if (!isMeant(log.homes[seq] ?? 0)) continue
      const element = decodeElement(bytes)
      const hash = hashAt(log, seq)
      if (typeof element === 'string' || !hash) continue
      const body = decodeBody(element.type, element.body)
      if (body) addFact(facts, { ...element, logId, seq, prev: hash, hash }, body, deviceId)
    }
  }

  return {
    take: record => {
      try {
        if (record.kind === KIND.segment) takeSegment(record.payload)
        else if (record.kind === KIND.bill) {
          const bill = fromBytes(BILL, record.payload)
          const shelf = shelfOf(bill.sessionId, { mine: bills, loose: reckoning.looseBills })
          const list = shelf?.get(bill.sessionId)
          if (list) list.push(billOf(bill))
          else shelf?.set(bill.sessionId, [billOf(bill)])
        } else if (record.kind === KIND.session) {
          const one = fromBytes(SESSION_SAID, record.payload)
          shelfOf(one.sessionId, { mine: said, loose: reckoning.looseSaid })?.set(one.sessionId, one)
        }
      } catch (error) {
        // Found and told at the first reading.
        if (!(error instanceof MalformedBytes)) throw error
      }
    },
    end: () => {
      for (const charger of facts.chargers.values()) {
        const { sessions, orphanEnds } = foldCharger(charger)
        for (const session of sessions) {
          const { sessionId } = session
          const ofSession = bills.get(sessionId) ?? reckoning.looseBills.get(sessionId)
          const ofNode = said.get(sessionId) ?? reckoning.looseSaid.get(sessionId)
          reckoning.session(session, timesOf(session), {
            ...{ bills: ofSession ?? [], said: ofNode, isDiscounted: isDiscounted(sessionId) },
          })
          for (const shelf of [bills, reckoning.looseBills, said, reckoning.looseSaid])
            shelf.delete(sessionId)
        }
        for (const end of orphanEnds) reckoning.orphanStop(end)
      }
      // Of chargers in this group, under a name that no session has any more.
      for (const [sessionId, list] of bills) {
        const isTold = [...facts.chargers.values()].some(
          one => (one.sessions.get(sessionId)?.starts.length ?? 0) > 0,
        )
        reckoning.billsGone(sessionId, isTold ? 'merged' : 'evidence-withdrawn', {
          ...{ bills: list, isDiscounted: isDiscounted(sessionId) },
        })
      }
      for (const [_sessionId, one] of said) reckoning.saidAlone(one)
    },
  }
}

/** Chargers of which events tell that do not count, by their numbers; all, where a price does not count. */
function discountedIn({ logs, homes, said }: Read): ReadonlySet<number> | 'all' {
  if (said.some(one => one.said.name === 'tariff' && one.event.seq >= one.log.limit)) return 'all'
  const chargers = new Set<number>()
  for (const log of logs.values())
    for (let seq = log.limit; seq <= log.head.seq; seq++) {
      const home = log.homes[seq] ?? 0
      for (const number of home < 0 ? homes.claimantsOf(-home) : [home]) chargers.add(number)
    }
  return chargers
}

function billOf({ kind, reason, ...rest }: BillSaid): Bill {
  return { ...rest, kind: kind as BillKind, reason: reason as BillReason }
}
