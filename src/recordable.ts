// Bounds what a charger said to what an event can hold, behind the door's own bounds: a message that could not be
// written down would come back for ever, and block its charger's queue.
import type { ChargerMessage, ChargerTime, MeterReading } from './ports.ts'

const MAX_TIME_CHARACTERS = 64
/** OCPP allows 2,500 characters; sealed, this stays within the bounds of an event's field. */
const MAX_SIGNED_BYTES = 6000

type Change = { readonly changedAt?: ChargerTime }

/** Chargers say impossible things: what no event can hold (a year of -271821, 1e300 %) is left out, the rest is kept. */
export function recordable(message: ChargerMessage): ChargerMessage {
  switch (message.kind) {
    case 'start':
      return {
        ...message,
        startedAt: recordableTime(message.startedAt),
        ...(message.readings && { readings: message.readings.map(recordableReading) }),
      }
    case 'status':
      return { ...message, ...recordableChange(message) }
    case 'meter':
      return {
        ...message,
        ...recordableChange(message),
        readings: message.readings.map(recordableReading),
      }
    case 'stop':
      return {
        ...message,
        stoppedAt: recordableTime(message.stoppedAt),
        readings: message.readings.map(recordableReading),
      }
    default:
      return message
  }
}

function recordableChange({ changedAt }: Change): Change {
  return changedAt ? { changedAt: recordableTime(changedAt) } : {}
}

function recordableTime({ raw, at }: ChargerTime): ChargerTime {
  const usable = at !== undefined && Number.isSafeInteger(at) && at >= 0
  return { raw: raw.slice(0, MAX_TIME_CHARACTERS).toWellFormed(), ...(usable && { at }) }
}

function recordableReading(reading: MeterReading): MeterReading {
  const { sampledAt, energyWh, powerW, socPercent, signed } = reading
  const soc = socPercent === undefined ? undefined : Math.round(socPercent)
  return {
    sampledAt: recordableTime(sampledAt),
    ...(Number.isSafeInteger(energyWh) && energyWh !== undefined && { energyWh }),
    ...(Number.isSafeInteger(powerW) && powerW !== undefined && { powerW }),
    ...(soc !== undefined && soc >= 0 && soc <= 100 && { socPercent: soc }),
    ...(signed !== undefined && Buffer.byteLength(signed) <= MAX_SIGNED_BYTES && { signed }),
  }
}
