// A plot as the page holds it: its data in a block beside it, for script.ts to draw with uPlot, and the same for who sees no
// plot: one sentence a line of it, and a table of some of its points.

import { dataBlock, type Html, html, table } from './markup.ts'
import { count } from './measure.ts'

export type Line = {
  readonly name: string
  readonly values: readonly (number | null)[]
  /** Colours of the page, 1 to 4; a second line is dashed as well, so that colour is not all that tells. */
  readonly tone: 1 | 2 | 3 | 4
  readonly dashed?: boolean
}

export type Plot = {
  readonly id: string
  /** `steps` hold a value until the next. Dots of the second line are larger and filled. */
  readonly kind: 'steps' | 'bars' | 'dots'
  readonly title: string
  readonly xName: string
  readonly yName: string
  readonly x: readonly number[]
  readonly lines: readonly Line[]
  readonly yMax?: number
  /** Said behind each value. */
  readonly unit?: '%'
}

const ROWS = 12

/** A figure, or a sentence in its place when there is nothing to draw. */
export function figure(plot: Plot): Html {
  if (plot.x.length === 0)
    return html`<p class="empty">${plot.title}: nothing to draw, this run has none.</p>`
  const said = spoken(plot)
  const { id, kind, xName, yName, x, lines, yMax } = plot
  return html`<figure id="plot-${id}" class="plot">
<figcaption>${plot.title}</figcaption>
<div class="canvas" tabindex="0" role="img" aria-label="${plot.title}. ${said}"></div>
<p class="note">${said}</p>
<details><summary>The figures of this plot</summary>${points(plot)}</details>
${dataBlock(`data-${id}`, { kind, xName, yName, x, lines, ...(yMax === undefined ? {} : { yMax }) })}
</figure>`
}

function spoken({ kind, lines, unit }: Plot): string {
  if (kind === 'dots') return ''
  const said = (value: number | undefined): string =>
    `${shown(value)}${unit === undefined ? '' : `\u202f${unit}`}`
  return lines
    .map(({ name, values }) => {
      const known = values.filter(value => value !== null)
      const [first, last] = [known[0], known.at(-1)]
      const most = known.reduce((top, value) => Math.max(top, value), first ?? 0)
      if (kind === 'bars') return `The tallest bar: ${said(most)} of the ${name}.`
      const least = known.reduce((low, value) => Math.min(low, value), first ?? 0)
      const between = least === first && most === last ? '' : `, between ${said(least)} and ${said(most)}`
      return `${name.charAt(0).toUpperCase()}${name.slice(1)}: ${said(first)} at the start, ${said(last)} at the end${between}.`
    })
    .join(' ')
}

function points({ title, xName, x, lines }: Plot): Html {
  const step = Math.max(1, (x.length - 1) / ROWS)
  const picked = x.flatMap((_, at) => (Math.floor(at / step) > Math.floor((at - 1) / step) ? [at] : []))
  const rows = [...new Set([...picked, x.length - 1])]
  return table({
    caption: rows.length < x.length ? `${title}: ${rows.length} of ${count(x.length)} points` : title,
    heads: [xName, ...lines.map(line => line.name)],
    rows: rows.map(at => [shown(x[at]), ...lines.map(line => shown(line.values[at]))]),
  })
}

function shown(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : count(Math.round(value * 100) / 100)
}

const UNITS = [
  { name: 'days', ms: 86_400_000, from: 3 * 86_400_000 },
  { name: 'hours', ms: 3_600_000, from: 2 * 3_600_000 },
  { name: 'minutes', ms: 60_000, from: 2 * 60_000 },
  { name: 'seconds', ms: 1000, from: 0 },
] as const

/** The unit in which a reader counts so long a time. */
export function unitFor(ms: number): { readonly name: string; readonly ms: number } {
  return UNITS.find(unit => ms >= unit.from) ?? UNITS[3]
}

const MOST_POINTS = 1500

/** At most 1,500 samples: of each few only the worst is kept, so that no peak is lost. */
export function thinned(values: readonly number[], worst: 'most' | 'least' = 'most'): readonly number[] {
  const each = samplesAPoint(values.length)
  if (each === 1) return values
  const choose = worst === 'most' ? Math.max : Math.min
  return Array.from({ length: Math.ceil(values.length / each) }, (_, at) =>
    values.slice(at * each, (at + 1) * each).reduce((left, right) => choose(left, right)),
  )
}

export function samplesAPoint(samples: number): number {
  return Math.max(1, Math.ceil(samples / MOST_POINTS))
}

/** So many bars of equal width from 0 to the largest value. */
export function histogram(
  values: readonly number[],
  bars: number,
): { readonly width: number; readonly counts: number[] } {
  const most = values.reduce((top, value) => Math.max(top, value), 0)
  const width = most === 0 ? 1 : most / bars
  const counts = Array.from({ length: bars }, () => 0)
  for (const value of values) {
    const bar = Math.min(bars - 1, Math.floor(value / width))
    counts[bar] = (counts[bar] ?? 0) + 1
  }
  return { width, counts }
}
