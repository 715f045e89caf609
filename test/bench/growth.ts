// growth: what one more event and one more exchange cost, by how much is stored already and by how many devices there are.
// One process, the production ledger and gate; the events come from the production writer of another.
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemRandom } from '../../src/host/system.ts'
import { createLedger, type Ledger } from '../../src/ledger.ts'
import { createDigest } from '../../src/replica/digest.ts'
import type { Kind } from './drive.ts'
import { type Figures, median } from './figures.ts'
import { bodiesOf } from './payload.ts'
import { type BenchSite, benchSite } from './site.ts'

export type Growth = { readonly most: number }
type Point = {
  readonly devices: number
  readonly stored: number
  readonly eventUs: number
  readonly exchangeUs: number
}

const DEVICES = [10, 100, 300]
const STORED = [1000, 10_000, 100_000, 1_000_000]
const BATCH = 64
const SIZE = 250
/** Events and exchanges that are timed at each point, in so many parts; the median part counts. */
const [TIMED, PARTS] = [1280, 10]

export async function growth({ most }: Growth, _kind: Kind): Promise<Figures> {
  const points: Point[] = []
  for (const devices of DEVICES) points.push(...curveOf(devices, most))
  // Beside this file's source, when it is run from a checkout.
  const folder = existsSync('test/bench') ? 'test/bench' : '.'
  writeFileSync(join(folder, 'growth.json'), `${JSON.stringify(points, null, 2)}\n`)
  writeFileSync(join(folder, 'growth.svg'), svgOf(points))
  return Object.fromEntries(
    points.flatMap(({ devices, stored, eventUs, exchangeUs }) => [
      [`event us, ${devices} devices, ${stored} stored`, eventUs],
      [`exchange us, ${devices} devices, ${stored} stored`, exchangeUs],
    ]),
  )
}

function curveOf(devices: number, most: number): readonly Point[] {
  const site = benchSite(devices + 1)
  const writers = site.devices.slice(1).map(device => ledgerOf(site, device))
  const reader = ledgerOf(site, site.devices[0] as BenchSite['devices'][number])
  const digest = createDigest(reader.logs, reader.objects)
  const points: Point[] = []
  let stored = 0
  /** One batch of one device's events, from its writer through the reader's gate; the time that the gate takes. */
  const add = (): number => {
    const writer = writers[Math.floor(stored / BATCH) % writers.length] as Ledger
    const times = { wallMs: Date.now(), monotonicMs: performance.now() }
    writer.write(bodiesOf(stored, BATCH, SIZE, 'growth'), times)
    const { authored } = writer.takePending()
    const from = performance.now()
    for (const segment of authored) {
      const { kind } = reader.admit(segment, times)
      if (kind !== 'admitted') throw new RangeError(`a segment of the writer is ${kind}`)
    }
    const ms = performance.now() - from
    reader.takePending()
    stored += BATCH
    return ms
  }
  for (const target of STORED.filter(one => one <= most)) {
    while (stored < target - TIMED) add()
    const events: number[] = []
    const exchanges: number[] = []
    for (let part = 0; part < PARTS; part++) {
      let [eventMs, exchangeMs] = [0, 0]
      for (let i = 0; i < TIMED / PARTS; i += BATCH) {
        eventMs += add()
        const from = performance.now()
        digest()
        exchangeMs += performance.now() - from
      }
      events.push((eventMs * 1000 * PARTS) / TIMED)
      exchanges.push((exchangeMs * 1000 * BATCH * PARTS) / TIMED)
    }
    const point = { devices, stored: target, eventUs: median(events), exchangeUs: median(exchanges) }
    process.stderr.write(`${JSON.stringify(point)}\n`)
    points.push(point)
  }
  return points
}

function ledgerOf(site: BenchSite, { keys, certificate }: BenchSite['devices'][number]): Ledger {
  return createLedger({
    ...{ roster: site.roster, signatures: site.signatures, certificate },
    ...{ logKey: keys.logKey, random: systemRandom(), swVersion: 'bench' },
  })
}

const [WIDTH, HEIGHT, EDGE] = [640, 360, 48]
const COLOURS = ['#1b6ca8', '#c8553d', '#588157']

/** Both curves by stored events, on a logarithmic axis; a line for each number of devices, dashed for exchanges. */
function svgOf(points: readonly Point[]): string {
  const most = Math.max(...points.flatMap(point => [point.eventUs, point.exchangeUs]))
  const decades = STORED.length - 1
  const x = (stored: number): number => EDGE + ((Math.log10(stored) - 3) / decades) * (WIDTH - 2 * EDGE)
  const y = (us: number): number => HEIGHT - EDGE - (us / most) * (HEIGHT - 2 * EDGE)
  const lines = DEVICES.flatMap((devices, i) =>
    (['eventUs', 'exchangeUs'] as const).map(name => {
      const path = points
        .filter(point => point.devices === devices)
        .map(point => `${x(point.stored).toFixed(1)},${y(point[name]).toFixed(1)}`)
      const dash = name === 'exchangeUs' ? ' stroke-dasharray="5 4"' : ''
      return `<polyline fill="none" stroke="${COLOURS[i]}" stroke-width="2"${dash} points="${path.join(' ')}"/>`
    }),
  )
  const ticks = STORED.map(
    stored => `<text x="${x(stored)}" y="${HEIGHT - EDGE + 18}" text-anchor="middle">${stored}</text>`,
  )
  const legend = DEVICES.map(
    (devices, i) => `<text x="${EDGE + i * 110}" y="20" fill="${COLOURS[i]}">${devices} devices</text>`,
  )
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    '<title>What an event and an exchange cost, by stored events</title>',
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...legend,
    `<text x="${EDGE}" y="36">microseconds an event (solid) and an exchange (dashed), by stored events; top ${most.toFixed(0)}</text>`,
    `<path d="M${EDGE},${EDGE} V${HEIGHT - EDGE} H${WIDTH - EDGE}" stroke="#888" fill="none"/>`,
    ...ticks,
    ...lines,
    '</svg>\n',
  ].join('\n')
}
