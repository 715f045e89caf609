// A central system of OCPP 1.6 that books every start anew: said twice, it is two sessions. A connector has to be known
// from a status before, and a station from its boot; a stop of an id that it never gave is answered and dropped. So does
// CitrineOS (its published source), of which there are two habits about what it does not know: versions until 2025 refuse
// a start at an unknown connector with a CALLERROR; those of 2026 answer Invalid and id 0 and book nothing, for unknown
// cards too.
import type { Booked, CentralOptions } from './central-deduplicating.ts'
import { stopOf, withReadings } from './central-deduplicating.ts'
import { type Heard, openUpstream, Refused, type Upstream, type Words } from './central-upstream.ts'

export type Numbering = Upstream & {
  readonly booked: () => readonly Booked[]
  readonly droppedStops: () => readonly Words[]
  readonly boots: { answer: 'Accepted' | 'Pending' | 'Rejected' }
}

export type NumberingOptions = CentralOptions & {
  /** Its first id; another number than the station's own, so that a missing mapping shows. */
  readonly firstId?: number
  readonly unknownConnector?: 'refuses' | 'id-0'
  /** What becomes of a start with a card that it does not know. */
  readonly unknownCard?: 'books' | 'id-0'
}

const FIRST_ID = 7001

export async function openNumbering(options: NumberingOptions): Promise<Numbering> {
  const { cards = [], unknownConnector = 'refuses', unknownCard = 'books' } = options
  const booked = new Map<number, Booked>()
  const droppedStops: Words[] = []
  const boots: Numbering['boots'] = { answer: 'Accepted' }
  const connectors = new Set<string>()
  /** Forgotten at a restart, as what it keeps in its cache. */
  const accepted = new Set<string>()
  let nextId = options.firstId ?? FIRST_ID

  const start = ({ identity, params }: Heard): Words => {
    const status = cards.includes(String(params.idTag)) ? 'Accepted' : 'Invalid'
    const nothing = { transactionId: 0, idTagInfo: { status: 'Invalid' } }
    if (status !== 'Accepted' && unknownCard === 'id-0') return nothing
    if (!connectors.has(`${identity}/${params.connectorId}`)) {
      if (unknownConnector === 'refuses') throw new Refused('InternalError')
      return nothing
    }
    const transactionId = nextId++
    booked.set(transactionId, {
      ...{ identity, transactionId, idTag: String(params.idTag), connectorId: Number(params.connectorId) },
      ...{ startedAt: String(params.timestamp), meterStart: Number(params.meterStart), readings: [] },
    })
    return { transactionId, idTagInfo: { status } }
  }

  const stop = ({ identity, params }: Heard): Words => {
    const one = booked.get(Number(params.transactionId))
    // The last word counts: it does not look whether the session had ended.
    if (one?.identity === identity)
      booked.set(one.transactionId, { ...one, ...stopOf(params), readings: withReadings(one, params) })
    else droppedStops.push(params)
    return params.idTag === undefined
      ? {}
      : { idTagInfo: { status: cards.includes(String(params.idTag)) ? 'Accepted' : 'Invalid' } }
  }

  const meter = ({ identity, params }: Heard): Words => {
    const one = booked.get(Number(params.transactionId))
    if (one?.identity === identity)
      booked.set(one.transactionId, { ...one, readings: withReadings(one, params) })
    return {}
  }

  const answer = (heard: Heard): Words => {
    const { action, identity, params } = heard
    if (action === 'BootNotification') {
      if (boots.answer === 'Accepted') accepted.add(identity)
      else accepted.delete(identity)
      return { status: boots.answer, currentTime: new Date().toISOString(), interval: 300 }
    }
    if (!accepted.has(identity)) throw new Refused('SecurityError')
    switch (action) {
      case 'Heartbeat':
        return { currentTime: new Date().toISOString() }
      case 'StatusNotification':
        connectors.add(`${identity}/${params.connectorId}`)
        return {}
      case 'Authorize':
        return { idTagInfo: { status: cards.includes(String(params.idTag)) ? 'Accepted' : 'Invalid' } }
      case 'StartTransaction':
        return start(heard)
      case 'StopTransaction':
        return stop(heard)
      case 'MeterValues':
        return meter(heard)
      case 'DataTransfer':
        return { status: 'UnknownVendorId' }
      default:
        return {}
    }
  }

  const upstream = await openUpstream(
    { subprotocol: 'ocpp1.6', answer, restarted: () => accepted.clear() },
    options.passwords,
  )
  return { ...upstream, boots, booked: () => [...booked.values()], droppedStops: () => droppedStops }
}
