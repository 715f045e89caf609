// The stations of a site as a driver sees them: which connectors are free, since when that is known, and where to go
// instead of one that cannot charge. Pure. A node knows the status of chargers that talk to it; of others it knows
// whether a session runs there, and says that it knows no more.
import type { ConnectorStatus } from '../chargers.ts'
import type { Session } from '../session/fold.ts'
import type { ChargerId } from '../units.ts'
import {
  type ConnectorState,
  type Place,
  type PriceAnswer,
  Problem,
  type StationAnswer,
} from './driver-words.ts'
import { isoOf } from './report.ts'

export type Reach =
  | { readonly kind: 'here' }
  | { readonly kind: 'elsewhere'; readonly node: string }
  | { readonly kind: 'away' }

export type Station = {
  readonly chargerId: ChargerId
  readonly connectors: number
  readonly zone: string | undefined
  readonly connectorType: string | undefined
  readonly maxPowerW: number | undefined
  readonly reach: Reach
  readonly heardAt: number | undefined
  /** The last status of a connector; 0 is the whole station. */
  readonly statusOf: (connectorId: number) => ConnectorStatus | undefined
  readonly openSessions: readonly Session[]
}

const STATES: Readonly<Record<string, ConnectorState>> = {
  Available: 'free',
  Preparing: 'plugged_in',
  Charging: 'occupied',
  SuspendedEV: 'occupied',
  SuspendedEVSE: 'occupied',
  Finishing: 'occupied',
  Reserved: 'reserved',
  Unavailable: 'unavailable',
  Faulted: 'faulted',
}
const MAX_ALTERNATIVES = 3

export function connectorState(station: Station, connectorId: number): ConnectorState {
  const sessions = station.openSessions.filter(session => session.connectorId === connectorId)
  const hasSession = sessions.some(session => !waitsForCard(session))
  // What a charger said before it left says nothing of now.
  if (station.reach.kind !== 'here') return hasSession ? 'occupied' : 'unknown'
  const whole = STATES[station.statusOf(0)?.status ?? '']
  if (whole === 'faulted' || whole === 'unavailable') return whole
  const status = station.statusOf(connectorId)?.status
  // OCPP 2.0.1 has one word for a cable that is in and for a car that charges.
  if (status === 'Occupied') return hasSession ? 'occupied' : 'plugged_in'
  return STATES[status ?? ''] ?? (hasSession ? 'occupied' : 'unknown')
}

/** OCPP 2.0.1: a cable is in, and no card was shown yet. */
export function waitsForCard({ start, tokenRef }: Session): boolean {
  return start.body.cardless === true && tokenRef === start.body.tokenRef
}

export function stationAnswer(station: Station, price: PriceAnswer | null): StationAnswer {
  const { chargerId, connectors, reach, heardAt } = station
  const list = connectorsOf(station).map(connectorId => {
    const said = station.statusOf(connectorId)
    return {
      connector_id: connectorId,
      state: connectorState(station, connectorId),
      status: said?.status ?? null,
      status_at: said ? isoOf(said.sinceMs) : null,
    }
  })
  return {
    station_id: chargerId,
    zone: station.zone ?? null,
    connector_type: station.connectorType ?? null,
    max_power_w: station.maxPowerW ?? null,
    reachable: reach.kind,
    reachable_at: reach.kind === 'elsewhere' ? reach.node : null,
    heard_at: heardAt === undefined ? null : isoOf(heardAt),
    connectors: list,
    price,
    text: textOf(
      reach,
      list.map(({ state }) => state),
      connectors,
    ),
  }
}

export function connectorsOf({ connectors }: Pick<Station, 'connectors'>): readonly number[] {
  return Array.from({ length: connectors }, (_, index) => index + 1)
}

function textOf(reach: Reach, states: readonly ConnectorState[], connectors: number): string {
  if (reach.kind === 'elsewhere') return `Connected to ${reach.node}; ask there for its connectors.`
  if (reach.kind === 'away') return 'Not connected to this node now: a card at its reader may still work.'
  const free = states.filter(isUsable).length
  return free > 0 ? `${free} of ${connectors} free.` : 'Nothing free here now.'
}

/** Could begin a session; the charger itself knows for whom it is reserved. */
function isUsable(state: ConnectorState): boolean {
  return state === 'free' || state === 'plugged_in'
}

/** Best first: where a cable is in, what is free, what is kept for somebody, what nothing is known of. */
const PREFERRED: readonly ConnectorState[] = ['plugged_in', 'free', 'reserved', 'unknown']

/** The connector of a start, or a Problem that says where else. Undefined: the charger chooses. */
export function chooseConnector(
  station: Station,
  wanted: number | undefined,
  all: () => readonly Station[],
): number | undefined {
  const choices = wanted === undefined ? connectorsOf(station) : [wanted]
  if (wanted !== undefined && wanted > station.connectors)
    throw new Problem(404, 'STATION_UNKNOWN', `${station.chargerId} has no connector ${wanted}.`)
  const states = choices.map(connectorId => connectorState(station, connectorId))
  for (const preferred of PREFERRED) {
    const index = states.indexOf(preferred)
    if (index < 0) continue
    return preferred === 'unknown' && choices.length > 1 ? undefined : choices[index]
  }
  const isBusy = states.includes('occupied')
  const alternatives = alternativesTo(station, all())
  const what = isBusy ? 'is in use' : states.includes('faulted') ? 'has a fault' : 'is out of service'
  const where = wanted === undefined ? station.chargerId : `${station.chargerId}, connector ${wanted},`
  throw new Problem(
    409,
    isBusy ? 'STATION_BUSY' : 'STATION_UNAVAILABLE',
    `${where} ${what}. ${insteadText(alternatives)}`,
    { alternatives },
  )
}

export function alternativesTo(station: Station, all: readonly Station[]): Place[] {
  const usable = all.flatMap(other =>
    connectorsOf(other)
      .filter(connectorId => connectorState(other, connectorId) === 'free')
      .map(connectorId => ({ other, connectorId })),
  )
  /** The station itself, then its zone, then everything else. */
  const distance = (other: Station): number =>
    other.chargerId === station.chargerId ? 0 : other.zone === station.zone ? 1 : 2
  return usable
    .toSorted(
      (a, b) =>
        distance(a.other) - distance(b.other) ||
        (a.other.chargerId < b.other.chargerId ? -1 : a.other.chargerId > b.other.chargerId ? 1 : 0) ||
        a.connectorId - b.connectorId,
    )
    .slice(0, MAX_ALTERNATIVES)
    .map(({ other, connectorId }) => ({ station_id: other.chargerId, connector_id: connectorId }))
}

export function insteadText(alternatives: readonly Place[]): string {
  const [first] = alternatives
  return first
    ? `Free now: ${first.station_id}, connector ${first.connector_id}.`
    : 'This node knows of no other that is free now; try again later.'
}
