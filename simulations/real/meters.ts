// A real charge point's own books as the checkers read those of a simulated one: sessions at its meter, and what became of
// its drivers.
import type { ChargerId } from '../../src/units.ts'
import type { ChargerSession } from '../charger/connector.ts'
import type { Plan } from '../plan.ts'
import type { Station, StationSession } from '../station/station.ts'
import { refused } from './evidence.ts'
import type { RealStation } from './guests.ts'

type Known = { readonly plan: Plan; readonly originAt: number }

export function stationOf({ charger, visits }: RealStation, known: Known): Station {
  const sessions = charger.sessions().map(session => sessionOf(session, known))
  const waiting = charger.queued()
  const act = (): never => refused('act')
  return {
    id: charger.identity as ChargerId,
    ...{ visits: () => visits, sessions: () => sessions, waiting: () => waiting },
    ...{ arrive: act, leaveAll: act, powerOff: act, powerOn: act, offline: act, moveOn: act, replayAll: act },
    connectedTo: () => undefined,
    listVersion: () => 0,
  }
}

/** When exactly a message was confirmed is not known, only that it was by the end. */
export function sessionOf(session: ChargerSession, { plan, originAt }: Known): StationSession {
  const { connectorId, idTag, meterStartWh, meterStopWh, startedAt, stoppedAt, transactionIds } = session
  return {
    ...{ connectorId, idTag, meterStartWh, transactionIds, servedBy: [], wasOffline: false },
    card: plan.cards.findIndex(card => card.idTag === idTag),
    startedAtMs: startedAt - originAt,
    startedRaw: new Date(startedAt).toISOString(),
    ...(meterStopWh !== undefined && { meterStopWh }),
    ...(stoppedAt !== undefined && {
      stoppedAtMs: stoppedAt - originAt,
      stoppedRaw: new Date(stoppedAt).toISOString(),
    }),
    ...(transactionIds.length > 0 && { startConfirmedMs: startedAt - originAt }),
    ...(session.finished && stoppedAt !== undefined && { stopConfirmedMs: stoppedAt - originAt }),
  }
}
