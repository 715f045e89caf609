// What a charger's own clock is worth. Its words are recorded as they are; here is asked whether an instant in them
// says anything about when something happened.
import type { ChargerTime } from '../ports.ts'

/** A clock that was never set counts from 1970 or from its build year. */
const CLOCK_SET_SINCE_AT = Date.UTC(2010, 0, 1)

/** Whether a clock that shows this was ever set. */
export function isClockSet(at: number): boolean {
  return at >= CLOCK_SET_SINCE_AT
}

/** The instant that a charger's clock showed, or undefined when that clock was not set or cannot be read. */
export function clockedAt(time: ChargerTime): number | undefined {
  return time.at !== undefined && time.at >= CLOCK_SET_SINCE_AT ? time.at : undefined
}

/** When something happened: by the charger's clock if that was set and does not run ahead, else when it was recorded. */
export function happenedAt(time: ChargerTime, recordedAt: number): number {
  const at = clockedAt(time)
  return at === undefined || at > recordedAt ? recordedAt : at
}
