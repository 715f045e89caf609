// A week of sessions, written into the folders of a site's nodes by the production node under a clock of its own: each charger's
// message sealed by itself, as it is when it comes by OCPP. Afterwards every node holds what all wrote, as a mesh leaves it.
import { openDisk } from '../../src/host/disk.ts'
import { readIdentity, readSite, siteIdIn, storeKeysIn } from '../../src/host/identity-files.ts'
import { breathe, systemLogger, systemRandom } from '../../src/host/system.ts'
import { createRoster } from '../../src/identity/roster.ts'
import { ed25519 } from '../../src/identity/signature.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { type Node, startNode } from '../../src/node.ts'
import type { Segment } from '../../src/ports.ts'
import { unhex } from '../../src/units.ts'
import { sessionBodies } from '../site.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** At the site's own ten kilowatts a reading of a minute is so much. */
const WH_A_MINUTE = 167
/** Segments of a log handed over at once. */
const MOST_SEGMENTS = 64

export type Week = {
  readonly chargers: number
  readonly days: number
  /** Of each charger. */
  readonly sessionsADay: number
  readonly minutes: number
  readonly tickS: number
}
export type Recorded = { readonly events: number; readonly sessions: number }

type Said = { readonly atMs: number; readonly bodies: readonly AnyBody[] }
type Open = { readonly node: Node; readonly close: () => Promise<void> }
type Times = { nowAt: number }

export async function recordWeek(siteDir: string, dirs: readonly string[], week: Week): Promise<Recorded> {
  const startsAt = Date.now() - week.days * DAY_MS
  const times: Times = { nowAt: startsAt }
  const nodes: Open[] = []
  try {
    for (const dir of dirs) nodes.push(await openNode(siteDir, dir, times))
    for (const [i, { node }] of nodes.entries()) {
      const share = Array.from({ length: week.chargers }, (_, n) => n).filter(n => n % nodes.length === i)
      await write(node, storyOf(share, week, startsAt), times)
      process.stderr.write(`the week of ${share.length} chargers is recorded at node ${i + 1}\n`)
    }
    for (const { node } of nodes)
      for (const other of nodes) if (other.node !== node) await tell(node, other.node)
    const [first] = nodes
    const logs = [...(first?.node.ledger().logs.all() ?? [])]
    return {
      events: logs.reduce((sum, log) => sum + log.head.seq + 1, 0),
      sessions: week.chargers * week.days * week.sessionsADay,
    }
  } finally {
    for (const { close } of nodes) await close()
  }
}

/** What the chargers say, in order of time; a charger's register goes on from session to session. */
function* storyOf(share: readonly number[], week: Week, startsAt: number): Generator<Said, void, void> {
  const ticks = Math.floor((week.minutes * 60) / week.tickS)
  const everyMs = DAY_MS / week.sessionsADay
  const energyWh = week.minutes * WH_A_MINUTE
  for (let round = 0; round < week.days * week.sessionsADay; round++) {
    const running = share.map(charger => {
      const startedAt = startsAt + round * everyMs + charger * 700
      const meterStartWh = 1000 + round * (energyWh + 1)
      return sessionBodies({
        ...{ chargerId: `CP-${charger}`, connectorId: 1, meterStartWh, meterStopWh: meterStartWh + energyWh },
        ...{ startedAt, stoppedAt: startedAt + week.minutes * MINUTE_MS },
        tokenRef: (charger * 1000 + round).toString(16).padStart(32, '0'),
      })
    })
    const at = (ms: number): number => startsAt + round * everyMs + ms
    for (const words of running) yield { atMs: at(0), bodies: [words.start, words.pricing] }
    for (let tick = 1; tick <= ticks; tick++)
      for (const words of running) {
        const ms = tick * week.tickS * 1000
        const body = words.start.name === 'session_start' ? words.start.body : undefined
        const wh = (body?.meterStartWh ?? 0) + Math.floor((ms / MINUTE_MS) * WH_A_MINUTE)
        yield {
          atMs: at(ms),
          bodies: [words.tick(Math.min(wh, (body?.meterStartWh ?? 0) + energyWh), at(ms))],
        }
      }
    for (const words of running) yield { atMs: at(week.minutes * MINUTE_MS), bodies: [words.end] }
  }
}

/** What is of one moment is flushed together. */
async function write(node: Node, story: Iterable<Said>, times: Times): Promise<void> {
  let waiting: Promise<void>[] = []
  for (const { atMs, bodies } of story) {
    if (atMs > times.nowAt && waiting.length > 0) {
      await Promise.all(waiting)
      waiting = []
    }
    times.nowAt = Math.max(times.nowAt, atMs)
    waiting.push(node.record(bodies))
  }
  await Promise.all(waiting)
}

async function tell(from: Node, to: Node): Promise<void> {
  for (const log of from.ledger().logs.all()) {
    const certificates = from.ledger().chainOf(log.certificate)
    for (let seq = to.ledger().logs.get(log.logId)?.head.seq ?? -1; seq < log.head.seq; ) {
      const segments: readonly Segment[] = from.ledger().logs.segments(log.logId, seq + 1, MOST_SEGMENTS)
      const { refused } = await to.submit({ certificates, segments, objects: [] })
      if (refused[0] !== undefined) throw new RangeError(`a node refused what another wrote: ${refused[0]}`)
      seq = to.ledger().logs.get(log.logId)?.head.seq ?? -1
    }
  }
}

async function openNode(siteDir: string, dir: string, times: Times): Promise<Open> {
  const [site, identity] = [await readSite(siteDir), await readIdentity(dir)]
  const signatures = ed25519()
  const roster = createRoster({ signatures }, siteIdIn(site), unhex(site.rootKey))
  for (const encoded of identity.certificates) roster.enrol(unhex(encoded))
  const certificate = roster.all().at(-1)
  if (!certificate) throw new RangeError(`${dir} has no certificate`)
  const disk = openDisk(dir)
  const startedAt = times.nowAt
  const node = await startNode({
    ...{ roster, signatures, certificate, logKey: unhex(identity.keys.logKey), disk },
    clock: { wallMs: () => times.nowAt, monotonicMs: () => times.nowAt - startedAt },
    ...{ random: systemRandom(), storeKeys: storeKeysIn(identity), documents: { put: () => undefined } },
    openTag: () => undefined,
    network: {
      ...{ send: () => undefined, peers: () => [], ban: () => undefined },
      traffic: () => ({ receivedBytes: 0, sentBytes: 0 }),
    },
    chargePoints: {
      ...{ connected: () => [], disconnect: () => undefined },
      command: async () => ({ kind: 'unreachable', reason: 'a recording' }),
    },
    logger: systemLogger('silent', 'recording'),
    ...{ swVersion: 'bench', heartbeatS: 300, breathe },
  })
  return {
    node,
    close: async () => {
      await node.stop()
      await disk.close()
    },
  }
}
