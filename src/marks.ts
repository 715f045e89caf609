// Reconciliation marks: one a session, written by the device that recorded its end, once an ack covers that end
// (PROTOCOL 3.5). A mark is itself acked later, and that causes nothing more.
import type { Ledger } from './ledger.ts'
import { type AnyBody, decodeBody, type EventRef, TYPE_NUMBERS } from './log/body.ts'
import type { LogEvent } from './log/event.ts'
import type { ChargerId, DeviceId } from './units.ts'

type Unmarked = { readonly end: EventRef; readonly chargerId: ChargerId }

export type Marks = {
  /** Notes an event of our own; ends wait for their ack. */
  readonly note: (event: LogEvent) => void
  /** The marks that may be written now; each is given once. */
  readonly due: (ledger: Ledger) => readonly AnyBody[]
}

export function createMarks(ledger: Ledger, self: DeviceId): Marks {
  const unmarked = new Map<string, Unmarked>()
  const put = (end: EventRef, chargerId: ChargerId): void => {
    unmarked.set(`${end.logId}/${end.seq}`, { end, chargerId })
  }
  for (const session of ledger.view().sessions()) {
    if (session.end?.deviceId === self && !session.mark) put(session.end.ref, session.chargerId)
  }
  for (const end of ledger.view().orphanEnds()) if (end.deviceId === self) put(end.ref, end.body.chargerId)
  let seen = -1
  return {
    note: event => {
      if (event.type !== TYPE_NUMBERS.session_end) return
      const said = decodeBody(event.type, event.body)
      if (said?.name === 'session_end')
        put({ logId: event.logId, seq: event.seq, hash: event.hash }, said.body.chargerId)
    },
    due: held => {
      const bodies: AnyBody[] = []
      const changes = held.view().changes() + held.objects.changes()
      if (changes === seen) return bodies
      seen = changes
      for (const [name, { end, chargerId }] of unmarked) {
        const ack = held.objects.get(`ack/${end.logId}`)
        if (ack?.kind !== 'ack' || held.ackedSeq(end.logId) < end.seq) continue
        const { sessions } = held.view().ofCharger(chargerId)
        const session = sessions.find(one => one.ends.some(other => sameRef(other.ref, end)))
        // A stop that fits no session yet may be joined when the start arrives.
        if (!session) continue
        unmarked.delete(name)
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
