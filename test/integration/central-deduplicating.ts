// A central system of OCPP 1.6 that knows a start again: connector, card, time and register the same, then the same id. It
// keeps whatever it is told: an unknown card is stored, blocked, and answered Invalid; a stop that fits nothing goes to a
// list of its own and is answered all the same. So does SteVe (its published source, version of August 2026).
import { type Heard, openUpstream, type Upstream, type Words } from './central-upstream.ts'

/** As it would bill it. */
export type Booked = {
  readonly identity: string
  readonly transactionId: number
  readonly connectorId: number
  readonly idTag: string
  readonly startedAt: string
  readonly meterStart: number
  readonly readings: readonly Words[]
  readonly stoppedAt?: string
  readonly meterStop?: number
  readonly reason?: string
}

export type Deduplicating = Upstream & {
  /** In the order of their ids. */
  readonly booked: () => readonly Booked[]
  readonly badStops: () => readonly { readonly why: string; readonly params: Words }[]
  readonly boots: { answer: 'Accepted' | 'Pending' | 'Rejected' }
}

export type CentralOptions = {
  /** By identity. */
  readonly passwords: Readonly<Record<string, string>>
  /** Cards that it knows. */
  readonly cards?: readonly string[]
}

export async function openDeduplicating(options: CentralOptions): Promise<Deduplicating> {
  const cards = new Map((options.cards ?? []).map(card => [card, 'Accepted']))
  const booked = new Map<number, Booked>()
  const badStops: { why: string; params: Words }[] = []
  const boots: Deduplicating['boots'] = { answer: 'Accepted' }

  const start = ({ identity, params }: Heard): Words => {
    const idTag = String(params.idTag)
    const status = cards.get(idTag) ?? 'Invalid'
    const same = [...booked.values()].find(
      one =>
        one.identity === identity &&
        one.connectorId === params.connectorId &&
        one.idTag === idTag &&
        Date.parse(one.startedAt) === Date.parse(String(params.timestamp)) &&
        one.meterStart === params.meterStart,
    )
    if (!cards.has(idTag)) cards.set(idTag, 'Blocked')
    const transactionId = same?.transactionId ?? booked.size + 1
    if (!same)
      booked.set(transactionId, {
        ...{ identity, transactionId, idTag, connectorId: Number(params.connectorId) },
        ...{ startedAt: String(params.timestamp), meterStart: Number(params.meterStart), readings: [] },
      })
    return { transactionId, idTagInfo: { status } }
  }

  const stop = ({ identity, params }: Heard): Words => {
    const one = booked.get(Number(params.transactionId))
    const why = wrongStop(one?.identity === identity ? one : undefined, params)
    if (!one || why !== undefined) badStops.push({ why: why ?? '', params })
    else booked.set(one.transactionId, { ...one, ...stopOf(params), readings: withReadings(one, params) })
    return params.idTag === undefined
      ? {}
      : { idTagInfo: { status: cards.get(String(params.idTag)) ?? 'Invalid' } }
  }

  const meter = ({ identity, params }: Heard): Words => {
    const one = booked.get(Number(params.transactionId))
    // Of a transaction that it does not know, or that has ended: answered, and dropped.
    if (one?.identity === identity && one.stoppedAt === undefined)
      booked.set(one.transactionId, { ...one, readings: withReadings(one, params) })
    return {}
  }

  const answer = (heard: Heard): Words => {
    switch (heard.action) {
      case 'BootNotification':
        return { status: boots.answer, currentTime: new Date().toISOString(), interval: 300 }
      case 'Heartbeat':
        return { currentTime: new Date().toISOString() }
      case 'Authorize':
        return { idTagInfo: { status: cards.get(String(heard.params.idTag)) ?? 'Invalid' } }
      case 'StartTransaction':
        return start(heard)
      case 'StopTransaction':
        return stop(heard)
      case 'MeterValues':
        return meter(heard)
      case 'DataTransfer':
        return { status: 'Rejected' }
      default:
        return {}
    }
  }

  const upstream = await openUpstream(
    { subprotocol: 'ocpp1.6', answer, restarted: () => undefined },
    options.passwords,
  )
  return { ...upstream, boots, booked: () => [...booked.values()], badStops: () => badStops }
}

function wrongStop(one: Booked | undefined, params: Words): string | undefined {
  if (!one) return 'unknown'
  if (one.stoppedAt !== undefined) return 'stopped before'
  const stoppedAt = Date.parse(String(params.timestamp))
  if (stoppedAt < Date.parse(one.startedAt)) return 'before its start'
  if (Number(params.meterStop) < one.meterStart) return 'less than at the start'
  if (params.idTag !== undefined && params.idTag !== one.idTag) return 'another card'
  return undefined
}

export function stopOf(params: Words): Pick<Booked, 'stoppedAt' | 'meterStop' | 'reason'> {
  return {
    stoppedAt: String(params.timestamp),
    meterStop: Number(params.meterStop),
    ...(params.reason !== undefined && { reason: String(params.reason) }),
  }
}

export function withReadings(one: Booked, params: Words): readonly Words[] {
  const more = params.meterValue ?? params.transactionData
  return Array.isArray(more) ? [...one.readings, ...(more as readonly Words[])] : one.readings
}
