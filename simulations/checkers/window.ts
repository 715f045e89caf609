// What a revoked card draws (PROTOCOL 2.4, 6.5). I15 behind the revocation, over all nodes and as the chargers' own meters have
// it, no more than any node that knows of it states as the worst case at that moment. Looked at where cards have a cap, when
// another session of a revoked card has ended. What a charger allows by itself while it is offline is no node's doing.

import { statedWindow } from '../../src/api/window.ts'
import type { TokenRef } from '../../src/units.ts'
import type { Observer, Shown } from '../world/observer.ts'

const LOOK_EVERY_MS = 10_000

export function windowChecker(shown: Shown): Observer {
  const { plan, site, operator } = shown
  if (plan.capWhPerDay === undefined) return { name: 'window' }
  const roster = site.roster()
  for (const { certificate } of site.devices) roster.enrol(certificate.encoded)
  const sessionWh = Math.max(0, ...plan.visits.map(visit => visit.battery.capacityWh))
  const cards = new Map(plan.cards.map(({ idTag }, i) => [site.tokenRef(idTag), i]))
  const isAgain = (card: number): boolean =>
    plan.operator.some(step => step.kind === 'grant' && step.card === card)
  const seen = new Map<TokenRef, number>()

  /** Sessions that ran behind the revocation and are over. */
  const drawnSince = (card: number, atMs: number): { readonly count: number; readonly wh: number } => {
    const ended = shown.stations
      .flatMap(station => station.sessions())
      .filter(one => one.card === card && !one.wasOffline && (one.stoppedAtMs ?? -1) >= atMs)
    const wh = ended.reduce((sum, one) => sum + (one.meterStopWh ?? 0) - one.meterStartWh, 0)
    return { count: ended.length, wh }
  }

  const compare = (tokenRef: TokenRef, wh: number): void => {
    for (const member of shown.members()) {
      const node = member.node()
      if (!node || !member.isHonest || member.isClone) continue
      const nowAt = plan.startsAt + shown.nowMs()
      const facts = { ledger: node.ledger(), roster, self: member.deviceId }
      const stated = statedWindow(facts, { tokenRefs: [tokenRef], nowAt, sessionWh })
      if (stated?.worstWh === undefined || wh <= stated.worstWh) continue
      shown.object(
        'I15',
        `a revoked card drew ${wh} Wh, and node ${member.name} states ${stated.worstWh} Wh at most, on ${stated.islands} islands`,
      )
    }
  }

  const look = (): void => {
    for (const { tokenRef, atMs } of operator.revocations()) {
      const card = cards.get(tokenRef)
      if (card === undefined || isAgain(card)) continue
      const { count, wh } = drawnSince(card, atMs)
      if (count === (seen.get(tokenRef) ?? 0)) continue
      seen.set(tokenRef, count)
      compare(tokenRef, wh)
    }
  }

  return {
    name: 'window',
    second: () => {
      if (shown.nowMs() % LOOK_EVERY_MS === 0) look()
    },
    finished: look,
  }
}
