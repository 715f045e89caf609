// In the quiet time everything ends well (PROTOCOL 6.5). L1 all that nodes hold is at the cloud, and all its acks are at the
// nodes. L3 no session is stuck, and each whose end the cloud has is marked as reconciled. L4 all queues are empty, the chargers'
// included. No mark is asked of a node whose disk was lost or rotted, or that was copied: what it had yet to mark is nowhere.

import type { FaultKind } from '../plan.ts'
import type { Observer, Shown } from '../world/observer.ts'
import type { Losses } from './losses.ts'

const FORGETFUL: readonly FaultKind[] = [
  ...(['wipe', 'restore', 'clone', 'bit-flip', 'lost-write', 'misdirected-write', 'sync-lies'] as const),
]

export function livenessChecker(shown: Shown, losses: Losses): Observer {
  const hostile = new Set(shown.plan.hostile.map(one => one.node))
  const hostileDevices = new Set([...hostile].map(node => shown.site.devices[node - 1]?.certificate.deviceId))

  const unsent = (): string | undefined => {
    for (const member of shown.members()) {
      const ledger = member.node()?.ledger()
      if (!ledger) return `L1 node ${member.name} is not up`
      const heads = shown.cloud.headsNow()
      for (const log of ledger.logs.all()) {
        if (hostileDevices.has(log.certificate.deviceId) || log.fork) continue
        const acked = ledger.ackedSeq(log.logId)
        if (acked < log.head.seq)
          return `L1 node ${member.name}: of log ${log.logId} ${acked + 1} of ${log.head.seq + 1} events are acknowledged (the cloud has ${(heads.get(log.logId)?.seq ?? -1) + 1})`
      }
    }
    return undefined
  }

  const waiting = (): string | undefined => {
    for (const station of shown.stations) {
      const { nodes } = shown.plan.chargers.find(charger => charger.id === station.id) ?? { nodes: [] }
      if (nodes.every(node => hostile.has(node))) continue
      if (station.waiting() > 0) return `L4 ${station.id} has ${station.waiting()} messages in its queue`
    }
    return undefined
  }

  /** A session that its charger has ended is ended in the books, unless the records of its end are gone. */
  const stuck = (): string | undefined => {
    const view = shown.members()[0]?.node()?.ledger().view()
    if (!view) return 'L3 no node is up'
    for (const station of shown.stations) {
      const ended = station
        .sessions()
        .filter(one => one.meterStopWh !== undefined && one.stopConfirmedMs !== undefined)
      if (ended.length === 0) continue
      const open = view.ofCharger(station.id).sessions.filter(session => !session.end)
      for (const truth of ended) {
        const stopWh = truth.meterStopWh ?? 0
        if (losses.leftToCloud(station.id, stopWh) || truth.lostByItself !== undefined) continue
        const match = open.find(session => session.start.body.meterStartWh === truth.meterStartWh)
        const known = view.ofCharger(station.id).orphanEnds.some(end => end.body.meterStopWh === stopWh)
        const twin = station.sessions().filter(one => one.meterStartWh === truth.meterStartWh).length > 1
        if (match && !known && !twin)
          return `L3 ${station.id}: session from ${truth.meterStartWh} Wh is still open`
      }
    }
    return undefined
  }

  const markers = new Map(shown.members().map(member => [member.deviceId, member]))

  const unmarked = (): string | undefined => {
    const ledger = shown.members()[0]?.node()?.ledger()
    for (const { sessionId, end, mark } of ledger?.view().sessions() ?? []) {
      const marker = end && markers.get(end.deviceId)
      if (!end || !marker || mark || ledger?.logs.get(end.ref.logId)?.fork) continue
      return `L3 node ${marker.name} does not mark session ${sessionId}, whose end the cloud has`
    }
    return undefined
  }

  return {
    name: 'liveness',
    injected: fault => {
      if (!FORGETFUL.includes(fault.kind) || !('node' in fault)) return
      const device = shown.site.devices[fault.node - 1]?.certificate.deviceId
      if (device) markers.delete(device)
    },
    awaits: () => waiting() ?? unsent() ?? stuck() ?? unmarked(),
  }
}
