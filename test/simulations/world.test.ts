import { describe, expect, it } from 'vitest'
import type { Fault, Plan } from '../../simulations/plan.ts'
import { runPlan } from '../../simulations/run.ts'
import { runWorld } from '../../simulations/world/world.ts'
import { readAnew } from '../../src/remember.ts'
import goldenTraces from '../fixtures/traces.json' with { type: 'json' }
import { smallPlan } from './small-plan.ts'

async function traced(plan: Plan): Promise<{ readonly lines: readonly string[]; readonly hash: string }> {
  const lines: string[] = []
  const outcome = await runPlan(plan, { onLine: line => void lines.push(line) })
  return { lines, hash: outcome.traceHash }
}

describe('a world', () => {
  it('keeps every session through a split and a power cut, and bills it once', async () => {
    const outcome = await runPlan(smallPlan())
    expect(outcome.violations).toEqual([])
    expect(outcome.service).toMatchObject({ served: 3, refusedRightly: 1, sessions: 3, lostSessions: 0 })
    expect(outcome.reconcileMs.count).toBe(3)
    expect(outcome.convergedMs).toBeLessThan(60_000)
    expect(outcome.faults).toEqual({ split: 1, 'power-cut': 1 })
  })

  it('goes the very same way again under the same seed, and another way under another', async () => {
    const [first, again, other] = [
      await traced(smallPlan()),
      await traced(smallPlan()),
      await traced(smallPlan({ seed: 8 })),
    ]
    expect(again.lines).toEqual(first.lines)
    expect(again.hash).toBe(first.hash)
    expect(other.hash).not.toBe(first.hash)
    expect(first.lines.length).toBeGreaterThan(300)
  })

  // Written once, and read by every version of Node: a hash that differs says that the platforms do, or that nodes now say
  // other things than they did; then look at the traces, and put the new hash there.
  it('goes the same way on every machine, with either signer', async () => {
    const keyed = await runPlan(smallPlan())
    const real = await runPlan(smallPlan({ signer: 'ed25519' }))
    expect({ 'keyed-hash': keyed.traceHash, ed25519: real.traceHash }).toEqual(goldenTraces)
  })

  it('goes the same way when each node reads for itself', async () => {
    const shared = await runPlan(smallPlan())
    const alone = await runPlan(smallPlan(), { remember: readAnew })
    expect(alone.traceHash).toBe(shared.traceHash)
  })

  it('signs with real keys to the same end', async () => {
    const outcome = await runPlan(smallPlan({ signer: 'ed25519' }))
    expect(outcome.violations).toEqual([])
    expect(outcome.service).toMatchObject({ served: 3, sessions: 3, lostSessions: 0 })
  })

  const faults: readonly Fault[] = [
    { kind: 'one-way', from: 1, to: 2, forMs: 60_000 },
    { kind: 'flap', groups: [[1], [2, 3]], everyMs: 5000, forMs: 60_000 },
    { kind: 'swizzle', out: [1, 2, 3], back: [2, 3, 1], forMs: 60_000 },
    { kind: 'quality', quality: { lossRate: 0.5, maxDelayMs: 3000 }, forMs: 60_000 },
    { kind: 'slow-reader', node: 2, bytesPerS: 200, forMs: 60_000 },
    { kind: 'kill', node: 2, downMs: 5000 },
    { kind: 'power-cut-at', node: 2, operation: 3, moment: 'during', downMs: 5000 },
    { kind: 'crash-loop', node: 2, times: 4, everyMs: 10_000 },
    { kind: 'wipe', node: 3, downMs: 5000 },
    { kind: 'restore', node: 3, ageMs: 30_000, downMs: 5000 },
    { kind: 'clone', node: 3, forMs: 60_000 },
    { kind: 'stall', node: 3, forMs: 30_000 },
    { kind: 'disk-full', node: 3, forMs: 30_000 },
    { kind: 'bit-flip', node: 3 },
    { kind: 'lost-write', node: 3 },
    { kind: 'misdirected-write', node: 3 },
    { kind: 'sync-error', node: 3 },
    { kind: 'sync-lies', node: 3, forMs: 30_000 },
    { kind: 'slow-disk', node: 3, delayMs: 3000, forMs: 30_000 },
    { kind: 'clock-jump', node: 3, byMs: -3600_000 },
    { kind: 'clock-drift', node: 3, ppm: 200 },
    { kind: 'clock-1970', node: 3, forMs: 30_000 },
    { kind: 'clock-back', node: 3, byMs: 86_400_000, downMs: 5000 },
    { kind: 'uplink-flaps', node: 1, everyMs: 3000, forMs: 60_000 },
    { kind: 'uplink-lossy', lossRate: 0.5, duplicateRate: 0.5, forMs: 60_000 },
    { kind: 'cloud-down', forMs: 60_000 },
    { kind: 'cloud-failover', losesMs: 30_000 },
    { kind: 'cloud-restore', ageMs: 60_000 },
    { kind: 'charger-power-cut', charger: 2, forMs: 20_000 },
    { kind: 'charger-offline', charger: 2, forMs: 30_000 },
    { kind: 'charger-moves', charger: 2 },
    { kind: 'charger-replays', charger: 1, times: 3 },
  ]
  it.each(faults.map(fault => [fault.kind, fault] as const))('stands %s', async (_, fault) => {
    const outcome = await runPlan(smallPlan({ faults: [{ atMs: 110_500, ...fault }] }))
    expect(outcome.violations).toEqual([])
    expect(outcome.faults).toEqual({ [fault.kind]: 1 })
  })

  it('lets a charger go on the moment that it is answered, and not when some node is next due', async () => {
    const answeredMs: number[] = []
    await runWorld(
      smallPlan({ faults: [{ atMs: 200_000, kind: 'charger-replays', charger: 1, times: 90 }] }),
      {
        observers: shown => [
          {
            name: 'ear',
            answered: (_, { chargerId }) => void (chargerId === 'CP-1' && answeredMs.push(shown.nowMs())),
          },
        ],
        object: () => undefined,
        enough: () => false,
      },
    )
    const soon = answeredMs.filter(atMs => atMs >= 200_000 && atMs < 201_000)
    expect(soon.length).toBeGreaterThan(50)
  })

  it('says so when nodes do not become whole in the quiet time', async () => {
    const late = smallPlan({ quietMs: 1, faults: [{ atMs: 60_000, kind: 'kill', node: 2, downMs: 180_000 }] })
    const outcome = await runPlan(late)
    expect(outcome.ok).toBe(false)
    expect(outcome.violations.map(one => one.checker)).toContain('liveness')
  })
})
