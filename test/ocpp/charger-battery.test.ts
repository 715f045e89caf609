import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  energyTakenWh,
  powerW,
  roomWh,
  socPercent,
  TYPICAL_BATTERY,
} from '../../simulations/charger/battery.ts'

const HOUR_S = 3600

describe('a simulated battery', () => {
  it('takes full power first, then less and less, and ends full', () => {
    expect(energyTakenWh(TYPICAL_BATTERY, HOUR_S)).toBe(11_000)
    expect(powerW(TYPICAL_BATTERY, HOUR_S)).toBe(11_000)
    const late = 3 * HOUR_S
    expect(powerW(TYPICAL_BATTERY, late)).toBeLessThan(11_000)
    expect(powerW(TYPICAL_BATTERY, 30 * HOUR_S)).toBe(0)
    expect(energyTakenWh(TYPICAL_BATTERY, 30 * HOUR_S)).toBe(roomWh(TYPICAL_BATTERY))
    expect(socPercent(TYPICAL_BATTERY, 30 * HOUR_S)).toBe(100)
  })

  it('has an energy that is the integral of its power, never falls and never overfills, for any battery', () => {
    const battery = fc.record({
      capacityWh: fc.integer({ min: 10_000, max: 120_000 }),
      startSoc: fc.double({ min: 0, max: 1, noNaN: true }),
      maxPowerW: fc.integer({ min: 2000, max: 350_000 }),
      taperFromSoc: fc.double({ min: 0.1, max: 1, noNaN: true }),
    })
    fc.assert(
      fc.property(battery, fc.integer({ min: 0, max: 20 * HOUR_S }), (car, elapsedS) => {
        const before = energyTakenWh(car, elapsedS)
        const after = energyTakenWh(car, elapsedS + 1)
        expect(before).toBeGreaterThanOrEqual(0)
        expect(after).toBeGreaterThanOrEqual(before)
        expect(after).toBeLessThanOrEqual(roomWh(car) + 1e-6)
        const atMostWh = powerW(car, elapsedS) / HOUR_S
        expect(after - before).toBeLessThanOrEqual(atMostWh + 1e-6)
        if (powerW(car, elapsedS + 1) > 0) {
          expect(after - before).toBeGreaterThanOrEqual(powerW(car, elapsedS + 1) / HOUR_S - 1e-6)
        }
      }),
    )
  })
})
