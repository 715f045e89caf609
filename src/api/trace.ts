// One session through everything that a node knows of: each event about it, who recorded it, whether it is safe here, who
// else holds it, whether it waits for an uplink, and by which receipt of the cloud it was acknowledged.
import type { FastifyInstance } from 'fastify'
import { MeshError } from '../errors.ts'
import { type AnyBody, decodeBody, type EventName, type EventRef } from '../log/body.ts'
import { decodeElement } from '../log/event.ts'
import { type Hlc, wallOf } from '../log/hlc.ts'
import type { Node } from '../node.ts'
import type { ChargerTime, Clock } from '../ports.ts'
import type { Log } from '../replica/logs.ts'
import type { Session } from '../session/fold.ts'
import { timesOf } from '../session/times.ts'
import { type DeviceId, hex, type LogId, type SessionId, unhex } from '../units.ts'
import { isoOf, nameOf, type ReportDeps, receiptOf } from './report.ts'

export type TraceEvent = {
  readonly event: string
  readonly hash: string
  readonly what: EventName
  readonly node: string
  /** By the clock of the node that recorded it. */
  readonly recordedAt: string
  /** What that clock was worth, where the event says so. */
  readonly clock?: string
  /** What the charger's own clock showed. */
  readonly chargerSaid?: string
  readonly detail: string
  readonly acked: boolean
}

/** Readings are told together. */
export type TraceTicks = {
  readonly logId: string
  readonly node: string
  readonly count: number
  readonly firstSeq: number
  readonly lastSeq: number
  readonly lastWh?: number
}

/** A log that has a word about the session. */
export type TraceLog = {
  readonly logId: string
  readonly node: string
  /** The last event about the session in it. */
  readonly lastSeq: number
  readonly headSeq: number
  /** Connected nodes that are known to hold it up to there; this one does. */
  readonly holders: readonly string[]
  /** Events up to there that no receipt covers: they wait for an uplink. */
  readonly unsent: number
  /** The newest receipt for it. */
  readonly ack?: {
    readonly seq: number
    readonly durability: number
    readonly cloudEpoch: number
    readonly issuedAt: string
    readonly signature: string
  }
  /** It has two branches from there on. */
  readonly forkedAt?: number
}

export type TraceReport = {
  readonly sessionId: string
  readonly chargerId: string
  readonly connectorId: number
  readonly state: string
  readonly flags: readonly string[]
  readonly startedAt: string
  readonly startedClock: string
  readonly stoppedAt?: string
  readonly stoppedClock?: string
  readonly toldBy: string
  /** All of this was flushed to this node's disk. */
  readonly durable: boolean
  readonly storeReason?: string
  readonly events: readonly TraceEvent[]
  readonly ticks: readonly TraceTicks[]
  readonly logs: readonly TraceLog[]
  readonly uplinks: ReturnType<ReturnType<Node['uplinks']>['status']>
  readonly receipt?: string
}

export type TraceDeps = {
  readonly report: ReportDeps
  readonly name: string
  readonly clock: Clock
}

type Route = { readonly Params: { readonly id: string } }

export function addTrace(server: FastifyInstance, deps: TraceDeps): void {
  const { node } = deps.report
  server.get<Route>('/v1/sessions/:id/trace', async request => {
    // Whatever this node has heard before is on the disk when an event of nothing would be.
    const stored = await node.record([]).then(
      () => ({ durable: true }),
      (error: unknown) => {
        if (!(error instanceof MeshError)) throw error
        return { durable: false, storeReason: error.message }
      },
    )
    const sessions = node.ledger().view().sessions()
    const session = sessions.find(({ sessionId }) => sessionId === request.params.id)
    if (!session)
      throw new MeshError('CONFIG_INVALID', 'this node knows no such session; `session list` names them')
    return { ...(await traceOf(deps, session)), ...stored }
  })
}

/** Looked at before chargers have their turn again. */
const AT_ONCE = 2000

type Told = {
  readonly log: Log
  readonly seq: number
  readonly hlc: Hlc
  readonly said: AnyBody
}

async function traceOf(deps: TraceDeps, session: Session): Promise<Omit<TraceReport, 'durable'>> {
  const { node, roster } = deps.report
  const ledger = node.ledger()
  const told = await toldOf(ledger.logs.all(), session)
  const { startedAt, stoppedAt } = timesOf(session)
  const receipt = receiptOf(node, session)
  const isReconciled = session.state === 'completed' && receipt !== undefined
  const events = told
    .filter(({ said }) => said.name !== 'meter_tick')
    .toSorted((a, b) => (a.hlc < b.hlc ? -1 : a.hlc > b.hlc ? 1 : a.seq - b.seq))
  return {
    ...{ sessionId: session.sessionId, chargerId: session.chargerId, connectorId: session.connectorId },
    state: isReconciled ? 'reconciled' : session.state,
    flags: session.flags,
    ...{ startedAt: isoOf(startedAt.at), startedClock: startedAt.clock },
    ...(stoppedAt && { stoppedAt: isoOf(stoppedAt.at), stoppedClock: stoppedAt.clock }),
    toldBy: deps.name,
    events: events.map(({ log, seq, hlc, said }) => ({
      ...{ event: `${log.logId}/${seq}`, hash: log.hashes[seq] ?? '', what: said.name },
      ...{ node: nameOf(roster, log.certificate.deviceId), recordedAt: isoOf(wallOf(hlc)) },
      ...('clock' in said.body && { clock: said.body.clock }),
      ...chargersTime(said),
      detail: detailOf(said),
      acked: seq <= ledger.ackedSeq(log.logId),
    })),
    ticks: ticksIn(told, deps),
    logs: logsIn(told, deps),
    uplinks: node.uplinks().status(),
    ...(receipt !== undefined && { receipt }),
  }
}

/** Every event that names it; a body is read only where its bytes hold one of its ids, or its place is known. */
async function toldOf(logs: Iterable<Log>, session: Session): Promise<readonly Told[]> {
  const ids = new Set<SessionId>([session.sessionId, ...session.starts.map(({ body }) => body.sessionId)])
  const words = [...ids].map(id => Buffer.from(unhex(id)))
  const places = new Set([...session.starts, ...session.ends].map(({ ref }) => placeText(ref)))
  const told: Told[] = []
  let looked = 0
  for (const log of logs) {
    for (const [seq, bytes] of log.elements.entries()) {
      looked += 1
      if (looked % AT_ONCE === 0) await new Promise(resolve => setImmediate(resolve))
      // Of a pruned log nothing is held between its first event and its last.
      if (bytes === undefined) continue
      const held = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      const isPlace = places.has(placeText({ logId: log.logId, seq }))
      if (!isPlace && !words.some(word => held.includes(word))) continue
      const element = decodeElement(bytes)
      const said = typeof element === 'string' ? undefined : decodeBody(element.type, element.body)
      if (typeof element === 'string' || !said) continue
      const named = 'sessionId' in said.body ? said.body.sessionId : undefined
      if (isPlace || (named !== undefined && ids.has(named))) told.push({ log, seq, hlc: element.hlc, said })
    }
  }
  return told
}

function placeText({ logId, seq }: Pick<EventRef, 'logId' | 'seq'>): string {
  return `${logId}/${seq}`
}

function byLog(told: readonly Told[]): ReadonlyMap<LogId, readonly Told[]> {
  const logs = new Map<LogId, Told[]>()
  for (const one of told) logs.set(one.log.logId, [...(logs.get(one.log.logId) ?? []), one])
  return logs
}

function ticksIn(told: readonly Told[], { report }: TraceDeps): readonly TraceTicks[] {
  const ticks = told.filter(({ said }) => said.name === 'meter_tick')
  return [...byLog(ticks)].map(([logId, all]) => {
    const first = all[0] as Told
    const last = all.at(-1) as Told
    const registers = all.flatMap(({ said }) =>
      said.name === 'meter_tick' ? (said.body.energyWh ?? []) : [],
    )
    const lastWh = registers.at(-1)
    return {
      ...{ logId, node: nameOf(report.roster, first.log.certificate.deviceId), count: all.length },
      ...{ firstSeq: first.seq, lastSeq: last.seq, ...(lastWh !== undefined && { lastWh }) },
    }
  })
}

function logsIn(told: readonly Told[], { report }: TraceDeps): readonly TraceLog[] {
  const { node, roster } = report
  const ledger = node.ledger()
  return [...byLog(told)].map(([logId, all]) => {
    const { log } = all[0] as Told
    const lastSeq = Math.max(...all.map(({ seq }) => seq))
    const ack = ledger.objects.get(`ack/${logId}`)
    return {
      ...{ logId, node: nameOf(roster, log.certificate.deviceId), lastSeq, headSeq: log.head.seq },
      holders: node.holders([{ logId, seq: lastSeq }]).map((peer: DeviceId) => nameOf(roster, peer)),
      unsent: Math.max(0, lastSeq - ledger.ackedSeq(logId)),
      ...(ack?.kind === 'ack' && {
        ack: {
          ...{ seq: ack.body.seq, durability: ack.body.durability, cloudEpoch: ack.body.cloudEpoch },
          ...{ issuedAt: isoOf(ack.body.issuedAt), signature: hex(ack.encoded.subarray(-64)).slice(0, 12) },
        },
      }),
      ...(log.fork && { forkedAt: log.fork.seq }),
    }
  })
}

function chargersTime(said: AnyBody): { readonly chargerSaid?: string } {
  const time = timeIn(said)
  return time === undefined || time.raw === '' ? {} : { chargerSaid: time.raw }
}

function timeIn(said: AnyBody): ChargerTime | undefined {
  if (said.name === 'session_start') return said.body.startedAt
  if (said.name === 'session_end') return said.body.stoppedAt
  return said.name === 'session_state' ? said.body.changedAt : undefined
}

/** In a few words, for people. */
function detailOf(said: AnyBody): string {
  switch (said.name) {
    case 'session_start':
      return `at ${said.body.meterStartWh} Wh, ${said.body.allowed}: ${said.body.reason}`
    case 'session_card':
      return `card shown, ${said.body.allowed}: ${said.body.reason}`
    case 'session_end':
      return `at ${said.body.meterStopWh} Wh: ${said.body.reason}`
    case 'session_state':
      return `${said.body.state} (${said.body.chargerStatus})`
    case 'pricing':
      return said.body.byTerms
        ? `by a tariff's terms, ${said.body.currency}`
        : `${said.body.pricePerKwh} ${said.body.currency} a kWh`
    case 'adoption':
      return `taken over from ${placeText(said.body.from)}, the charger ${said.body.chargerState}`
    case 'reconciliation_mark':
      return `acknowledged by the cloud's epoch ${said.body.cloudEpoch}, ${isoOf(said.body.ackedAt)}`
    case 'resolution':
      return `${said.body.rule}${said.body.amount === undefined ? '' : ` ${said.body.amount}`}: ${said.body.note}`
    case 'refund':
    case 'payment_attempt':
      return `${said.body.amount} ${said.body.currency}: ${'reason' in said.body ? said.body.reason : said.body.result}`
    default:
      return ''
  }
}
