// I33 a node that holds the revocation of a card asks the charger where that card charges to end it, within half a minute.
// Judged from what the operator wrote and how much of it the node held, and from what the charger itself has running: a
// session whose start this very node confirmed. Excused: while a machine stands still or its disk is slow or fails; a node
// whose records were taken from it, or that lives twice; a charger with habits that blur which session is which.
import type { FaultKind } from '../plan.ts'
import type { Station, StationSession } from '../station/station.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'
import { watchCards } from './card-history.ts'

const WITHIN_MS = 30_000
const SETTLING_MS = 60_000
const FOUL: readonly FaultKind[] = [
  ...(['stall', 'slow-disk', 'disk-full', 'sync-error', 'crash-loop', 'slow-reader'] as const),
]
const BEREAVING: readonly FaultKind[] = [
  ...(['bit-flip', 'lost-write', 'misdirected-write', 'sync-lies', 'clone'] as const),
]

/** Who should have asked, in which of its lives, and since when. */
type Due = { readonly member: Member; readonly life: number; readonly sinceMs: number }

export function stopsChecker(shown: Shown): Observer {
  const cards = watchCards(shown)
  const due = new Map<string, Due>()
  const asked = new Set<string>()
  const excused = new Set<number>()
  /** Sessions before this index have ended. */
  const firstOpen = new Map<Station, number>()
  let foulUntilMs = 0
  const quirky = new Set(shown.plan.chargers.filter(one => one.quirks.length > 0).map(one => one.id))

  const running = (station: Station): readonly (readonly [number, StationSession])[] => {
    const sessions = station.sessions()
    let from = firstOpen.get(station) ?? 0
    while (sessions[from]?.stoppedAtMs !== undefined) from++
    firstOpen.set(station, from)
    return sessions
      .slice(from)
      .flatMap((session, i) => (session.stoppedAtMs === undefined ? [[from + i, session] as const] : []))
  }

  /** The node of the session, where it is one that must know what it should do. */
  const answerable = (station: Station, session: StationSession): Member | undefined => {
    const number = station.connectedTo()
    if (number === undefined || session.servedBy[0] !== number || excused.has(number)) return undefined
    const member = shown.members().find(one => one.number === number)
    const node = member?.node()
    if (!member || node?.health().store !== 'open' || session.transactionIds.length === 0) return undefined
    const heldSeq = node.ledger().logs.get(shown.operator.logId)?.head.seq ?? -1
    return cards.isRevoked(shown.site.tokenRef(session.idTag), heldSeq) ? member : undefined
  }

  return {
    name: 'stops',
    commanding: (member, chargerId, command) => {
      if (command.kind === 'remoteStop')
        asked.add(`${member.number}/${member.life()}/${chargerId}/${command.transactionId}`)
    },
    injected: fault => {
      if ('node' in fault && BEREAVING.includes(fault.kind)) excused.add(fault.node)
      if (!FOUL.includes(fault.kind)) return
      const lastsMs = 'forMs' in fault ? fault.forMs : 'downMs' in fault ? fault.downMs : 0
      foulUntilMs = Math.max(foulUntilMs, shown.nowMs() + lastsMs + SETTLING_MS)
    },
    gone: (member, how) => {
      if (how === 'wiped' || how === 'restored') excused.add(member.number)
    },
    second: () => {
      if (shown.operator.revocations().length === 0) return
      const nowMs = shown.nowMs()
      const still = new Set<string>()
      for (const station of shown.stations) {
        if (quirky.has(station.id)) continue
        for (const [index, session] of running(station)) {
          const member = nowMs > foulUntilMs ? answerable(station, session) : undefined
          if (!member) continue
          const name = `${station.id}/${index}`
          still.add(name)
          const past = due.get(name)
          const isSame = past?.member === member && past.life === member.life()
          if (!past || !isSame) {
            due.set(name, { member, life: member.life(), sinceMs: nowMs })
            continue
          }
          const place = `${member.number}/${past.life}/${station.id}`
          if (
            nowMs - past.sinceMs !== WITHIN_MS ||
            session.transactionIds.some(id => asked.has(`${place}/${id}`))
          )
            continue
          shown.object(
            'I33',
            `node ${member.name} has known for ${WITHIN_MS / 1000} s that a card is revoked, and lets it charge at ${station.id}`,
          )
        }
      }
      for (const name of due.keys()) if (!still.has(name)) due.delete(name)
    },
  }
}
