// Which promises a run was checked for, and which not: a verdict is silent on the second, so they are listed as well.
import { type Html, html, section, table } from './markup.ts'
import type { Provenance } from './page.ts'
import { PROMISES } from './promises.ts'

export function checkedSection({ checked }: Provenance): Html {
  const means = 'A verdict is worth as much as what was looked at: the promises of the protocol, one by one.'
  const heading = { id: 'checked', title: 'What was checked, and what was not', means }
  if (checked === undefined)
    return section(heading, html`<p class="empty">Not stated by whoever wrote this report.</p>`)
  const seenBy = (id: string): string =>
    checked
      .filter(one => one.invariant === id)
      .map(one => one.checker)
      .join(', ')
  const rows = Object.entries(PROMISES).map(([id, promise]) => ({ id, promise, by: seenBy(id) }))
  const [done, not] = [rows.filter(row => row.by !== ''), rows.filter(row => row.by === '')]
  return section(
    heading,
    table({
      caption: `${done.length} of ${rows.length} promises were checked`,
      heads: ['Promise', 'In words', 'Checked by'],
      rows: done.map(row => [row.id, row.promise, row.by]),
      words: 3,
    }),
    table({
      caption: `${not.length} were not checked: this report says nothing of them`,
      heads: ['Promise', 'In words'],
      rows: not.map(row => [row.id, row.promise]),
      words: 2,
    }),
  )
}
