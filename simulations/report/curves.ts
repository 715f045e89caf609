// A run over time: islands and nodes, events on their way, drivers; and how the news of a revoked card spread.
import type { Outcome, Revocation } from '../outcome.ts'
import { firstOf, type Html, html, table } from './markup.ts'
import { count, duration, summed } from './measure.ts'
import { figure, type Line, type Plot, samplesAPoint, thinned, unitFor } from './plot.ts'

export function siteCurves(outcome: Outcome): Html {
  const { islands, nodesUp } = outcome.series
  return html`${overTime(outcome, 'islands', {
    title: 'Islands',
    yName: 'islands',
    lines: [{ name: 'islands', values: thinned(islands), tone: 2 }],
  })}${overTime(outcome, 'nodes', {
    title: 'Nodes that are up',
    yName: 'nodes',
    lines: [{ name: 'nodes up', values: thinned(nodesUp, 'least'), tone: 1 }],
  })}`
}

export function eventCurves(outcome: Outcome): Html {
  const { missingEvents, unsentEvents } = outcome.series
  return overTime(outcome, 'events', {
    title: 'Events on their way',
    yName: 'events',
    lines: [
      { name: 'missing at some node', values: thinned(missingEvents), tone: 1 },
      { name: 'not yet in the cloud', values: thinned(unsentEvents), tone: 2, dashed: true },
    ],
  })
}

export function driverCurves(outcome: Outcome): Html {
  const { servedDrivers, refusedDrivers, openSessions } = outcome.series
  return overTime(outcome, 'drivers', {
    title: 'Drivers so far, and sessions under way',
    yName: 'count',
    lines: [
      { name: 'served', values: thinned(servedDrivers), tone: 1 },
      { name: 'refused, rightly or not', values: thinned(refusedDrivers), tone: 2, dashed: true },
      { name: 'sessions under way', values: thinned(openSessions), tone: 4 },
    ],
  })
}

type Curves = Pick<Plot, 'title' | 'yName' | 'lines'>
function overTime({ series, virtualMs }: Outcome, id: string, curves: Curves): Html {
  const samples = Math.max(...curves.lines.map(line => line.values.length))
  const each = samplesAPoint(series.islands.length)
  const unit = unitFor(virtualMs)
  const x = Array.from({ length: samples }, (_, at) => (at * each * series.everyMs) / unit.ms)
  const note =
    each === 1 ? undefined : html`<p class="note">Each point is the worst of ${each} samples in a row.</p>`
  return html`${figure({ ...curves, id, kind: 'steps', xName: `${unit.name} from the start`, x })}${note}`
}

const CURVES = 4
const MOST_REVOCATIONS = 20

/** The slowest first; what never reached everybody is slowest of all. */
export function revocationSpread({ revocations, nodes }: Outcome): Html {
  if (revocations.length === 0) return html`<p class="empty">No card was revoked in this run.</p>`
  const slowest = [...revocations].sort((a, b) => slowness(b) - slowness(a) || a.atMs - b.atMs)
  const { shown, more } = firstOf(slowest, MOST_REVOCATIONS)
  const after = summed(revocations.map(one => one.startsAfter))
  return html`<p>${count(revocations.length)} revoked; after that, ${count(after)} starts with such a card anywhere.</p>
${figure(spreadPlot(slowest.slice(0, CURVES), nodes))}
${table({
  caption: 'Slowest first. Half: from the first node’s knowledge; last: from the operator’s word',
  heads: ['Revoked after', 'Nodes that know', 'Half of the nodes', 'Last node', 'Starts after it'],
  rows: shown.map(one => [
    duration(one.atMs),
    `${count(one.spreadMs.length)} of ${count(nodes)}`,
    timeUntil(one, Math.ceil(nodes / 2)),
    one.allMs === undefined ? 'never' : duration(one.allMs),
    count(one.startsAfter),
  ]),
})}${more}`
}

function slowness({ allMs }: Revocation): number {
  return allMs ?? Number.MAX_SAFE_INTEGER
}

function timeUntil({ spreadMs }: Revocation, nodes: number): string {
  const ms = spreadMs[nodes - 1]
  return ms === undefined ? 'never' : duration(ms)
}

function spreadPlot(revocations: readonly Revocation[], nodes: number): Plot {
  const instants = [...new Set([0, ...revocations.flatMap(one => one.spreadMs)])].sort((a, b) => a - b)
  const unit = unitFor(instants.at(-1) ?? 0)
  const lines = revocations.map(
    ({ atMs, spreadMs }, at): Line => ({
      name: `revoked after ${duration(atMs)}`,
      values: instants.map(ms => Math.round((spreadMs.filter(one => one <= ms).length / nodes) * 1000) / 10),
      tone: TONES[at] ?? 4,
      dashed: at % 2 === 1,
    }),
  )
  const title =
    revocations.length < CURVES ? 'Nodes that know of it' : `Nodes that know of it: the ${CURVES} slowest`
  return {
    id: 'revocations',
    kind: 'steps',
    title,
    xName: `${unit.name} from the first node’s knowledge`,
    yName: '% of nodes',
    x: instants.map(ms => ms / unit.ms),
    lines,
    yMax: 105,
    unit: '%',
  }
}
const TONES = [1, 2, 3, 4] as const
