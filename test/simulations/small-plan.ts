// A plan small enough to be run inside a test: two nodes of three part for a minute, one of them loses power, cars charge.
import type { Plan } from '../../simulations/plan.ts'

const BATTERY = { capacityWh: 50_000, startSoc: 0.4, maxPowerW: 22_000, taperFromSoc: 0.8 }

export function smallPlan(change: Partial<Plan> = {}): Plan {
  return {
    ...{ scenario: 'small', seed: 7, durationMs: 240_000, quietMs: 300_000 },
    ...{ startsAt: Date.UTC(2026, 5, 1, 8), signer: 'keyed-hash', cloud: 'memory', nodes: 3 },
    links: [
      [1, 2],
      [1, 3],
      [2, 3],
    ],
    quality: { minDelayMs: 1, maxDelayMs: 20, heavyTailRate: 0.01, lossRate: 0.02, duplicateRate: 0.02 },
    syncMs: [1, 5],
    chargers: [1, 2, 3].map(node => ({
      ...{ id: `CP-${node}`, connectors: 1, nodes: [node, 1 + (node % 3)], meterEveryMs: 15_000 },
      ...{ registerWh: 1000 * node, quirks: [] },
    })),
    cards: [
      { idTag: 'GOOD1', kind: 'good' },
      { idTag: 'GOOD2', kind: 'good' },
      { idTag: 'LOST', kind: 'revoked' },
    ],
    pricePerKwh: '0.25',
    visits: [
      ...[0, 1, 2].map(i => ({
        ...{
          atMs: 20_000 + i * 1000,
          charger: i + 1,
          connector: 1,
          card: i,
          stayMs: 90_000,
          battery: BATTERY,
        },
      })),
      { atMs: 150_000, charger: 2, connector: 1, card: 0, stayMs: 60_000, battery: BATTERY },
    ],
    operator: [{ atMs: 130_000, node: 1, kind: 'revoke', card: 1 }],
    uplinks: [
      { node: 1, windows: [[100_000, 240_000]], delayMs: [20, 80], lossRate: 0.1, duplicateRate: 0.1 },
    ],
    faults: [
      { atMs: 60_000, kind: 'split', groups: [[1], [2, 3]], forMs: 60_000 },
      { atMs: 80_000, kind: 'power-cut', node: 2, downMs: 10_000 },
    ],
    hostile: [],
    ...change,
  }
}
