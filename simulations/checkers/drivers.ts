// I22 nobody pays for another: a session is the driver's whose card was held to the charger. One whose card was told behind
// its start (OCPP 2.0.1, E03) is nobody's only until that is heard.
import type { StationSession } from '../station/station.ts'
import type { Observer, Shown } from '../world/observer.ts'
import type { Losses } from './losses.ts'

export function driversChecker(shown: Shown, losses: Losses): Observer {
  return {
    name: 'drivers',
    finished: async () => {
      const node = shown
        .members()
        .find(member => member.node())
        ?.node()
      if (!node) return
      for (const { id, sessions } of shown.stations) {
        for (const truth of told(sessions())) {
          const held = node.ledger().view().ofCharger(id).sessions
          const whose = held.filter(one => one.start.body.meterStartWh === truth.meterStartWh)
          for (const { tokenRef, reason } of whose) {
            const isNobodys = reason === 'no card yet'
            if (tokenRef === shown.site.tokenRef(truth.idTag)) continue
            if (isNobodys && (losses.destroyedEvents() > 0 || truth.stopConfirmedMs === undefined)) continue
            shown.object('I22', `${id} ${truth.meterStartWh} Wh is ${isNobodys ? 'nobody' : 'another'}'s`)
          }
        }
      }
    },
  }
}

/** Those that nothing else at this charger began at the same register as. */
function told(sessions: readonly StationSession[]): readonly StationSession[] {
  return sessions.filter(
    one => sessions.filter(({ meterStartWh }) => meterStartWh === one.meterStartWh).length === 1,
  )
}
