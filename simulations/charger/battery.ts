// A car's battery as a charger sees it: how much energy it has taken after a time, with full power up to a state
// of charge and then less and less. Pure, and exact at every instant, so it does not matter how often it is asked.

export type Battery = {
  readonly capacityWh: number
  /** 0 to 1, when the cable is plugged in. */
  readonly startSoc: number
  /** What car, cable and charger allow together. */
  readonly maxPowerW: number
  /** State of charge from which the power falls, linearly in the state of charge, 0 to 1. */
  readonly taperFromSoc: number
}

/** The share of full power that is left at 100 %, where the car ends the charge. */
const LAST_POWER = 0.04
const HOUR_S = 3600

/** A mid-sized car at an 11 kW charger. */
export const TYPICAL_BATTERY: Battery = {
  capacityWh: 60_000,
  startSoc: 0.35,
  maxPowerW: 11_000,
  taperFromSoc: 0.8,
}

/** Wh taken `elapsedS` charging seconds after plugging in; never more than fits in. */
export function energyTakenWh(battery: Battery, elapsedS: number): number {
  const hours = Math.max(0, elapsedS) / HOUR_S
  const fullPowerWh = Math.max(0, battery.taperFromSoc - battery.startSoc) * battery.capacityWh
  const fullPowerHours = fullPowerWh / battery.maxPowerW
  if (hours <= fullPowerHours) return hours * battery.maxPowerW
  return Math.min(roomWh(battery), fullPowerWh + taperedWh(battery, hours - fullPowerHours))
}

/** W at this moment; 0 once the battery is full. */
export function powerW(battery: Battery, elapsedS: number): number {
  const taken = energyTakenWh(battery, elapsedS)
  if (taken >= roomWh(battery)) return 0
  const soc = battery.startSoc + taken / battery.capacityWh
  if (soc <= battery.taperFromSoc) return battery.maxPowerW
  const share = (soc - battery.taperFromSoc) / (1 - battery.taperFromSoc)
  return battery.maxPowerW * (1 - (1 - LAST_POWER) * share)
}

/** 0 to 100. */
export function socPercent(battery: Battery, elapsedS: number): number {
  return Math.min(100, 100 * (battery.startSoc + energyTakenWh(battery, elapsedS) / battery.capacityWh))
}

export function roomWh(battery: Battery): number {
  return Math.max(0, 1 - battery.startSoc) * battery.capacityWh
}

/**
 * In the tapered part dx/dt = P(1 - k x), with x counted from where the taper begins, so x = (1 - e^(-kPt))/k.
 * A battery plugged in above that point starts at its own x.
 */
function taperedWh(battery: Battery, hours: number): number {
  const spanWh = (1 - battery.taperFromSoc) * battery.capacityWh
  if (spanWh <= 0) return 0
  const k = (1 - LAST_POWER) / spanWh
  const startWh = Math.max(0, battery.startSoc - battery.taperFromSoc) * battery.capacityWh
  const left = (1 - k * startWh) * Math.exp(-k * battery.maxPowerW * hours)
  return (1 - left) / k - startWh
}
