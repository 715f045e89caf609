// The benchmarks: what each measures, by which figure it is compared with its floor, what should be reached and what is aimed at.
import { type Audited, withAuditFile } from './audit.ts'
import { authorize } from './authorize.ts'
import { cards } from './cards.ts'
import { catchup } from './catchup.ts'
import { withChargingSite } from './charging-site.ts'
import { coldstart } from './coldstart.ts'
import type { Kind } from './drive.ts'
import type { Figures } from './figures.ts'
import { flood } from './flood.ts'
import { growth } from './growth.ts'
import { idle } from './idle.ts'
import { type Ingest, withPushes } from './ingest.ts'
import { latency } from './latency.ts'
import { type Ocpp, ocpp } from './ocpp.ts'
import { session } from './session.ts'
import { spread } from './spread.ts'
import { uplinks } from './uplinks.ts'

export type Options = Readonly<Record<string, number>>
export type Measure = (kind: Kind, round: number) => Promise<Figures>

export type Bench = {
  readonly name: string
  readonly about: string
  /** Name, what it is, default. */
  readonly options: readonly (readonly [name: string, about: string, fallback: number])[]
  /** Compared with the floor by this figure; undefined where there is no floor. */
  readonly byName?: string
  readonly reach: string
  readonly aim: string
  /** Makes what all rounds share, and takes it away again. */
  readonly with: (options: Options, use: (measure: Measure) => Promise<void>) => Promise<void>
  /** As `npm run -s bench` without a name runs it, where that is not the default; each with a name of its own. */
  readonly variants?: Readonly<Record<string, Options>>
}

const NODES = ['nodes', 'processes, which all know one another', 10] as const
const SIZE = ['size', 'bytes of a body', 250] as const
const plain =
  <O>(run: (options: O, kind: Kind, round: number) => Promise<Figures>): Bench['with'] =>
  (options, use) =>
    use((kind, round) => run(options as O, kind, round))

export const BENCHES: readonly Bench[] = [
  {
    name: 'flood',
    about: 'Every node authors; until all hold all, durable.',
    options: [
      NODES,
      ['events', 'of all nodes together', 2000],
      SIZE,
      ['chunk', 'events an append, each awaited; 0 for all at once', 0],
    ],
    ...{ byName: 'ms', reach: 'ratio <= 5', aim: '1.5', with: plain(flood) },
    variants: { flood: {}, 'flood, one event an append': { chunk: 1 } },
  },
  {
    name: 'catchup',
    about: 'A node that was away fetches all, verified, durable.',
    options: [['events', 'that it lacks', 20_000], ['authors', 'who wrote them', 10], SIZE],
    ...{ byName: 'ms', reach: 'ratio <= 3', aim: '1.5', with: plain(catchup) },
    variants: { catchup: {}, 'catchup of 200,000': { events: 200_000, pairs: 1 } },
  },
  {
    name: 'latency',
    about: 'One event each 200 ms; from its author to the last node, durable.',
    options: [NODES, ['seconds', 'how long', 20], SIZE],
    ...{ byName: 'p99Ms', reach: 'p99 <= 250 ms', aim: '2x floor', with: plain(latency) },
    variants: { latency: {}, 'latency of 50 nodes': { nodes: 50, pairs: 1 } },
  },
  {
    name: 'wire',
    about: 'Bytes that a node receives for each event of others, over its body and its share of a signature.',
    options: [
      NODES,
      ['events', 'of all nodes together', 2000],
      SIZE,
      ['chunk', 'events an append; 0 for all', 0],
    ],
    ...{ byName: 'wireRatio', reach: '<= 1.6', aim: '1.15', with: plain(flood) },
  },
  {
    name: 'coldstart',
    about: 'From a full disk to a node that has checked everything and may answer a charger.',
    options: [['events', 'on the disk', 100_000], ['authors', 'who wrote them', 50], SIZE],
    ...{
      byName: 'ms',
      reach: '100k: 3 s, 200 MB; 1M: 10 s, 300 MB',
      aim: '1M: 2 s, 150 MB',
      with: coldstart,
    },
    variants: { 'coldstart of 10,000': { events: 10_000 }, 'coldstart of 100,000': { pairs: 3 } },
  },
  {
    name: 'authorize',
    about: 'Cards used before, over OCPP at a steady rate; until the charger has its answer.',
    options: [
      ['chargers', 'connected to one node', 500],
      ['rate', 'a second, of all chargers together', 200],
      ['seconds', 'how long', 10],
    ],
    ...{ byName: 'p99Ms', reach: 'p99 <= max(2x, +5 ms)', aim: '1.2x' },
    with: (options, use) =>
      withChargingSite(options.chargers ?? 1, site =>
        use(kind => authorize(options as Parameters<typeof authorize>[0], kind, site)),
      ),
  },
  {
    name: 'session',
    about: 'A whole session of every charger, all at once, durable; until the last is stopped.',
    options: [
      ['chargers', 'connected to one node', 500],
      ['meter-values', 'of a session', 10],
    ],
    ...{ byName: 'ms', reach: 'ratio <= 3', aim: '1.5' },
    with: (options, use) =>
      withChargingSite(options.chargers ?? 1, site =>
        use(kind => session(options.meterValues ?? 1, kind, site)),
      ),
  },
  {
    name: 'ocpp',
    about:
      'A full site: sessions of all chargers at a steady rate; then its node is killed and starts again, and all come back with a session charged offline. The floor keeps nothing.',
    options: [
      ['chargers', 'connected to one node', 500],
      ['every-s', 'seconds from one session of a charger to its next', 10],
      ['seconds', 'how long', 30],
      ['storm-ms', 'within which all chargers come back', 5000],
    ],
    ...{ byName: 'p99StartMs', reach: 'all of it served; a storm within 10 s', aim: '' },
    with: (options, use) =>
      withChargingSite(options.chargers ?? 1, site =>
        use(kind => ocpp(options as unknown as Ocpp, kind, site)),
      ),
    variants: { ocpp: { pairs: 3 } },
  },
  {
    name: 'idle',
    about: 'Nothing happens; what a node costs all the same.',
    options: [
      ['nodes', 'processes, which all know one another', 50],
      ['minutes', 'how long', 2],
    ],
    ...{ reach: '< 1 % of a core, < 100 B/s a node', aim: '', with: plain(idle) },
  },
  {
    name: 'growth',
    about: 'What an event and an exchange cost by how much is stored and how many devices there are.',
    options: [['most', 'stored events at the end of the curve', 100_000]],
    ...{ reach: 'flat within 20 %', aim: '', with: plain(growth) },
  },
  {
    name: 'cards',
    about: 'Decisions, memory and the start of a node, by how many cards its site has.',
    options: [['most', 'cards at most: 1,000, 10,000 and 100,000 up to it', 100_000]],
    ...{ reach: 'decisions in microseconds; 100k cards: 150 MB, 5 s', aim: '', with: plain(cards) },
  },
  {
    name: 'spread',
    about: 'From a revocation at one node until all refuse the card, in virtual time.',
    options: [
      ['most', 'nodes at most: 10, 100 and 300 up to it', 300],
      ['loss', 'messages that are lost, in percent', 0],
      ['revocations', 'in the virtual hour', 100],
    ],
    ...{ reach: 'p99 below boundMs, that of rounds of anti-entropy alone', aim: '', with: plain(spread) },
    variants: { spread: {}, 'spread, one message in five lost': { loss: 20 } },
  },
  {
    name: 'uplinks',
    about: 'How often an island with many uplinks carries each event, and how late, in virtual time.',
    options: [
      ['most', 'uplinks at most: 2, 5, 10 and 30 up to it', 30],
      ['logs', 'that grow', 200],
      ['seeds', 'islands of each size', 5],
    ],
    ...{
      reach: 'ranked: 1.05 copies, view 70 % right: 1.4',
      aim: '1.00-1.03, 1.16-1.36',
      with: plain(uplinks),
    },
  },
  {
    name: 'audit',
    about:
      'An audit file of a whole site is verified by the built program on one core; the floor hashes its bytes and checks the seals that have to be.',
    options: [
      ['sessions', 'in the file', 100_000],
      ['nodes', 'that recorded them', 20],
      ['ticks', 'readings a session', 5],
    ],
    ...{ byName: 'ms', reach: '100,000 sessions in 60 s', aim: '30 s' },
    with: (options, use) => withAuditFile(options as Audited, use),
    variants: { audit: { pairs: 1 } },
  },
  {
    name: 'ingest',
    about:
      "The days of several sites into the cloud's database, verified, folded, billed and acknowledged; the floor is COPY of the same rows of events. The PostgreSQL server is one of its own, or that of TEST_DATABASE_URL.",
    options: [
      ['sites', 'whose nodes push', 8],
      ['sessions', 'of a site', 200],
      ['ticks', 'readings a session', 30],
      ['per-seal', 'readings under one signature', 1],
      ['at-once', 'sites that push at a time', 4],
      ['batch-kb', 'of a push, at most', 256],
      ['pglite', '0: a PostgreSQL server; 1: PGlite in memory; 2: PGlite in a folder', 0],
    ],
    ...{ byName: 'eventsPerS', reach: 'half of COPY; 1,000 x 1,000 sessions in an hour', aim: '' },
    with: (options, use) => withPushes(options as Ingest, use),
    variants: {
      'ingest, a PostgreSQL server': {},
      'ingest, PGlite in memory': { pglite: 1, atOnce: 1, pairs: 3 },
      'ingest, PGlite in a folder': { pglite: 2, atOnce: 1, pairs: 3 },
    },
  },
]
