// The report as a page for people: one file without scripts or anything from elsewhere, to be read, kept and printed. Names come from
// chargers and devices, so all text is escaped.
import type { FindingKind } from './findings.ts'
import { type AuditReport, meaningOf } from './report.ts'

const STYLE = `
body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#111;background:#fff}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em;border-bottom:1px solid #bbb}
.verdict{padding:.6em 1em;border:2px solid;font-weight:bold}.proven{color:#14532d}.proven-with-remarks{color:#713f12}.wrong{color:#991b1b}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.2em .6em;border-bottom:1px solid #ddd;vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.9em;overflow-wrap:anywhere}
@media print{body{margin:0;max-width:none;font-size:10px}tr{break-inside:avoid}thead{display:table-header-group}}
`
const VERDICTS = {
  proven: 'Proven: nothing is wrong, and there is nothing to remark.',
  'proven-with-remarks': 'Proven: nothing is wrong. There are remarks.',
  wrong: 'Wrong: this file does not prove what it should.',
} as const
/** Sessions on the page; all were looked at. */
const MAX_ROWS = 2_000

export function pageOf(report: AuditReport): string {
  const title = `Audit of ${report.site?.name ?? 'a site'}`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(title)}</h1>
<p class="verdict ${report.verdict}">${VERDICTS[report.verdict]}</p>
${summary(report)}
<h2>Findings</h2>
${findings(report)}
<h2>What no such file can prove</h2>
<ul>${report.cannotBeProven.map(line => `<li>${escaped(line)}</li>`).join('')}</ul>
<h2>Sessions</h2>
${sessions(report)}
<h2>Devices</h2>
${table(
  ['device', 'logs', 'events', 'acknowledged by the cloud'],
  report.devices.map(one => [one.device, one.logs, one.events, one.acked]),
)}
<h2>Logs</h2>
${table(
  ['log', 'device', 'events', 'of these count', 'first', 'last', 'store', 'branches', 'newest hash'],
  report.logs.map(one => [
    ...[
      code(one.logId),
      one.device,
      one.events,
      one.counted,
      time(one.firstAt),
      time(one.lastAt),
      one.storeState,
    ],
    ...[
      one.forks.map(fork => `from ${fork.seq}: ${fork.ours} and ${fork.theirs}`).join('; '),
      code(one.head),
    ],
  ]),
)}
</body></html>
`
}

function summary({ file, site, rootGiven, counts, seals, sessions: all }: AuditReport): string {
  const range =
    file.fromAt === undefined && file.toAt === undefined
      ? 'everything'
      : `sessions that began ${file.fromAt === undefined ? '' : `from ${timeText(file.fromAt)} on `}${file.toAt === undefined ? '' : `before ${timeText(file.toAt)}`}`
  const trust = rootGiven
    ? 'as given by whoever checked'
    : 'THE FILE’S OWN: no key was given to compare it with'
  const rows: Cell[][] = [
    ...(site
      ? [
          ['Site', `${site.name} (${site.siteId})`],
          ['Root key', `${site.rootKey}, ${trust}`],
        ]
      : []),
    ...(file.madeAt === undefined
      ? []
      : [['Made by', `${file.source} ${file.madeBy}, ${timeText(file.madeAt)}, version ${file.swVersion}`]]),
    ['Reported on', range],
    ...(counts
      ? [
          [
            'Read',
            `${file.bytes} bytes: ${counts.events} events, ${seals} seals checked, ${counts.certificate} certificates, ${counts.object} acks and beacons`,
          ],
        ]
      : [['Read', `${file.bytes} bytes`]]),
    ...(all
      ? [
          ['Sessions', `${all.sessions} (${pairs(all.states)}), ${(all.energyWh / 1000).toFixed(3)} kWh`],
          ['Due by readings and tariffs', pairs(all.due) || 'nothing'],
          [
            'Billed',
            file.source === 'cloud'
              ? `${pairs(all.billed) || 'nothing'}, ${all.bills} revisions`
              : 'a node has no bills',
          ],
          ['Clocks', `of nodes: ${pairs(all.nodeClocks)}; times told by: ${pairs(all.timesBy)}`],
          ['Recorded by', `${pairs(all.recorders)} (devices: sessions)`],
        ]
      : []),
  ]
  return table(['', ''], rows)
}

function findings({ found, findings: list }: AuditReport): string {
  const kinds = Object.entries(found) as [FindingKind, number][]
  if (kinds.length === 0) return '<p>None.</p>'
  return kinds
    .map(([kind, count]) => {
      const ofKind = list.filter(one => one.kind === kind)
      const severity = ofKind[0]?.severity ?? 'remark'
      const more = count > ofKind.length ? `<li>and ${count - ofKind.length} more</li>` : ''
      return `<h3 class="${severity === 'wrong' ? 'wrong' : ''}">${escaped(severity)}: ${escaped(meaningOf(kind))} (${count})</h3>
<ul>${ofKind.map(one => `<li>${escaped(one.text)}</li>`).join('')}${more}</ul>`
    })
    .join('\n')
}

function sessions({ sessions: all }: AuditReport): string {
  if (!all) return '<p>The file could not be read to its end.</p>'
  const rows = all.rows.slice(0, MAX_ROWS)
  const note =
    all.sessions > rows.length
      ? `<p>The first ${rows.length} of ${all.sessions}; all were looked at.</p>`
      : ''
  return `${note}${table(
    [
      'session',
      'charger',
      'began',
      'ended',
      'by clock of',
      'state',
      'Wh',
      'due',
      'billed',
      'revisions',
      'nodes',
      'flags',
    ],
    rows.map(row => [
      ...[code(row.sessionId), `${row.chargerId}/${row.connectorId}`, time(row.startedAt)],
      ...[row.stoppedAt === undefined ? '' : time(row.stoppedAt), row.clock, row.state, row.energyWh ?? ''],
      ...[
        row.due === undefined ? '' : `${row.due} ${row.currency}`,
        row.billed === undefined ? '' : `${row.billed} ${row.currency}`,
      ],
      ...[row.revisions, row.recorders, row.flags.join(' ')],
    ]),
  )}`
}

/** Text is escaped where it is set; `code` is text, too. */
type Cell = string | number | { readonly code: string }

function code(text: string): Cell {
  return { code: text }
}

function time(at: number): Cell {
  return timeText(at)
}

function timeText(at: number): string {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? String(at) : date.toISOString().replace('T', ' ').slice(0, 19)
}

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const titles = head.some(title => title !== '')
    ? `<thead><tr>${head.map(title => `<th>${escaped(title)}</th>`).join('')}</tr></thead>`
    : ''
  return `<table>${titles}<tbody>${rows.map(row => `<tr>${row.map(cell).join('')}</tr>`).join('\n')}</tbody></table>`
}

function cell(value: Cell): string {
  if (typeof value === 'number') return `<td class="n">${value}</td>`
  if (typeof value === 'string') return `<td>${escaped(value)}</td>`
  return `<td><code>${escaped(value.code)}</code></td>`
}

function pairs(counts: Readonly<Record<string, string | number>>): string {
  return Object.entries(counts)
    .map(([name, value]) => `${value} ${name}`)
    .join(', ')
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Control and direction marks too: a name may not turn the line around that it stands in. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, found => ESCAPES[found] ?? '').replace(/[\p{Cc}\p{Cf}]/gu, '�')
}
