// What is billed of what was measured (OCPI mod_cdrs, step_size): once a session for energy and once for time, the sum is
// rounded up to the step of the component that priced the last of it, and what is added is billed at that one's price. Of time
// it is the sum of what came last: parking where it ended in parking, else charging. What no component priced does not count.
import type { PricedPeriod } from './periods.ts'
import type { PriceComponent } from './terms.ts'

export type Quantity = {
  readonly component: PriceComponent
  readonly measured: number
  readonly quantity: number
}

export function quantitiesOf(periods: readonly PricedPeriod[]): readonly Quantity[] {
  const energy = periods.flatMap(period => usedOf(period.energy, period.energyWh))
  const time = periods.flatMap(period =>
    usedOf(period.timed, period.timed?.type === 'PARKING_TIME' ? period.parkingS : period.chargingS),
  )
  return [...inSteps(energy), ...inSteps(time)]
}

function usedOf(component: PriceComponent | undefined, measured: number): readonly Quantity[] {
  return component && measured > 0 ? [{ component, measured, quantity: measured }] : []
}

function inSteps(used: readonly Quantity[]): readonly Quantity[] {
  const last = used.at(-1)
  if (!last) return []
  const { type, stepSize } = last.component
  const sum = used
    .filter(({ component }) => component.type === type)
    .reduce((total, { measured }) => total + measured, 0)
  const over = sum % stepSize
  const added = over === 0 ? 0 : stepSize - over
  return [...used.slice(0, -1), { ...last, quantity: last.quantity + added }]
}
