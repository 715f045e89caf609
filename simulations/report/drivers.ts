// What became of the drivers and of their sessions: this site beside the other designs that were run under the same seed,
// as bars and as a table. Bars are told apart by pattern, order and key as well as by colour.
import type { Service } from '../outcome.ts'
import { type Html, html, type Piece, table } from './markup.ts'
import { count, counted, energy, share, summed } from './measure.ts'

type Design = { readonly name: string; readonly service: Service; readonly means?: string }

const KNOWN = [
  { key: 'gateway', name: 'One gateway', means: 'every charger depends on one controller of the site' },
  { key: 'online', name: 'Always online', means: 'every charger asks the cloud by itself' },
  {
    key: 'lists',
    name: 'Local lists',
    means: 'every charger has a list of cards of its own and tells nobody',
  },
] as const

const FATES = [
  { figure: 'served', style: 'served', name: 'served' },
  { figure: 'refusedRightly', style: 'right', name: 'bad card, sent away' },
  { figure: 'turnedAway', style: 'taken', name: 'charger dead or taken' },
  { figure: 'refusedWrongly', style: 'refused', name: 'good card, sent away' },
  { figure: 'servedWrongly', style: 'wrongly', name: 'bad card, served' },
] as const

/** This site first, then the designs that we know, then any other by name. */
export function designs(ours: Service, others: Readonly<Record<string, Service>> = {}): readonly Design[] {
  const found = new Map(Object.entries(others))
  const known = KNOWN.flatMap(({ key, name, means }) => {
    const service = found.get(key)
    return found.delete(key) && service !== undefined ? [{ name, service, means }] : []
  })
  const rest = [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, service]) => ({ name, service }))
  return [{ name: 'This site', service: ours }, ...known, ...rest]
}

export function total(services: readonly Service[]): Service {
  const sum = (figure: keyof Service): number => summed(services.map(one => one[figure]))
  return {
    drivers: sum('drivers'),
    served: sum('served'),
    refusedWrongly: sum('refusedWrongly'),
    refusedRightly: sum('refusedRightly'),
    servedWrongly: sum('servedWrongly'),
    turnedAway: sum('turnedAway'),
    sessions: sum('sessions'),
    lostSessions: sum('lostSessions'),
    lostWh: sum('lostWh'),
    doubleBills: sum('doubleBills'),
  }
}

export function serviceBars(all: readonly Design[]): Html {
  return html`<ul class="bars">${all.map(
    ({ name, service }) =>
      html`<li><span class="name">${name}: ${served(service)} served</span>${bar(service)}</li>\n`,
  )}</ul>
<ul class="key" aria-label="Key to the bars">${FATES.map(
    fate => html`<li><i class="${fate.style}"></i>${fate.name}</li>\n`,
  )}</ul>`
}

function served(service: Service): string {
  return share({ of: service.drivers, good: service.served })
}

function bar(service: Service): Html {
  const known = summed(FATES.map(fate => service[fate.figure]))
  const whole = Math.max(service.drivers, known)
  if (whole === 0) return html`<p class="empty">No driver came.</p>`
  const pieces = [...FATES.map(fate => ({ ...fate, of: service[fate.figure] })), leftOver(whole - known)]
  const said = pieces.filter(one => one.of > 0).map(one => `${count(one.of)} ${one.name}`)
  return html`<div class="bar" role="img" aria-label="${said.join(', ')}">${pieces
    .filter(one => one.of > 0)
    .map(one => html`<i class="${one.style}" style="flex:${one.of} 0 0"></i>`)}</div>`
}

function leftOver(drivers: number): { readonly of: number; readonly style: string; readonly name: string } {
  return { of: drivers, style: 'rest', name: 'not known at the end' }
}

type Row = { readonly name: string; readonly figure: keyof Service; readonly bad: boolean }
const ROWS: readonly Row[] = [
  { name: 'Drivers who came', figure: 'drivers', bad: false },
  { name: 'Served', figure: 'served', bad: false },
  { name: 'Bad card, sent away', figure: 'refusedRightly', bad: false },
  { name: 'Found the charger dead or taken', figure: 'turnedAway', bad: false },
  { name: 'Good card, sent away', figure: 'refusedWrongly', bad: true },
  { name: 'Bad card, served', figure: 'servedWrongly', bad: true },
  { name: 'Sessions at the meters', figure: 'sessions', bad: false },
  { name: 'Sessions lost', figure: 'lostSessions', bad: true },
  { name: 'Energy lost', figure: 'lostWh', bad: true },
  { name: 'Double bills', figure: 'doubleBills', bad: true },
]

export function serviceTable(all: readonly Design[], caption: string): Html {
  const cell = ({ figure, bad }: Row, service: Service): Piece => {
    const text = figure === 'lostWh' ? energy(service.lostWh) : count(service[figure])
    return bad && service[figure] > 0 ? html`<span class="worse">${text}</span>` : text
  }
  return table({
    caption,
    heads: ['Counted', ...all.map(design => design.name)],
    rows: ROWS.map(row => [row.name, ...all.map(design => cell(row, design.service))]),
  })
}

/** What the other designs would have cost; nothing when none was run. */
export function comparison([ours, ...others]: readonly Design[]): Html {
  if (ours === undefined || others.length === 0)
    return html`<p class="note">No other design was run beside it (--compare gateway,online,lists).</p>`
  const losses = others.map(({ name, service, means }) => {
    const refused = counted(service.refusedWrongly, 'good card')
    const bills = counted(service.doubleBills, 'double bill')
    const lost = counted(service.lostSessions, 'session')
    const said = means === undefined ? '' : ` (${means})`
    return html`<li>${name}${said}: ${refused} sent away, ${lost} lost, ${bills}.</li>\n`
  })
  return html`<ul>${losses}</ul>`
}
