// The way from a node to the simulated cloud: what gets through, what is lost on which leg, and what it costs.
import { describe, expect, it } from 'vitest'
import { away } from '../../simulations/cloud/cloud.ts'
import { UPLINK_TIMEOUT_MS, uplinkOver, type Wire } from '../../simulations/cloud/wire.ts'
import { seededRandom } from '../../simulations/dice.ts'
import type { UplinkPlan } from '../../simulations/plan.ts'
import { createHeap } from '../../simulations/world/heap.ts'
import type { Push, PushAnswer } from '../../src/ports.ts'
import type { LogId } from '../../src/units.ts'

const ALWAYS = [[0, Number.POSITIVE_INFINITY]] as const
const PLAN: UplinkPlan = { node: 1, windows: ALWAYS, delayMs: [100, 100], lossRate: 0, duplicateRate: 0 }
const PUSH: Push = {
  segments: [{ logId: '1a'.repeat(16) as LogId, fromSeq: 0, update: new Uint8Array(500) }],
  certificates: [],
  sinceVersion: 7,
}
const ANSWER: PushAnswer = { version: 9, acks: [Uint8Array.of(1, 2)], refused: [], wireBytes: 0 }

type Setting = {
  readonly wire: Wire
  readonly pushed: { readonly atMs: number; readonly push: Push }[]
  /** What became of a push, and when. */
  readonly ask: () => Promise<{ readonly atMs: number; readonly outcome: PushAnswer | string }>
  readonly run: (ms: number) => Promise<void>
  readonly at: (atMs: number, task: () => void) => void
}

function setting(
  change: Partial<UplinkPlan> & { readonly seed?: number; readonly refuse?: boolean } = {},
): Setting {
  const heap = createHeap()
  let nowMs = 0
  const pushed: Setting['pushed'] = []
  const cloud = {
    push: async (push: Push) => {
      pushed.push({ atMs: nowMs, push })
      if (change.refuse) throw away(3)
      return ANSWER
    },
  }
  const wire = uplinkOver(
    cloud,
    {
      plan: { ...PLAN, ...change },
      dice: seededRandom(change.seed ?? 1),
      schedule: (delayMs, task) => heap.push(nowMs + delayMs, task),
      nowMs: () => nowMs,
      lossy: () => ({ lossRate: 0, duplicateRate: 0 }),
    },
    'van',
  )
  const run = async (ms: number): Promise<void> => {
    const endMs = nowMs + ms
    for (let next = heap.pop(endMs); next; next = heap.pop(endMs)) {
      nowMs = next.atMs
      next.task()
      await wire.settled()
      // What waits for the answer goes on before the next task.
      for (let i = 0; i < 5; i++) await Promise.resolve()
    }
    nowMs = endMs
  }
  const ask: Setting['ask'] = async () => {
    const asked = wire.push(PUSH).then(
      outcome => ({ atMs: nowMs, outcome }),
      (error: Error & { code?: string }) => ({ atMs: nowMs, outcome: `${error.code}: ${error.message}` }),
    )
    await Promise.resolve()
    await run(2 * UPLINK_TIMEOUT_MS)
    return asked
  }
  return { wire, pushed, ask, run, at: (atMs, task) => heap.push(atMs, task) }
}

describe('a wire to the cloud', () => {
  it('brings a push there and the answer back, each in its time, and counts both', async () => {
    const { wire, pushed, ask } = setting()
    const { atMs, outcome } = await ask()
    expect(pushed).toEqual([{ atMs: 100, push: PUSH }])
    expect(atMs).toBe(200)
    expect(outcome).toEqual({ ...ANSWER, wireBytes: wire.bytes() })
    expect(wire.bytes()).toBeGreaterThan(500 + 1_000)
    expect(wire.bytes()).toBeLessThan(500 + 2_000)
  })

  it('says after its patience that nothing came, whether the request or the answer was lost', async () => {
    const seen = new Set<number>()
    for (let seed = 1; seed <= 20; seed++) {
      const { pushed, ask } = setting({ lossRate: 0.7, seed })
      const { atMs, outcome } = await ask()
      if (typeof outcome !== 'string') continue
      expect([atMs, outcome]).toEqual([UPLINK_TIMEOUT_MS, expect.stringContaining('UPLINK_FAILED')])
      seen.add(pushed.length)
    }
    expect([...seen].sort(), 'pushes that the cloud saw').toEqual([0, 1])
  })

  it('does a push twice and answers it once', async () => {
    const { pushed, ask } = setting({ duplicateRate: 1 })
    expect((await ask()).outcome).toMatchObject({ version: 9 })
    expect(pushed.map(one => one.atMs)).toEqual([100, 200])
  })

  it('gives up on an answer that takes longer than its patience, though the cloud has it', async () => {
    const { pushed, ask } = setting({ delayMs: [16_000, 16_000] })
    expect(await ask()).toMatchObject({ atMs: UPLINK_TIMEOUT_MS, outcome: expect.any(String) as unknown })
    expect(pushed).toHaveLength(1)
  })

  it('passes nothing outside its windows, nor while it is down', async () => {
    const closed = setting({ windows: [[500, 1_000]] })
    expect(await closed.ask()).toMatchObject({
      atMs: 0,
      outcome: expect.stringContaining('no way') as unknown,
    })
    const down = setting()
    down.wire.up(false)
    expect((await down.ask()).outcome).toContain('no way')
    expect([...closed.pushed, ...down.pushed]).toEqual([])
    down.wire.up(true)
    expect((await down.ask()).outcome).toMatchObject({ version: 9 })
  })

  it.each([
    ['request', 50, 0],
    ['answer', 150, 1],
  ] as const)('loses the %s that is under way when it goes down', async (_, atMs, seen) => {
    const { wire, pushed, ask, at } = setting()
    at(atMs, () => wire.up(false))
    expect(await ask()).toMatchObject({ atMs: UPLINK_TIMEOUT_MS, outcome: expect.any(String) as unknown })
    expect(pushed).toHaveLength(seen)
  })

  it('brings back what the cloud refuses with', async () => {
    const { wire, run } = setting({ refuse: true })
    const refusal = expect(wire.push(PUSH)).rejects.toMatchObject({
      code: 'UPLINK_FAILED',
      retryAfterMs: 8_000,
    })
    await Promise.resolve()
    await run(200)
    await refusal
  })

  it('passes so many bytes a day and no more, and begins anew the day after', async () => {
    const { pushed, ask, run } = setting({ bytesPerDay: 2_500 })
    expect((await ask()).outcome).toMatchObject({ version: 9 })
    expect((await ask()).outcome).toContain('used up')
    expect(pushed).toHaveLength(1)
    await run(24 * 3600 * 1000)
    expect((await ask()).outcome).toMatchObject({ version: 9 })
  })

  it('throws the same for equal seeds', async () => {
    const told = async (): Promise<unknown> => {
      const { wire, pushed, ask } = setting({
        lossRate: 0.3,
        duplicateRate: 0.5,
        delayMs: [20, 900],
        seed: 5,
      })
      const outcomes = [await ask(), await ask(), await ask(), await ask()]
      return { outcomes, pushed, bytes: wire.bytes() }
    }
    expect(await told()).toEqual(await told())
  })
})
