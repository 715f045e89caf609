// A central system of OCPP 2.0.1: a transaction is what its events say, by the station's own id. It looks closely, closer
// than CitrineOS (which keeps every event that it is sent, twice if it is sent twice): numbers that repeat with the same
// words are taken once, with other words they are a contradiction; gaps, disorder and what was not said to be offline show.
import type { CentralOptions } from './central-deduplicating.ts'
import { type Heard, openUpstream, Refused, type Upstream, type Words } from './central-upstream.ts'

export type EventSession = {
  readonly identity: string
  readonly transactionId: string
  readonly evseId: number | undefined
  readonly idToken: string | undefined
  /** In the order in which they arrived; each number once. */
  readonly events: readonly Words[]
  readonly hasEnded: boolean
  /** Of 0 to the highest number, those that never came. */
  readonly gaps: readonly number[]
  readonly meterStartWh: number | undefined
  readonly meterStopWh: number | undefined
}

export type EventCentral = Upstream & {
  /** In the order in which they were first heard of. */
  readonly booked: () => readonly EventSession[]
  /** (transactionId, seqNo) that came again in the same words. */
  readonly repeated: () => readonly string[]
  /** What a strict system would complain of, in short words. */
  readonly complaints: () => readonly string[]
  readonly boots: { answer: 'Accepted' | 'Pending' | 'Rejected' }
}

type Kept = { readonly identity: string; readonly transactionId: string; readonly events: Words[] }

export async function openEventCentral(options: CentralOptions): Promise<EventCentral> {
  const { cards = [], passwords } = options
  const kept = new Map<string, Kept>()
  const repeated: string[] = []
  const complaints: string[] = []
  const boots: EventCentral['boots'] = { answer: 'Accepted' }
  const accepted = new Set<string>()

  const take = ({ identity, params }: Heard): Words => {
    const { transactionId } = params.transactionInfo as { transactionId: string }
    const name = `${transactionId}/${params.seqNo}`
    const one = kept.get(`${identity}/${transactionId}`) ?? { identity, transactionId, events: [] }
    kept.set(`${identity}/${transactionId}`, one)
    const before = one.events.find(event => event.seqNo === params.seqNo)
    if (before) {
      if (JSON.stringify(before) === JSON.stringify(params)) repeated.push(name)
      else complaints.push(`${name}: other words under the same number`)
    } else {
      complaints.push(...wrongIn(one, params).map(why => `${name}: ${why}`))
      one.events.push(params)
    }
    const { idToken } = (params.idToken ?? {}) as { idToken?: string }
    return idToken === undefined
      ? {}
      : { idTokenInfo: { status: cards.includes(idToken) ? 'Accepted' : 'Unknown' } }
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
      case 'Authorize': {
        const { idToken } = params.idToken as { idToken: string }
        return { idTokenInfo: { status: cards.includes(idToken) ? 'Accepted' : 'Unknown' } }
      }
      case 'TransactionEvent':
        return take(heard)
      case 'DataTransfer':
        return { status: 'UnknownVendorId' }
      default:
        return {}
    }
  }

  const upstream = await openUpstream(
    { subprotocol: 'ocpp2.0.1', answer, restarted: () => accepted.clear() },
    passwords,
  )
  return {
    ...upstream,
    boots,
    booked: () => [...kept.values()].map(sessionOf),
    repeated: () => repeated,
    complaints: () => complaints,
  }
}

function wrongIn({ events }: Kept, params: Words): readonly string[] {
  const last = events.at(-1)
  const hasEnded = events.some(event => event.eventType === 'Ended')
  return [
    ...(params.offline === true ? [] : ['not said to be offline']),
    ...(last && Number(params.seqNo) < Number(last.seqNo) ? ['out of order'] : []),
    ...(!last && params.eventType !== 'Started' ? ['no start before it'] : []),
    ...(hasEnded ? ['after its end'] : []),
  ]
}

function sessionOf({ identity, transactionId, events }: Kept): EventSession {
  const numbers = events.map(event => Number(event.seqNo))
  const all = Array.from({ length: Math.max(-1, ...numbers) + 1 }, (_, number) => number)
  const evse = events.map(event => event.evse as { id?: number } | undefined).find(one => one !== undefined)
  const token = events.map(event => event.idToken as { idToken?: string } | undefined).find(one => one)
  const registers = events.map(registerIn)
  return {
    ...{ identity, transactionId, events, evseId: evse?.id, idToken: token?.idToken },
    hasEnded: events.some(event => event.eventType === 'Ended'),
    gaps: all.filter(number => !numbers.includes(number)),
    meterStartWh: registers.find(register => register !== undefined),
    meterStopWh: registers.findLast(register => register !== undefined),
  }
}

/** The last register of an event, in Wh; 2.0.1 counts in Wh where no unit is named. */
function registerIn(event: Words): number | undefined {
  const values = (event.meterValue ?? []) as readonly { readonly sampledValue: readonly Words[] }[]
  const register = values
    .flatMap(({ sampledValue }) => sampledValue)
    .findLast(
      ({ measurand = 'Energy.Active.Import.Register' }) => measurand === 'Energy.Active.Import.Register',
    )
  return register === undefined ? undefined : Number(register.value)
}
