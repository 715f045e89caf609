// How often the same event goes over several uplinks of one island: ranked, and without ranking ("push-all"). Figures are
// for `npm run -s bench uplinks`; asserted is that ranking costs little and that everything arrives.
import { describe, expect, it } from 'vitest'
import { carry } from './island.ts'

const ISLAND = { logs: 60, seconds: 300, aliveShare: 0.8, seed: 1 }

describe('the same event over several uplinks', () => {
  it.each([2, 5, 10])('with %d uplinks goes out little more than once, and arrives', uplinks => {
    const good = carry({ ...ISLAND, uplinks, viewShare: 1 })
    const poor = carry({ ...ISLAND, uplinks, viewShare: 0.7 })
    for (const { arrived, written } of [good, poor]) expect(arrived).toBe(written)
    expect(good.copies).toBeLessThan(1.1)
    expect(poor.copies).toBeLessThan(1.6)
  })

  it('goes out by every uplink where nobody is ranked', () => {
    const all = carry({ ...ISLAND, uplinks: 5, aliveShare: 1, viewShare: undefined })
    expect(all.arrived).toBe(all.written)
    expect(all.copies).toBeGreaterThan(4)
  })
})
