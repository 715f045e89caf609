import { describe, expect, it } from 'vitest'
import type { Plan } from '../../simulations/plan.ts'
import { shrink } from '../../simulations/sweep/shrink.ts'
import { smallPlan } from './small-plan.ts'

async function shrunk(plan: Plan, breaks: (plan: Plan) => boolean, seenAtMs = 200_000): Promise<Plan> {
  return await shrink(plan, seenAtMs, {
    breaks: async smaller => breaks(smaller),
    enough: () => false,
    onStep: () => undefined,
  })
}

const hasPowerCut = (plan: Plan): boolean =>
  plan.faults.some(fault => fault.kind === 'power-cut' && fault.node === 2)

describe('shrinking', () => {
  it('leaves only what the violation needs', async () => {
    const smallest = await shrunk(smallPlan(), hasPowerCut)
    expect(smallest.faults.map(fault => fault.kind)).toEqual(['power-cut'])
    expect(smallest).toMatchObject({ nodes: 2, visits: [], operator: [], uplinks: [], chargers: [] })
  })

  it('ends the run soon behind the violation', async () => {
    const smallest = await shrunk(smallPlan(), hasPowerCut, 90_000)
    expect(smallest.durationMs).toBe(150_000)
  })

  it('names chargers anew when those before them go', async () => {
    const needsThird = (plan: Plan): boolean =>
      plan.visits.some(visit => plan.chargers[visit.charger - 1]?.id === 'CP-3')
    const smallest = await shrunk(smallPlan(), needsThird)
    expect(smallest.chargers.map(charger => charger.id)).toEqual(['CP-3'])
    expect(smallest.visits.map(visit => visit.charger)).toEqual([1])
  })

  it('keeps the plan when nothing can go', async () => {
    const plan = smallPlan()
    expect(await shrunk(plan, smaller => smaller === plan, plan.durationMs)).toBe(plan)
  })

  it('stops when time is up', async () => {
    let left = 2
    const smallest = await shrink(smallPlan(), 200_000, {
      breaks: async () => true,
      enough: () => left-- <= 0,
      onStep: () => undefined,
    })
    expect(smallest.nodes).toBe(3)
  })
})
