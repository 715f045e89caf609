// What runs in the reader's browser: draws each plot of the page with uPlot from the data beside it, again when the theme
// turns, and in ink on paper before a print. A string, because it is code of a browser and not of Node; it fetches nothing
// and puts no text into markup.
export const SCRIPT = `'use strict'
{
const root = document.documentElement
const colour = name => getComputedStyle(root).getPropertyValue('--' + name).trim()
const grouped = value => value === null || value === undefined ? '–'
  : String(Math.round(value * 100) / 100).replace(/\\B(?=(\\d{3})+(?!\\d))(?<!\\.\\d*)/g, '\\u202f')
const shown = (u, value) => grouped(value)
const drawn = []

const axis = (label, extra) => ({
  label, labelSize: 24, labelGap: 2, font: '12px system-ui', labelFont: '12px system-ui',
  stroke: colour('soft'), grid: { stroke: colour('line'), width: 1 }, ticks: { stroke: colour('line'), width: 1 },
  values: (u, splits) => splits.map(grouped), ...extra,
})

const series = (plot, line, at) => {
  const stroke = colour('tone' + line.tone)
  const base = { label: line.name, stroke, width: 2, value: shown }
  if (plot.kind === 'bars') return { ...base, width: 1, fill: stroke, points: { show: false },
    paths: uPlot.paths.bars({ size: [0.9, 80] }) }
  if (plot.kind === 'dots') return {
    ...base, paths: () => null,
    points: { show: true, size: at === 0 ? 7 : 11, width: 1.5, stroke, fill: at === 0 ? 'transparent' : stroke },
  }
  return { ...base, ...(line.dashed ? { dash: [7, 4] } : {}),
    paths: uPlot.paths.stepped({ align: 1 }), points: { show: plot.x.length < 3, size: 8, fill: stroke } }
}

const options = (plot, width) => ({
  width, height: width < 500 ? 230 : 270,
  padding: [10, 14, 0, 0],
  scales: {
    x: { time: false, range: (u, from, to) => plot.kind === 'steps' && plot.x.length > 1
      ? [from, to] : [0, (plot.x[plot.x.length - 1] || 1) * 1.04] },
    y: { range: (u, from, to) => [0, plot.yMax || Math.max(1, to * 1.08)] },
  },
  legend: { markers: {
    width: 3, dash: (u, at) => plot.lines[at - 1].dashed ? 'dashed' : 'solid',
    fill: (u, at) => plot.kind === 'bars' || (plot.kind === 'dots' && at > 1) ? colour('tone' + plot.lines[at - 1].tone) : null,
  } },
  cursor: { drag: { x: plot.kind === 'steps', y: false } },
  series: [{ label: plot.xName, value: shown }, ...plot.lines.map((line, at) => series(plot, line, at))],
  axes: [
    axis(plot.xName, { space: 60, size: 30 }),
    axis(plot.yName, { size: (u, values) => 16 + 7 * Math.max(2, ...(values || []).map(text => text.length)) }),
  ],
})

const draw = () => {
  for (const one of drawn.splice(0)) one.destroy()
  for (const holder of document.querySelectorAll('.plot .canvas')) {
    const plot = JSON.parse(holder.parentElement.querySelector('script').textContent)
    const width = root.classList.contains('paper') ? 640 : Math.max(240, holder.clientWidth)
    const one = new uPlot(options(plot, width), [plot.x, ...plot.lines.map(line => line.values)], holder)
    holder.onkeydown = event => walk(one, plot, event)
    drawn.push(one)
  }
}

/** The arrow keys move from point to point; Escape leaves. */
const walk = (one, plot, event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
  if (event.key === 'Escape') one.setCursor({ left: -10, top: -10 })
  if (by === undefined) return
  event.preventDefault()
  const stride = Math.max(1, Math.round(plot.x.length / 100))
  const from = one.cursor.idx === null || one.cursor.idx === undefined ? -by : one.cursor.idx
  const to = Math.min(plot.x.length - 1, Math.max(0, from + by * (event.shiftKey ? 10 : 1) * stride))
  one.setCursor({ left: one.valToPos(plot.x[to], 'x'), top: 10 })
}

const paper = on => { root.classList.toggle('paper', on); draw() }
draw()
let width = root.clientWidth
addEventListener('resize', () => { if (root.clientWidth !== width) { width = root.clientWidth; draw() } })
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
addEventListener('beforeprint', () => paper(true))
addEventListener('afterprint', () => paper(false))
}
`
