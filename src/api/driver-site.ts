// What the driver's plane reads of a running node: stations, sessions, and how far their records have come. Read anew at
// each question from the replicated view, so that any node answers for sessions and states of charge alike.
import type { Node } from '../node.ts'
import type { Session } from '../session/fold.ts'
import { ANYWHERE, type Place } from '../tariff/choice.ts'
import { describe } from '../tariff/describe.ts'
import type { Tariff } from '../tariff/tariffs.ts'
import type { ChargerId, TokenRef } from '../units.ts'
import { type SessionKnown, sessionAnswer } from './driver-session.ts'
import { type Reach, type Station, stationAnswer } from './driver-stations.ts'
import {
  type PriceAnswer,
  Problem,
  type RequestAnswer,
  type SessionAnswer,
  type StationsAnswer,
} from './driver-words.ts'
import { isoOf, nameOf, receiptOf } from './report.ts'
import type { ApiDeps } from './server.ts'

export type DriverSite = Pick<
  ApiDeps,
  'node' | 'roster' | 'self' | 'name' | 'network' | 'chargePoints' | 'clock' | 'aliases'
> & {
  /** When this node heard its chargers last, UTC ms. */
  readonly heardAt: () => ReadonlyMap<ChargerId, number>
}

/** Who is connected and who was heard when: looked up once for many stations. */
type Links = { readonly here: ReadonlySet<ChargerId>; readonly heardAt: ReadonlyMap<ChargerId, number> }

function linksOf({ chargePoints, heardAt }: DriverSite): Links {
  return { here: new Set(chargePoints.connected()), heardAt: heardAt() }
}

/** A node with an uplink that works says so every 20 s; a minute of silence means that it is gone. */
const ALIVE_FOR_MS = 60_000

export function isOffline({ node, self, clock }: DriverSite): boolean {
  if (
    node
      .uplinks()
      .status()
      .some(({ state }) => state === 'working')
  )
    return false
  const { objects, isRevoked } = node.ledger()
  const nowAt = clock.wallMs()
  return !objects
    .ofKind('uplink')
    .some(
      ({ body }) =>
        body.deviceId !== self && Math.abs(nowAt - body.issuedAt) < ALIVE_FOR_MS && !isRevoked(body.deviceId),
    )
}

/** A Problem where this site has none of that name. */
export function stationOf(site: DriverSite, id: string, links = linksOf(site)): Station {
  const point = site.node
    .ledger()
    .view()
    .policy.chargePoint(id as ChargerId)
  if (!point) throw new Problem(404, 'STATION_UNKNOWN', 'This site has no station of that name.')
  const { chargerId, connectors, zone, connectorType, maxPowerW } = point
  const { sessions } = site.node.ledger().view().ofCharger(chargerId)
  return {
    ...{ chargerId, connectors, zone, connectorType, maxPowerW },
    reach: links.here.has(chargerId) ? { kind: 'here' } : reachOf(site, sessions),
    heardAt: links.heardAt.get(chargerId),
    statusOf: connectorId => site.node.connectors().get(`${chargerId}/${connectorId}`),
    openSessions: sessions.filter(session => !session.end),
  }
}

/** Elsewhere when a node that we see serves a session of it; else nobody knows. */
function reachOf(site: DriverSite, sessions: readonly Session[]): Reach {
  const open = sessions.findLast(session => !session.end)
  const server = open && (open.adoptions.at(-1) ?? open.start).deviceId
  if (server !== undefined && server !== site.self && site.network.peers().includes(server))
    return { kind: 'elsewhere', node: nameOf(site.roster, server) }
  return { kind: 'away' }
}

export function stationsOf(site: DriverSite): readonly Station[] {
  const links = linksOf(site)
  return site.node
    .ledger()
    .view()
    .policy.chargePoints()
    .map(({ chargerId }) => stationOf(site, chargerId, links))
}

export function stationsAnswer(site: DriverSite): StationsAnswer {
  const { node, clock } = site
  const ledger = node.ledger()
  const nowAt = clock.wallMs()
  const priceAt = pricesAt(site, nowAt)
  const { policyAgeMs } = ledger.news({ wallMs: nowAt, monotonicMs: clock.monotonicMs() })
  return {
    as_of: isoOf(nowAt),
    node: site.name,
    offline: isOffline(site),
    unsent_events: node.uplinks().unsentEvents(ledger),
    operator_news_age_s: policyAgeMs === undefined ? null : Math.max(0, Math.round(policyAgeMs / 1000)),
    price: priceAt(ANYWHERE),
    stations: stationsOf(site).map(station =>
      stationAnswer(station, priceAt({ ...ANYWHERE, ...placeOf(station) })),
    ),
  }
}

function placeOf({ chargerId, zone, connectorType }: Station): Omit<Place, 'cardClass'> {
  return { chargerId, zone, connectorType }
}

/** Each tariff is put into words once an answer. */
function pricesAt({ node }: DriverSite, nowAt: number): (place: Place) => PriceAnswer | null {
  const { tariffs } = node.ledger().view()
  const said = new Map<Tariff, PriceAnswer>()
  return place => {
    const choice = tariffs.choose(nowAt, place)
    if (choice.kind === 'missing') return null
    const { tariff } = choice
    const { pricePerKwh, currency, effectiveAt } = tariff
    const price = said.get(tariff) ?? {
      ...{ rate_per_kwh: pricePerKwh, currency, since: isoOf(effectiveAt), text: describe(tariff) },
    }
    said.set(tariff, price)
    return price
  }
}

export type SessionFinder = (sessionId: string) => Session | undefined

/**
 * Finds a session of the site's chargers by its id. Phones ask all the time, and something is said all the time: only
 * chargers that said something since are looked through again, and only for a session that is not known yet.
 */
export function sessionFinder(node: Node): SessionFinder {
  const chargerOf = new Map<string, ChargerId>()
  const seen = new Map<ChargerId, readonly Session[]>()
  const held = (sessionId: string): Session | undefined => {
    const chargerId = chargerOf.get(sessionId)
    if (chargerId === undefined) return undefined
    const { sessions } = node.ledger().view().ofCharger(chargerId)
    return sessions.findLast(session => session.sessionId === sessionId)
  }
  const lookAgain = (): void => {
    const { policy, ofCharger } = node.ledger().view()
    for (const { chargerId } of policy.chargePoints()) {
      const { sessions } = ofCharger(chargerId)
      if (seen.get(chargerId) === sessions) continue
      seen.set(chargerId, sessions)
      for (const { sessionId } of sessions) chargerOf.set(sessionId, chargerId)
    }
  }
  return sessionId => {
    const known = held(sessionId)
    if (known) return known
    lookAgain()
    return held(sessionId)
  }
}

export function answerFor(
  site: DriverSite,
  session: Session,
  request: RequestAnswer | null = null,
): SessionAnswer {
  return sessionAnswer(session, knownOf(site, session), request)
}

function knownOf(site: DriverSite, session: Session): SessionKnown {
  const ledger = site.node.ledger()
  const { recordedBy, starts, lastTick } = session
  const receipt = receiptOf(site.node, session)
  const isStartAcked = starts.some(({ ref }) => ref.seq <= ledger.ackedSeq(ref.logId))
  const places = [session.start.ref, ...(session.end ? [session.end.ref] : lastTick ? [lastTick.ref] : [])]
  const others = new Set(recordedBy.filter(deviceId => deviceId !== site.self)).size
  return {
    nowAt: site.clock.wallMs(),
    isOffline: isOffline(site),
    receipt,
    // Who recorded all of it alone holds it as well.
    nodes: 1 + Math.max(site.node.holders(places).length, recordedBy.length === 1 ? others : 0),
    isInCloud: receipt !== undefined && isStartAcked,
    tariffAt: ledger.view().tariffs.at,
    corrections: ledger.view().corrections.of(session.sessionId),
  }
}

/** Whether a card may end a session: its own, or one of its group's while it is in force itself. */
export function mayStop(site: DriverSite, session: Session, tokenRef: TokenRef): boolean {
  const { policy } = site.node.ledger().view()
  const refs = site.aliases(tokenRef)
  if (refs.includes(session.tokenRef)) return true
  const own = policy.tokenOf(refs)
  const group = own.kind === 'granted' ? own.grant.body.groupRef : undefined
  const theirs = policy.tokenOf(site.aliases(session.tokenRef))
  return group !== undefined && theirs.kind !== 'unknown' && theirs.grant?.body.groupRef === group
}
