// How far apart the seeds of a sweep lie: the middle, the edge and the worst seed of each figure by name, and two plots. A site
// that never became whole counts as worst, and is not left out because it has no number.
import type { Outcome } from '../outcome.ts'
import { faultCount } from './faults.ts'
import { type Html, html, section, table } from './markup.ts'
import { bytes, count, duration, percentilesOf, share } from './measure.ts'
import { figure, histogram, type Plot, unitFor } from './plot.ts'

type Figure = {
  readonly name: string
  readonly format: (value: number) => string
  readonly of: (outcome: Outcome) => number | undefined
  /** The worst is the least. */
  readonly fewIsBad?: true
}

const FIGURES: readonly Figure[] = [
  {
    name: 'Whole again after the faults',
    format: duration,
    of: one => one.convergedMs ?? Number.POSITIVE_INFINITY,
  },
  { name: 'Time to reconcile, p95 of a seed', format: duration, of: one => known(one.reconcileMs) },
  {
    name: 'Sync after reconnect, p95 of a seed',
    format: duration,
    of: one => known(one.syncAfterReconnectMs),
  },
  { name: 'Mesh bytes of a node, p95 of a seed', format: bytes, of: one => known(one.meshBytes) },
  {
    name: 'Mesh bytes a session',
    format: bytes,
    of: one => (one.service.sessions > 0 ? one.bytesPerSession : undefined),
  },
  { name: 'Uplink bytes', format: bytes, of: one => one.uplinkBytes },
  { name: 'Drivers served', format: percent, of: servedShare, fewIsBad: true },
]

function known(of: Outcome['meshBytes']): number | undefined {
  return of.count === 0 ? undefined : of.p95
}

function servedShare({ service }: Outcome): number | undefined {
  return service.drivers === 0 ? undefined : service.served / service.drivers
}

function percent(part: number): string {
  return share({ of: 1, good: part })
}

export function spread(outcomes: readonly Outcome[]): Html {
  const means =
    'How far apart the seeds lie: the middle one, the one that 95 of 100 stay within, and the worst.'
  const never = outcomes.filter(one => one.convergedMs === undefined)
  return section(
    { id: 'spread', title: 'Spread over seeds', means },
    table({
      caption: 'One value a seed',
      heads: ['Figure', 'p50', 'p95', 'Worst', 'Worst seed', 'Seeds'],
      rows: FIGURES.map(one => row(one, outcomes)),
    }),
    never.length === 0
      ? undefined
      : html`<p class="worse">Never whole again: seeds ${ranges(never.map(one => one.seed))}.</p>`,
    figure(convergenceBars(outcomes)),
    figure(faultDots(outcomes)),
  )
}

function row({ name, format, of, fewIsBad }: Figure, outcomes: readonly Outcome[]): readonly string[] {
  const sign = fewIsBad === true ? -1 : 1
  const points = outcomes.flatMap(one => {
    const value = of(one)
    return value === undefined ? [] : [{ value, seed: one.seed }]
  })
  const { p50, p95, max } = percentilesOf(points.map(one => one.value * sign))
  const worst = points.find(one => one.value * sign === max)
  if (worst === undefined) return [name, 'none', 'none', 'none', '–', '0']
  return [
    name,
    format(p50 * sign),
    format(p95 * sign),
    format(max * sign),
    `${worst.seed}`,
    count(points.length),
  ]
}

const BARS = 24

function convergenceBars(outcomes: readonly Outcome[]): Plot {
  const values = outcomes.flatMap(one => one.convergedMs ?? [])
  const { width, counts } = histogram(values, BARS)
  const unit = unitFor(width * BARS)
  return {
    id: 'whole',
    kind: 'bars',
    title: 'How soon the sites were whole again',
    xName: `${unit.name} after the faults (middle of the bar)`,
    yName: 'seeds',
    x: values.length === 0 ? [] : counts.map((_, at) => ((at + 0.5) * width) / unit.ms),
    lines: [{ name: 'seeds', values: counts, tone: 1 }],
  }
}

/** Does a worse day make it slower? One dot a seed. */
function faultDots(outcomes: readonly Outcome[]): Plot {
  const points = outcomes
    .flatMap(one => {
      const ms = known(one.reconcileMs)
      return ms === undefined ? [] : [{ x: faultCount(one), ms, broken: one.violations.length > 0 }]
    })
    .sort((a, b) => a.x - b.x)
  const unit = unitFor(points.reduce((most, one) => Math.max(most, one.ms), 0))
  const values = (broken: boolean): readonly (number | null)[] =>
    points.map(one => (one.broken === broken ? one.ms / unit.ms : null))
  return {
    id: 'faults',
    kind: 'dots',
    title: 'Faults injected, and time to reconcile (p95): one dot a seed',
    xName: 'faults injected',
    yName: unit.name,
    x: points.map(one => one.x),
    lines: [
      { name: 'seeds that held', values: values(false), tone: 1 },
      { name: 'with a violation', values: values(true), tone: 2 },
    ],
  }
}

/** "1 to 500, 700". */
export function ranges(seeds: readonly number[], most = 12): string {
  const sorted = [...new Set(seeds)].sort((a, b) => a - b)
  const runs: [number, number][] = []
  for (const seed of sorted) {
    const last = runs.at(-1)
    if (last !== undefined && last[1] === seed - 1) last[1] = seed
    else runs.push([seed, seed])
  }
  const shown = runs.slice(0, most).map(([from, to]) => (from === to ? `${from}` : `${from} to ${to}`))
  return runs.length === 0 ? 'none' : [...shown, ...(runs.length > most ? ['…'] : [])].join(', ')
}
