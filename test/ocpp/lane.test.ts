import { describe, expect, it } from 'vitest'
import { createLane, MAX_WAITING } from '../../src/ocpp/lane.ts'

describe('a lane', () => {
  it('runs one task at a time, in order, and takes no more than it can hold', async () => {
    const lane = createLane()
    const gate = Promise.withResolvers<void>()
    const ran: number[] = []
    for (let i = 0; i < MAX_WAITING; i++) {
      expect(
        lane.push(async () => {
          if (i === 0) await gate.promise
          ran.push(i)
        }),
      ).toBe(true)
    }
    expect(lane.push(async () => undefined)).toBe(false)
    lane.insist(async () => void ran.push(-1))
    expect(ran).toEqual([])
    gate.resolve()
    await lane.drained()
    expect(ran).toEqual([...Array.from({ length: MAX_WAITING }, (_, i) => i), -1])
    expect(lane.full()).toBe(false)
  })
})
