// Reconciliation marks: one a session, written by the device that recorded its end, once acks cover that end
// and the start (PROTOCOL 3.5). A mark is itself acked later, and that causes nothing more.
import type { Ledger } from './ledger.ts'
import { type AnyBody, type BodyOf, decodeBody, type EventRef, TYPE_NUMBERS } from './log/body.ts'
import type { LogEvent } from './log/event.ts'
import { isStartAcked } from './session/acked.ts'
import type { ChargerId, DeviceId, SessionId } from './units.ts'

type Unmarked = {
  readonly end: EventRef
  readonly chargerId: ChargerId
  /** It names no session: as more arrives, it may turn out to be another one's than it seemed. */
  readonly isNameless: boolean
}
/** Nameless ends that are looked at again; the oldest leave first. */
const MAX_NAMELESS = 256

export type Marks = {
  /** Notes an event of our own; ends wait for their ack. */
  readonly note: (event: LogEvent) => void
  /** The marks that may be written now; each is given once. */
  readonly due: (ledger: Ledger) => readonly AnyBody[]
}

export function createMarks(ledger: Ledger, self: DeviceId): Marks {
  const unmarked = new Map<string, Unmarked>()
  /** Of nameless ends, the session that was marked last. */
  const markedAs = new Map<string, SessionId>()
  const put = (end: EventRef, { chargerId, sessionId }: BodyOf<'session_end'>): void => {
    unmarked.set(`${end.logId}/${end.seq}`, { end, chargerId, isNameless: sessionId === undefined })
  }
  /** Looked at for the last time, unless it may yet turn out to be another session's. */
  const settle = (name: string, { isNameless }: Unmarked, sessionId: SessionId): void => {
    if (!isNameless) unmarked.delete(name)
    else markedAs.set(name, sessionId)
    const oldest = markedAs.size > MAX_NAMELESS ? markedAs.keys().next() : undefined
    if (!oldest || oldest.done) return
    markedAs.delete(oldest.value)
    unmarked.delete(oldest.value)
  }
  for (const session of ledger.view().sessions()) {
    if (session.end?.deviceId === self && !session.mark) put(session.end.ref, session.end.body)
    // A mark may have been written for another session that this end seemed to belong to.
    for (const end of session.mark ? session.ends : [])
      if (end.deviceId === self && end.body.sessionId === undefined) put(end.ref, end.body)
  }
  for (const end of ledger.view().orphanEnds()) if (end.deviceId === self) put(end.ref, end.body)
  let seen = -1
  return {
    note: event => {
      if (event.type !== TYPE_NUMBERS.session_end) return
      const said = decodeBody(event.type, event.body)
      if (said?.name === 'session_end')
        put({ logId: event.logId, seq: event.seq, hash: event.hash }, said.body)
    },
    due: held => {
      const bodies: AnyBody[] = []
      const changes = held.view().changes() + held.objects.changes()
      if (changes === seen) return bodies
      seen = changes
      for (const [name, waiting] of unmarked) {
        const { end, chargerId } = waiting
        const ack = held.objects.get(`ack/${end.logId}`)
        if (ack?.kind !== 'ack' || held.ackedSeq(end.logId) < end.seq) continue
        const { sessions } = held.view().ofCharger(chargerId)
        const session = sessions.find(one => one.ends.some(other => sameRef(other.ref, end)))
        // A stop that fits no session yet may be joined when the start arrives.
        if (!session || markedAs.get(name) === session.sessionId) continue
        if (!isStartAcked(session, held.ackedSeq)) continue
        settle(name, waiting, session.sessionId)
        if (session.mark || !session.end || !sameRef(session.end.ref, end)) continue
        const { cloudEpoch, issuedAt } = ack.body
        bodies.push({
          name: 'reconciliation_mark',
          body: { sessionId: session.start.body.sessionId, end, cloudEpoch, ackedAt: issuedAt },
        })
      }
      return bodies
    },
  }
}

function sameRef(a: EventRef, b: EventRef): boolean {
  return a.logId === b.logId && a.seq === b.seq
}
