// What was done to the site on purpose, by kind, in one run or in all of a sweep.
import type { Outcome } from '../outcome.ts'
import { type Html, html, section, table } from './markup.ts'
import { count, counted, summed } from './measure.ts'

export function faultCount({ faults }: Outcome): number {
  return summed(Object.values(faults))
}

export function faultSection(outcomes: readonly Outcome[]): Html {
  const sums = new Map<string, number>()
  for (const one of outcomes)
    for (const [kind, times] of Object.entries(one.faults)) sums.set(kind, (sums.get(kind) ?? 0) + times)
  const rows = [...sums].sort(([a, times], [b, more]) => more - times || (a < b ? -1 : 1))
  const acts = summed(outcomes.map(one => one.hostileActs))
  return section(
    { id: 'faults', title: 'Faults injected', means: 'What was done to the site on purpose, by kind.' },
    rows.length === 0
      ? html`<p class="empty">None: this was a day on which nothing broke.</p>`
      : table({
          caption: `${count(summed(rows.map(([, times]) => times)))} faults by kind`,
          heads: ['Fault', 'Times'],
          rows: rows.map(([kind, times]) => [kind, count(times)]),
        }),
    html`<p>${acts === 0 ? 'No node was hostile.' : `Hostile nodes lied, withheld or flooded ${counted(acts, 'time')}.`}</p>`,
  )
}
