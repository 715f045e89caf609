// Outcomes by hand, as a stadium's evening gives them, for the tests of the reports; any part can be put otherwise.
import type { Outcome, Service, Timed } from '../../simulations/outcome.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

export const STADIUM: Service = {
  drivers: 1284,
  served: 1139,
  refusedWrongly: 3,
  refusedRightly: 61,
  servedWrongly: 2,
  turnedAway: 79,
  sessions: 1127,
  lostSessions: 0,
  lostWh: 0,
  doubleBills: 0,
}

const GATEWAY: Service = {
  ...STADIUM,
  served: 642,
  refusedWrongly: 498,
  servedWrongly: 0,
  refusedRightly: 65,
  sessions: 611,
  lostSessions: 87,
  lostWh: 1_264_300,
  doubleBills: 12,
}

/** Samples of four hours and a quarter, a minute apart: whole, split into four for an hour and a half, whole again. */
function evening(): Outcome['series'] {
  const at = Array.from({ length: 256 }, (_, minute) => minute)
  const split = (minute: number): boolean => minute >= 60 && minute < 150
  return {
    everyMs: MINUTE,
    islands: at.map(minute => (split(minute) ? (minute < 100 ? 4 : 3) : 1)),
    nodesUp: at.map(minute => (minute > 80 && minute < 95 ? 46 : minute % 37 === 5 ? 49 : 50)),
    openSessions: at.map(minute => Math.max(0, Math.round(280 - Math.abs(minute - 120) * 2.3))),
    missingEvents: at.map(minute =>
      split(minute) ? (minute - 58) * 410 : minute < 158 ? 3 + (minute % 9) : 0,
    ),
    unsentEvents: at.map(minute =>
      minute < 180 ? minute * 118 : Math.max(0, 21_240 - (minute - 180) * 900),
    ),
    servedDrivers: at.map(minute => Math.min(1139, Math.round(minute * 4.9))),
    refusedDrivers: at.map(minute => Math.min(64, Math.floor(minute / 3.5))),
  }
}

export function outcome(change: Partial<Outcome> = {}): Outcome {
  return {
    scenario: 'stadium',
    seed: 7,
    ok: true,
    violations: [],
    traceHash: '9f2c4e0b7a6d518833f1c0de5a7b21944c6e8d0fb3a25176e9d0c4b8a1f36275',
    steps: 4_918_223,
    virtualMs: 4 * HOUR + 15 * MINUTE,
    nodes: 50,
    chargers: 300,
    signer: 'ed25519',
    cloud: 'memory',
    faults: {
      split: 3,
      kill: 14,
      'power-cut-at': 9,
      'uplink-flaps': 6,
      'clock-jump': 11,
      'charger-replays': 22,
    },
    messages: { sent: 1_284_551, lost: 62_113, doubled: 12_009 },
    hostileActs: 0,
    events: 31_872,
    eventsLost: 0,
    logsPruned: 0,
    eventsDestroyed: 4,
    service: STADIUM,
    convergedMs: 8_420,
    reconcileMs: { p50: 41 * MINUTE, p95: 2 * HOUR + 52 * MINUTE, max: 3 * HOUR + 8 * MINUTE, count: 1127 },
    syncAfterReconnectMs: { p50: 11_800, p95: 94_000, max: 131_000, count: 23 },
    meshBytes: { p50: 18_420_311, p95: 41_883_020, max: 66_120_554, count: 50 },
    uplinkBytes: 9_120_733,
    bytesPerSession: 14_211,
    revocations: [
      { atMs: 80 * MINUTE, spreadMs: spread(50, 1300), allMs: 71 * MINUTE, startsAfter: 1 },
      { atMs: 31 * MINUTE, spreadMs: spread(50, 41), allMs: 2009, startsAfter: 0 },
      { atMs: 95 * MINUTE, spreadMs: spread(37, 900), startsAfter: 1 },
    ],
    chargersServed: { ordinary: { of: 214, good: 214 }, quirky: { of: 71, good: 70 } },
    badNetwork: { of: 402, good: 402 },
    series: evening(),
    baselines: {
      lists: {
        ...STADIUM,
        served: 1128,
        servedWrongly: 44,
        refusedRightly: 30,
        lostSessions: 9,
        lostWh: 92_000,
      },
      gateway: GATEWAY,
      online: {
        ...GATEWAY,
        served: 201,
        refusedWrongly: 951,
        lostSessions: 31,
        lostWh: 310_400,
        doubleBills: 4,
      },
    },
    ...change,
  }
}

function spread(nodes: number, stepMs: number): readonly number[] {
  return Array.from({ length: nodes }, (_, at) => Math.round((at * at * stepMs) / 8) + at * stepMs)
}

export function timed(change: Partial<Outcome> = {}): Timed {
  return { outcome: outcome(change), wallMs: 12_400, cpuMs: 11_950 }
}

export const BROKEN: Partial<Outcome> = {
  scenario: 'byzantine',
  seed: 4711,
  ok: false,
  violations: [
    {
      invariant: 'I13',
      checker: 'authorization',
      atMs: 62 * MINUTE,
      detail: 'node 12 started a session on charger 88 with card 31, whose revocation it held since 3,718 s',
    },
    {
      invariant: 'I20',
      checker: 'billing',
      atMs: 71 * MINUTE,
      detail: 'session 8f21 has two invoices: 4.20 and 4.20',
    },
  ],
  hostileActs: 5120,
  service: { ...STADIUM, lostSessions: 1, lostWh: 7340, doubleBills: 1 },
}

const NONE: Service = {
  ...{ drivers: 0, served: 0, refusedWrongly: 0, refusedRightly: 0, servedWrongly: 0, turnedAway: 0 },
  ...{ sessions: 0, lostSessions: 0, lostWh: 0, doubleBills: 0 },
}
const NOTHING = { p50: 0, p95: 0, max: 0, count: 0 }

/** One node, at which nothing ever happened. */
export const EMPTY: Partial<Outcome> = {
  ...{ scenario: 'nothing', nodes: 1, chargers: 0, virtualMs: 0, steps: 0, faults: {}, hostileActs: 0 },
  messages: { sent: 0, lost: 0, doubled: 0 },
  ...{ events: 0, eventsDestroyed: 0, service: NONE, convergedMs: 0, uplinkBytes: 0, bytesPerSession: 0 },
  ...{
    reconcileMs: NOTHING,
    syncAfterReconnectMs: NOTHING,
    meshBytes: NOTHING,
    revocations: [],
    baselines: {},
  },
  chargersServed: { ordinary: { of: 0, good: 0 }, quirky: { of: 0, good: 0 } },
  badNetwork: { of: 0, good: 0 },
  series: {
    everyMs: MINUTE,
    ...{ islands: [], nodesUp: [], openSessions: [], missingEvents: [], unsentEvents: [] },
    ...{ servedDrivers: [], refusedDrivers: [] },
  },
}

/** Seeds from 1 on, each of them a little otherwise; one never whole, one in fifty broken. */
export function campusWeek(seeds: number): readonly Timed[] {
  return Array.from({ length: seeds }, (_, at) => {
    const seed = at + 1
    const odd = (seed * 2_654_435_761) % 1000
    const slow = 1 + odd / 260
    const base = outcome()
    return timed({
      ...(seed % 50 === 0 ? BROKEN : {}),
      scenario: 'campus-week',
      seed,
      virtualMs: 7 * 24 * HOUR,
      faults: { split: 1 + (odd % 5), kill: odd % 40, 'disk-full': odd % 3, 'uplink-flaps': odd % 17 },
      convergedMs: Math.round(1400 * slow * slow + odd * 3),
      reconcileMs: { ...base.reconcileMs, p95: Math.round(HOUR * slow + (odd % 40) * 9 * MINUTE) },
      meshBytes: { ...base.meshBytes, p95: Math.round(30_000_000 * slow) },
      service: {
        ...STADIUM,
        served: STADIUM.served - (odd % 60),
        turnedAway: STADIUM.turnedAway + (odd % 60),
      },
    })
  })
}
