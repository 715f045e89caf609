// Cards that a charge point accepts by its own list, with nobody asked. I13 holds there too: once it was given a list by a node
// that had held a revocation for a while, or was connected to one, no list that it has later lets that card charge, whoever gave
// it; only a grant that cites the revocation does, or firmware that forgets its list and begins with an empty one.
import { decodeBody } from '../../src/log/body.ts'
import type { ChargerId } from '../../src/units.ts'
import type { Station } from '../station/station.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'
import type { PolicyWatch } from './policy.ts'

/** What a node learns while a list is made durable and sent need not be in it. */
const SLACK_MS = 30_000
/** Room to be refused once, and to try again. */
const CONNECTED_MS = 120_000

export type ListsWatch = Observer & { readonly decidedByList: () => number }

export function listsChecker(shown: Shown, policy: PolicyWatch): ListsWatch {
  /** The newest revocation that went into a charger's list, or into one before it. */
  const current = new Map<ChargerId, number>()
  const history = new Map<string, number>()
  const seen = new Map<ChargerId, number>()
  const cited = new Set<string>()
  let read = 0
  let decidedByList = 0

  /** With whom each charger is connected, and since when. */
  const connected = new Map<ChargerId, { member: Member; life: number; sinceMs: number }>()

  /** The newest revocation that this node has held for so long. */
  const heldBy = (member: Member, forMs: number): number => {
    const head = member.node()?.ledger().logs.get(shown.operator.logId)?.head.seq ?? -1
    const seqs = shown.operator.revocations().map(({ seq }) => seq)
    const settled = seqs.filter(seq => {
      const sinceMs = policy.known().get(seq)?.get(member.number)
      return sinceMs !== undefined && seq <= head && sinceMs <= shown.nowMs() - forMs
    })
    return Math.max(-1, ...settled)
  }

  const readGrants = (): void => {
    const events = shown.operator.events()
    for (; read < events.length; read++) {
      const event = events[read]
      const said = event && decodeBody(event.type, event.body)
      if (said?.name === 'grant') for (const hash of said.body.supersedes) cited.add(hash)
    }
  }

  return {
    name: 'local-lists',
    decidedByList: () => decidedByList,
    commanded: (member, { chargerId, command, outcome }) => {
      if (outcome.kind !== 'accepted') return
      if (command.kind === 'getLocalListVersion' && outcome.detail === 0) current.delete(chargerId)
      if (command.kind !== 'sendLocalList') return
      const held = Math.max(heldBy(member, SLACK_MS), current.get(chargerId) ?? -1)
      current.set(chargerId, held)
      history.set(`${chargerId}/${command.version}`, held)
    },
    second: () => {
      for (const station of shown.stations) {
        noteConnection(station)
        const visits = station.visits()
        for (const visit of visits.slice(seen.get(station.id) ?? 0)) {
          if (visit.listVersion === undefined) continue
          decidedByList += 1
          readGrants()
          const idTag = shown.plan.cards[visit.visit.card]?.idTag ?? ''
          const held = history.get(`${station.id}/${visit.listVersion}`) ?? -1
          const revocation = shown.operator
            .revocations()
            .find(one => one.tokenRef === shown.site.tokenRef(idTag) && one.seq <= held && !isUndone(one.seq))
          if (revocation)
            shown.object(
              'I13',
              `the list of ${station.id} allows a card whose revocation ${revocation.seq} went into it`,
            )
        }
        seen.set(station.id, visits.length)
      }
    },
  }

  /** Who is connected for a while to a node that holds a revocation has a list that knows of it, sent or not. */
  function noteConnection(station: Station): void {
    const number = station.connectedTo()
    const member = shown.members().find(one => one.number === number && one.node() && !one.isClone)
    const before = connected.get(station.id)
    if (!member) {
      connected.delete(station.id)
      return
    }
    if (before?.member !== member || before.life !== member.life()) {
      connected.set(station.id, { member, life: member.life(), sinceMs: shown.nowMs() })
      return
    }
    if (shown.nowMs() - before.sinceMs < CONNECTED_MS || station.listVersion() === 0) return
    const held = Math.max(heldBy(member, CONNECTED_MS), current.get(station.id) ?? -1)
    current.set(station.id, held)
    history.set(`${station.id}/${station.listVersion()}`, held)
  }

  function isUndone(seq: number): boolean {
    return cited.has(shown.operator.events()[seq]?.hash ?? '')
  }
}
