// One plan, two worlds: what the simulator foretold beside what real machines did, the ratio, and why they differ. Bytes of
// the mesh are counted twice for the real site: what the nodes themselves handed to their streams, which is what the
// simulator counts, and what passed the relays as TCP payload.
import { tableOf } from '../../src/cli/output.ts'
import type { Outcome, Violation } from '../outcome.ts'
import type { Plan } from '../plan.ts'
import { percentiles } from '../tally/tally.ts'
import type { Played } from './drive.ts'
import { type Judgement, NOT_JUDGED } from './judge.ts'
import { leftOut } from './playable.ts'

/** Undefined: never, or not counted in that world. */
export type Figures = {
  readonly ok: boolean
  readonly drivers: number
  readonly served: number
  readonly refused: number
  readonly turnedAway: number
  readonly sessions: number
  readonly lostSessions: number
  readonly doubleBills: number
  readonly events: number
  readonly healMs: number | undefined
  readonly convergedMs: number | undefined
  readonly wholeMs: number | undefined
  readonly reconcileP50Ms: number
  readonly reconcileP95Ms: number
  readonly meshBytesANode: number
  readonly meshBytesASession: number
  readonly wireBytesANode: number | undefined
  readonly wireBytesASession: number | undefined
  readonly uplinkBytes: number
}

export type Comparison = {
  readonly scenario: string
  readonly seed: number
  readonly speed: number
  readonly simulated: Figures
  readonly real: Figures
  readonly violations: readonly Violation[]
  readonly simulatedViolations: readonly Violation[]
  readonly leftOut: readonly string[]
}

export type Compared = {
  /** As the scenario drew it, before anything was left out or made faster. */
  readonly drawn: Plan
  readonly plan: Plan
  readonly speed: number
  readonly outcome: Outcome
  readonly simulatedHealMs: number | undefined
  readonly played: Played
  readonly judgement: Judgement
}

export function compare(compared: Compared): Comparison {
  const { drawn, plan, speed, outcome, played, judgement } = compared
  return {
    ...{ scenario: plan.scenario, seed: plan.seed, speed },
    simulated: simulatedFigures(compared),
    real: realFigures(played, judgement),
    ...{ violations: judgement.violations, simulatedViolations: outcome.violations, leftOut: leftOut(drawn) },
  }
}

function simulatedFigures({ plan, outcome, simulatedHealMs }: Compared): Figures {
  const { service, reconcileMs } = outcome
  const { drivers, turnedAway, sessions, lostSessions, doubleBills } = service
  return {
    ...{ ok: outcome.ok, drivers, turnedAway, sessions, lostSessions, doubleBills, events: outcome.events },
    served: service.served + service.servedWrongly,
    refused: service.refusedRightly + service.refusedWrongly,
    healMs: simulatedHealMs,
    convergedMs: outcome.convergedMs,
    wholeMs:
      outcome.virtualMs < plan.durationMs + plan.quietMs ? outcome.virtualMs - plan.durationMs : undefined,
    ...{ reconcileP50Ms: reconcileMs.p50, reconcileP95Ms: reconcileMs.p95 },
    ...{ meshBytesANode: outcome.meshBytes.p50, meshBytesASession: outcome.bytesPerSession },
    ...{ wireBytesANode: undefined, wireBytesASession: undefined, uplinkBytes: outcome.uplinkBytes },
  }
}

function realFigures(played: Played, { books, events, violations }: Judgement): Figures {
  const visits = played.stations.flatMap(station => station.visits)
  const count = (outcome: (typeof visits)[number]['outcome']): number =>
    visits.filter(visit => visit.outcome === outcome).length
  const reconcile = percentiles(played.reconcileMs)
  const each = (bytes: number): number => Math.round(bytes / Math.max(1, books.sessions))
  // Every byte was sent once and received once.
  const application = played.applicationBytes.reduce((sum, bytes) => sum + bytes, 0) / 2
  return {
    ...{ ok: violations.length === 0, drivers: visits.length, events },
    ...{ served: count('served'), refused: count('refused'), turnedAway: count('turned-away') },
    ...{ sessions: books.sessions, lostSessions: books.lost.length, doubleBills: books.doubleBills },
    ...{ healMs: played.healMs, convergedMs: played.convergedMs, wholeMs: played.wholeMs },
    ...{ reconcileP50Ms: reconcile.p50, reconcileP95Ms: reconcile.p95 },
    meshBytesANode: percentiles(played.applicationBytes).p50,
    meshBytesASession: each(application),
    wireBytesANode: percentiles(played.wireBytes).p50,
    wireBytesASession: each(played.meshBytes),
    uplinkBytes: played.uplinkBytes,
  }
}

type Row = readonly [
  what: string,
  read: (figures: Figures) => number | undefined,
  show: (value: number) => string,
]

const whole = (value: number): string => String(Math.round(value))
const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
const kilobytes = (bytes: number): string => `${(bytes / 1000).toFixed(1)} kB`
const ROWS: readonly Row[] = [
  ['drivers', one => one.drivers, whole],
  ['  served', one => one.served, whole],
  ['  refused', one => one.refused, whole],
  ['  turned away', one => one.turnedAway, whole],
  ['sessions at the meters', one => one.sessions, whole],
  ['  lost', one => one.lostSessions, whole],
  ['  billed twice', one => one.doubleBills, whole],
  ['events on each node', one => one.events, whole],
  ['all know all of before, after the last mend', one => one.healMs, seconds],
  ['all nodes hold the same, after calm', one => one.convergedMs, seconds],
  ['the cloud has all of it, after calm', one => one.wholeMs, seconds],
  ['stop to receipt, p50', one => one.reconcileP50Ms, seconds],
  ['stop to receipt, p95', one => one.reconcileP95Ms, seconds],
  ['mesh, messages: a node', one => one.meshBytesANode, kilobytes],
  ['mesh, messages: a session', one => one.meshBytesASession, kilobytes],
  ['mesh, TCP payload: a node', one => one.wireBytesANode ?? one.meshBytesANode, kilobytes],
  ['mesh, TCP payload: a session', one => one.wireBytesASession ?? one.meshBytesASession, kilobytes],
  ['uplinks, both ways', one => one.uplinkBytes, kilobytes],
]

export function comparisonText(comparison: Comparison): string {
  const { simulated, real, scenario, seed, speed } = comparison
  const cell = (value: number | undefined, show: Row[2]): string =>
    value === undefined ? 'never' : show(value)
  const table = tableOf(ROWS, [
    ['', ([what]) => what],
    ['simulated', ([, read, show]) => cell(read(simulated), show)],
    ['real', ([, read, show]) => cell(read(real), show)],
    ['real / simulated', ([, read]) => ratio(read(real), read(simulated))],
  ])
  const judged = real.ok ? 'ok' : 'VIOLATED'
  return [
    `${scenario}:${seed} at ${speed} times its speed, on real machines: ${judged}`,
    ...said('real', comparison.violations),
    ...said('simulated', comparison.simulatedViolations),
    '',
    table,
    '',
    ...WHY,
    ...comparison.leftOut.map(text => `- ${text}`),
    `- not judged here, since nobody sees it from outside: ${NOT_JUDGED.join(', ')}`,
  ].join('\n')
}

function said(world: string, violations: readonly Violation[]): readonly string[] {
  return violations
    .slice(0, 10)
    .map(({ invariant, checker, detail }) => `  ! ${world}: ${invariant} (${checker}) ${detail}`)
}

export function ratio(real: number | undefined, simulated: number | undefined): string {
  if (real === undefined || simulated === undefined) return ''
  if (real === simulated) return '1'
  return simulated === 0 ? '' : (real / simulated).toFixed(2)
}

const WHY = [
  'Why they differ:',
  '- the same plan, not the same throws: when a driver taps, how a stay ends and when a node ticks is drawn anew by each world',
  '- events: a real operator also writes down each charge point with its password’s hash',
  '- a cut: TCP keeps what was sent into one that is over before patience is, and delivers it; the simulator loses it, and the next digest repairs',
  '- a mend: the relay holds a dial that came during the cut, so whichever node is dialling just then is through at once; in the simulator nobody is, before a wait that was drawn is over',
  '- messages: real streams also carry hellos, length prefixes and keepalives, a pair may hold two connections for a while, and a node that was made before others learns of them over the mesh',
  '- TCP payload: noise adds its handshake and 18 bytes a packet, yamux 12 a frame; the simulator counts neither, so its own figure is repeated',
  '- uplinks: a real one pays for TLS and headers, and compresses; the simulated one counts bodies as they are and a header of fixed length',
  '- times: a process needs a second or two to start, a tick of a second lies anywhere; after calm both worlds are looked at once a second, and what is not urgent leaves in rounds of 5 to 15 s',
]
