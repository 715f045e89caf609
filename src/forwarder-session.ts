// A session as a central system is told of it: from the folded view and the readings in the logs, with times as the charger
// said them where its clock was right, and put right where it was wrong.
import { type AnyBody, type BodyOf, decodeBody } from './log/body.ts'
import { decodeElement } from './log/event.ts'
import { wallOf } from './log/hlc.ts'
import type { ChargerTime } from './ports.ts'
import type { Log, Logs } from './replica/logs.ts'
import type { Session } from './session/fold.ts'
import { UNREADABLE_START_WH } from './session/registers.ts'
import { type Moment, timesOf, withinAt, wrongClockOf } from './session/times.ts'
import type { LogId, SessionId } from './units.ts'
import type { ToldReading, ToldSession } from './uplink/csms-calls.ts'

/** More of one session are thinned out; the first and the last stay. */
const MAX_READINGS = 1000
/** Logs whose readings are kept found. */
const MAX_INDEXED = 64
const TICK_TYPE = 17
const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/

export type ToldSessions = {
  /** Undefined where the charger never said what its meter began with, and nothing proves it. */
  readonly told: (logs: Logs, session: Session) => ToldSession | undefined
}

type Index = { upTo: number; readonly seqs: Map<SessionId, number[]> }

export function createToldSessions(): ToldSessions {
  const indexes = new Map<LogId, Index>()
  const indexOf = (log: Log): Index => {
    const held = indexes.get(log.logId) ?? { upTo: 0, seqs: new Map() }
    indexes.delete(log.logId)
    indexes.set(log.logId, held)
    const [oldest] = indexes.keys()
    if (indexes.size > MAX_INDEXED && oldest !== undefined) indexes.delete(oldest)
    for (; held.upTo <= log.head.seq; held.upTo++) {
      const tick = tickAt(log, held.upTo)
      const sessionId = tick?.body.sessionId
      if (sessionId === undefined) continue
      const seqs = held.seqs.get(sessionId)
      if (seqs) seqs.push(held.upTo)
      else held.seqs.set(sessionId, [held.upTo])
    }
    return held
  }
  const readings = (logs: Logs, session: Session): readonly ToldReading[] => {
    const ids = new Set(session.starts.map(({ body }) => body.sessionId))
    const wrong = wrongClockOf(session)
    const { startedAt, stoppedAt } = timesOf(session)
    const found = new Map<string, ToldReading & { readonly at: number }>()
    for (const logId of session.logIds) {
      const log = logs.get(logId)
      if (!log) continue
      const { seqs } = indexOf(log)
      for (const seq of [...ids].flatMap(id => seqs.get(id) ?? [])) {
        const tick = log.fork && seq >= log.fork.seq ? undefined : tickAt(log, seq)
        if (tick?.body.chargerId !== session.chargerId) continue
        const at = withinAt(wrong, tick.body.sampledAt, tick.recordedAt)
        const isWithin =
          at !== undefined && at >= startedAt.at && (stoppedAt === undefined || at <= stoppedAt.at)
        if (!isWithin) continue
        const { energyWh, powerW, socPercent, sampledAt } = tick.body
        if (energyWh === undefined && powerW === undefined && socPercent === undefined) continue
        found.set(`${at} ${energyWh} ${powerW} ${socPercent}`, {
          ...{ at, sampledAt: shown(sampledAt, at) },
          ...(energyWh !== undefined && { energyWh }),
          ...(powerW !== undefined && { powerW }),
          ...(socPercent !== undefined && { socPercent }),
        })
      }
    }
    const inOrder = [...found.values()].sort((a, b) => a.at - b.at || (a.energyWh ?? 0) - (b.energyWh ?? 0))
    return thinned(inOrder).map(({ at: _at, ...reading }) => reading)
  }
  return {
    told: (logs, session) => {
      const meterStartWh = meterStartOf(session)
      if (meterStartWh === undefined) return undefined
      const { startedAt, stoppedAt } = timesOf(session)
      const { body } = session.start
      const { end } = session
      return {
        sessionId: session.sessionId,
        connectorId: session.connectorId,
        startedAt: moment(startedAt, body.startedAt),
        meterStartWh,
        readings: readings(logs, session),
        ...(body.stationTransactionId !== undefined && { stationTransactionId: body.stationTransactionId }),
        ...(end &&
          stoppedAt && {
            end: {
              stoppedAt: moment(stoppedAt, end.body.stoppedAt),
              meterStopWh: end.body.meterStopWh,
              reason: end.body.reason,
              byCard: end.body.tokenRef !== undefined && end.body.tokenRef === session.tokenRef,
            },
          }),
      }
    },
  }
}

/** A start without a readable register begins where its readings prove that it began. */
function meterStartOf({ start, end, energyWh }: Session): number | undefined {
  const { meterStartWh } = start.body
  if (meterStartWh !== UNREADABLE_START_WH) return meterStartWh
  return end && energyWh !== undefined ? end.body.meterStopWh - energyWh : undefined
}

function moment({ at, clock }: Moment, said: ChargerTime): string {
  return clock === 'charger' ? shown(said, at) : new Date(at).toISOString()
}

/** The charger's own words where they say just that; some have no zone, or no form that others read. */
function shown({ raw, at: said }: ChargerTime, at: number): string {
  return said === at && RFC3339.test(raw) ? raw : new Date(at).toISOString()
}

function tickAt(
  log: Log,
  seq: number,
): { readonly body: BodyOf<'meter_tick'>; readonly recordedAt: number } | undefined {
  const bytes = log.elements[seq]
  // The second byte is the type: most events are looked at no further.
  if (!bytes || bytes[1] !== TICK_TYPE) return undefined
  const element = decodeElement(bytes)
  if (typeof element === 'string') return undefined
  const said: AnyBody | undefined = decodeBody(element.type, element.body)
  return said?.name === 'meter_tick' ? { body: said.body, recordedAt: wallOf(element.hlc) } : undefined
}

function thinned<T>(all: readonly T[]): readonly T[] {
  if (all.length <= MAX_READINGS) return all
  const step = (all.length - 1) / (MAX_READINGS - 1)
  return Array.from({ length: MAX_READINGS }, (_, i) => all[Math.round(i * step)] as T)
}
