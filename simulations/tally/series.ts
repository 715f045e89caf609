// A run as curves: sampled so that any run gives a few hundred points.

import type { Series } from '../outcome.ts'
import type { Member, Shown } from '../world/observer.ts'

const POINTS = 240

export type SeriesWatch = {
  readonly second: () => void
  readonly read: () => Series
  /** Whether the site was in more than one piece at some time between the two. */
  readonly wasApart: (fromMs: number, untilMs: number) => boolean
}

export function createSeries(shown: Shown): SeriesWatch {
  const { plan } = shown
  const everyMs = Math.max(1000, Math.ceil((plan.durationMs + plan.quietMs / 4) / POINTS / 1000) * 1000)
  const series = {
    ...{ islands: [] as number[], nodesUp: [] as number[], openSessions: [] as number[] },
    ...{ missingEvents: [] as number[], unsentEvents: [] as number[] },
    ...{ servedDrivers: [] as number[], refusedDrivers: [] as number[] },
  }
  const apart: { fromMs: number; untilMs: number }[] = []
  let version = -1
  let islands = 1

  const eventsOf = (member: Member): number => {
    let events = 0
    for (const log of member.node()?.ledger().logs.all() ?? []) events += log.head.seq + 1
    return events
  }
  const up = (): readonly Member[] => shown.members().filter(member => member.node() && !member.isClone)
  const missing = (): number => {
    const counts = up().map(eventsOf)
    const most = Math.max(0, ...counts)
    return counts.reduce((sum, count) => sum + most - count, 0)
  }
  const unsent = (): number => {
    const member = up()[0]
    const ledger = member?.node()?.ledger()
    return ledger ? (member?.node()?.uplinks().unsentEvents(ledger) ?? 0) : 0
  }

  return {
    second: () => {
      const nowMs = shown.nowMs()
      if (shown.network.topologyVersion() !== version) {
        version = shown.network.topologyVersion()
        islands = shown.network.islands()
      }
      const last = apart.at(-1)
      if (islands > 1 && last && last.untilMs >= nowMs - 2000) last.untilMs = nowMs
      else if (islands > 1) apart.push({ fromMs: nowMs, untilMs: nowMs })
      if (nowMs % everyMs >= 1000) return
      series.islands.push(islands)
      series.nodesUp.push(up().length)
      const sessions = shown.stations.flatMap(station => station.sessions())
      series.openSessions.push(sessions.filter(one => one.meterStopWh === undefined).length)
      series.missingEvents.push(missing())
      series.unsentEvents.push(unsent())
      const visits = shown.stations.flatMap(station => station.visits())
      series.servedDrivers.push(visits.filter(one => one.outcome === 'served').length)
      series.refusedDrivers.push(visits.filter(one => one.outcome === 'refused').length)
    },
    read: () => ({ everyMs, ...series }),
    wasApart: (fromMs, untilMs) => apart.some(one => one.fromMs <= untilMs && one.untilMs >= fromMs),
  }
}
