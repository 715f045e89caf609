// Small worlds for the other designs, to be worked out by hand: three nodes, one charge point at each, ten hours, five cards. A
// car takes 100 Wh a minute and never gets full.
import type { Service } from '../../simulations/outcome.ts'
import type { ChargerPlan, FaultStep, OperatorStep, Plan, Visit } from '../../simulations/plan.ts'

export const MINUTE = 60_000
export const GOOD = 0
export const REVOKED = 1
export const UNKNOWN = 2
export const EXPIRED = 3
export const SECOND_GOOD = 4

export const BATTERY = { capacityWh: 1_000_000, startSoc: 0, maxPowerW: 6000, taperFromSoc: 1 }
export const ALWAYS: Plan['uplinks'] = [
  { node: 1, windows: [[0, 600 * MINUTE]], delayMs: [10, 20], lossRate: 0, duplicateRate: 0 },
]

/** Three nodes, one charge point at each, ten hours. */
export function planOf(change: Partial<Plan> = {}): Plan {
  return {
    ...{ scenario: 'hand', seed: 1, durationMs: 600 * MINUTE, quietMs: MINUTE, startsAt: 0 },
    ...{ signer: 'keyed-hash', cloud: 'memory', nodes: 3, syncMs: [1, 2], pricePerKwh: '0.30' },
    links: [
      [1, 2],
      [2, 3],
    ],
    quality: { minDelayMs: 1, maxDelayMs: 2, heavyTailRate: 0, lossRate: 0, duplicateRate: 0 },
    chargers: [charger(1), charger(2), charger(3)],
    cards: (['good', 'revoked', 'unknown', 'expired', 'good'] as const).map((kind, i) => ({
      idTag: `T${i}`,
      kind,
    })),
    ...{ visits: [], operator: [], uplinks: ALWAYS, faults: [], hostile: [], ...change },
  }
}

export function charger(node: number, quirks: ChargerPlan['quirks'] = []): ChargerPlan {
  return { id: `CP-${node}`, connectors: 1, nodes: [node], meterEveryMs: MINUTE, registerWh: 0, quirks }
}

/** At minute `at`, for ten minutes: a kilowatt hour. */
export function visit(at: number, charger: number, card = GOOD, minutes = 10): Visit {
  return { atMs: at * MINUTE, charger, connector: 1, card, stayMs: minutes * MINUTE, battery: BATTERY }
}

/** Figures that are not named are 0. */
export function service(figures: Partial<Service>): Service {
  return {
    ...{ drivers: 0, served: 0, refusedWrongly: 0, refusedRightly: 0, servedWrongly: 0, turnedAway: 0 },
    ...{ sessions: 0, lostSessions: 0, lostWh: 0, doubleBills: 0, ...figures },
  }
}

export const uplink = (node: number, ...windows: readonly (readonly [number, number])[]): Plan['uplinks'] => [
  {
    ...{ node, delayMs: [10, 20], lossRate: 0, duplicateRate: 0 },
    windows: windows.map(([from, until]) => [from * MINUTE, until * MINUTE] as const),
  },
]
export const minutes = (fault: { at: number; for: number }): { atMs: number; forMs: number } => ({
  ...{ atMs: fault.at * MINUTE, forMs: fault.for * MINUTE },
})
export const split = (at: number, forMinutes: number, groups: readonly (readonly number[])[]): FaultStep => ({
  ...{ kind: 'split', groups, ...minutes({ at, for: forMinutes }) },
})
export const wipe = (at: number): FaultStep => ({ kind: 'wipe', node: 1, atMs: at * MINUTE, downMs: MINUTE })
export const revoke = (at: number, node = 1): OperatorStep => ({
  kind: 'revoke',
  card: GOOD,
  node,
  atMs: at * MINUTE,
})
