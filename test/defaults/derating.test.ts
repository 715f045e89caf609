// How a hot connector's share goes down, stays, and comes up again.
import { expect, it } from 'vitest'
import { type Derating, derate, FULL, type Heat } from '../../src/defaults/derating.ts'

const HOT_FROM = 70

/** Steps after each second of these temperatures. */
function over(...phases: readonly (readonly [heat: Heat, seconds: number])[]): readonly number[] {
  let held: Derating = FULL
  let nowMs = 0
  return phases.map(([heat, seconds]) => {
    for (const endMs = nowMs + seconds * 1000; nowMs < endMs; nowMs += 1000)
      held = derate(held, heat, HOT_FROM, nowMs)
    return held.step
  })
}
const at = (celsius: number): Heat => ({ celsius, isAlarm: false })

it('goes down at once, by one step a minute, and not below a quarter', () => {
  expect(over([at(70), 1], [at(75), 58], [at(75), 2], [at(75), 60], [at(75), 600])).toEqual([1, 1, 2, 3, 3])
})

it('stays where it is between cool and hot', () => {
  expect(over([at(69.9), 600], [at(71), 1], [at(69), 3600], [at(61), 3600])).toEqual([0, 1, 1, 1])
})

it('comes up again by one step each five minutes of coolness', () => {
  expect(over([at(90), 121], [at(60), 178], [at(60), 2], [at(60), 299], [at(60), 300])).toEqual([
    3, 3, 3, 2, 1,
  ])
})

it("takes the charger's own alarm for heat, and its end for coolness where nothing is measured", () => {
  const alarm: Heat = { isAlarm: true }
  expect(over([alarm, 1], [{ isAlarm: false }, 298], [{ isAlarm: false }, 2])).toEqual([1, 1, 0])
  expect(over([{ celsius: 20, isAlarm: true }, 1])).toEqual([1])
})
