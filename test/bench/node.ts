// One mesh node for benchmarks, driven by JSON lines (see lines.ts): the production node, store and network, with meter values
// of random bytes in place of charging. No OCPP door, no uplink, no operator.
import { setTimeout as sleep } from 'node:timers/promises'
import '../../src/runtime.ts'
import { createServer, type Server } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { openDisk } from '../../src/host/disk.ts'
import { openCheckedDocuments } from '../../src/host/document-check.ts'
import { type HostNetwork, openNetwork } from '../../src/host/network.ts'
import { breathe, systemClock, systemLogger, systemRandom } from '../../src/host/system.ts'
import { createLedger } from '../../src/ledger.ts'
import type { LogEvent } from '../../src/log/event.ts'
import { decodeElement } from '../../src/log/event.ts'
import { type Node, startNode } from '../../src/node.ts'
import type { Remember } from '../../src/remember.ts'
import { decodeUpdate } from '../../src/replica/canonical.ts'
import { documentName } from '../../src/replica/document.ts'
import type { DeviceId, LogId } from '../../src/units.ts'
import { type Args, now, serveLines, text, uint } from './lines.ts'
import { bodiesOf, EVENT_TYPE, numberOf } from './payload.ts'
import { type BenchSite, benchSite } from './site.ts'
import { countSockets } from './sockets.ts'

const HOST = '127.0.0.1'
const TICK_MS = 1000
const LOOP_RESOLUTION_MS = 1
/** Watched from the first flood on: its timer alone would cost an idle node a percent of a core. */
const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS })

/** Whose log it is may be known only when the event has passed the gate. */
type Seen = readonly [logId: LogId, seq: number, t: number]
type Info = { readonly self: number; readonly port: number }
type Running = {
  readonly self: number
  readonly site: BenchSite
  readonly node: Node
  readonly close: () => Promise<void>
  readonly reserved: Server
  readonly port: number
  readonly doors: { network?: HostNetwork }
}

const sockets = countSockets()
const trace: { on: boolean; readonly seen: Seen[]; readonly kept: Seen[] } = { on: false, seen: [], kept: [] }
let kept = 0
let authored = 0
let waiting: { readonly total: number; readonly resolve: (at: { t: number }) => void }[] = []
let running: Running | undefined
const authors = new Map<DeviceId, number>()

/** What became durable, ours or a peer's. */
function note(logId: LogId, update: Uint8Array): void {
  const at = now()
  for (const bytes of decodeUpdate(firstOf(update), update) ?? []) {
    if (bytes[1] !== EVENT_TYPE) continue
    kept += 1
    if (!trace.on) continue
    const element = decodeElement(bytes)
    const number = typeof element === 'string' ? undefined : numberOf(element.body)
    if (number !== undefined) trace.kept.push([logId, number, at])
  }
  if (waiting.length === 0) return
  for (const one of waiting) if (kept >= one.total) one.resolve({ t: at })
  waiting = waiting.filter(one => kept < one.total)
}

/** The fourth number of an update, behind one struct list, its length and its client. */
function firstOf(update: Uint8Array): number {
  let [at, value] = [0, 0]
  for (let i = 0; i < 4; i++) {
    value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = update[at++] ?? 0
      value += (byte & 127) * scale
      if (byte < 128) break
    }
  }
  return value
}

function authorOf(logId: LogId): number {
  const author = running?.node.ledger().logs.get(logId)?.certificate.deviceId
  return (author && authors.get(author)) ?? -1
}

/** Remembers nothing; where the gate asks whether a seal is good, the event is noted. */
const watch: Remember = (kind, of, read) => {
  const value = read()
  if (kind === 'seal' && trace.on && 'logId' in of) {
    const event = of as LogEvent
    const number = event.type === EVENT_TYPE ? numberOf(event.body) : undefined
    if (number !== undefined) trace.seen.push([event.logId, number, now()])
  }
  return value
}

async function open(args: Args): Promise<unknown> {
  const startedAt = now()
  const [self, nodes, dir] = [uint(args, 'self'), uint(args, 'nodes'), text(args, 'dir')]
  const site = benchSite(Math.max(nodes, self + 1))
  site.devices.forEach(({ certificate }, i) => void authors.set(certificate.deviceId, i))
  const device = site.devices[self]
  if (!device) throw new RangeError(`self = ${self}: there are ${nodes} nodes`)
  const logger = systemLogger('error', `bench-${self}`)
  const disk = openDisk(dir)
  const documents = await openCheckedDocuments({ dir, keys: [] }, Date.now(), logger)
  const doors: { network?: HostNetwork } = {}
  const node = await startNode({
    ...{ roster: site.roster, signatures: site.signatures, certificate: device.certificate },
    ...{ logKey: device.keys.logKey, clock: systemClock(), random: systemRandom(), disk, logger, breathe },
    documents: {
      put: (name, update) => {
        documents.put(name, update)
        note(name.slice(documentName('' as LogId).length) as LogId, update)
      },
    },
    network: {
      send: (to, message) => doors.network?.send(to, message),
      peers: () => doors.network?.peers() ?? [],
      ban: (peer, banMs, reason) => doors.network?.ban(peer, banMs, reason),
      traffic: () => doors.network?.traffic() ?? { receivedBytes: 0, sentBytes: 0 },
    },
    chargePoints: {
      connected: () => [],
      command: async () => ({ kind: 'unreachable', reason: 'a benchmark has no chargers' }),
      disconnect: () => undefined,
    },
    ...{ swVersion: 'bench', heartbeatS: 300, remember: watch, openTag: () => undefined },
  })
  for (const log of node.ledger().logs.all())
    kept += log.elements.filter(element => element[1] === EVENT_TYPE).length
  const ticking = setInterval(() => node.tick(), TICK_MS)
  const reserved = createServer().listen(0, HOST)
  await new Promise(resolve => reserved.once('listening', resolve))
  const { port } = reserved.address() as { readonly port: number }
  running = {
    ...{ self, site, node, reserved, port, doors },
    close: async () => {
      clearInterval(ticking)
      await node.stop()
      await doors.network?.close()
      await documents.settled()
      await documents.close()
      await disk.close()
    },
  }
  return { info: { self, port }, ms: now() - startedAt }
}

function opened(): Running {
  if (!running) throw new RangeError('open comes first')
  return running
}

async function connect(args: Args): Promise<unknown> {
  const here = opened()
  const roster = args.roster as readonly Info[]
  const others = roster.filter(info => info.self !== here.self)
  const { keys, certificate } = here.site.devices[here.self] as BenchSite['devices'][number]
  await new Promise(resolve => here.reserved.close(resolve))
  const network = await openNetwork({
    ...{ keys, roster: here.site.roster },
    certificates: () => [here.site.issuer.encoded, certificate.encoded],
    ...{ signatures: here.site.signatures, clock: systemClock(), random: systemRandom() },
    logger: systemLogger('error', `bench-${here.self}`),
    listen: { host: HOST, port: here.port },
    staticPeers: others.map(({ self, port }) => {
      const device = here.site.devices[self]
      return { host: HOST, port, ...(device && { deviceId: device.certificate.deviceId }) }
    }),
    lastKnown: { load: async () => [], save: async () => undefined },
    maxPeers: Math.max(64, roster.length),
    onPeer: peer => here.node.mesh({ kind: 'peer', peer }),
    onPeerGone: peer => here.node.mesh({ kind: 'gone', peer }),
    onMessage: (peer, bytes) => here.node.mesh({ kind: 'message', peer, bytes }),
  })
  here.doors.network = network
  while (network.peers().length < others.length) await sleep(20)
  return {}
}

async function flood(args: Args): Promise<unknown> {
  const here = opened()
  loop.enable()
  const [count, size] = [uint(args, 'count', 1), uint(args, 'size', 250)]
  const chunk = Math.max(1, uint(args, 'chunk', count))
  const bodies = bodiesOf(authored, count, size, `${args.seed ?? 1}/${here.self}/${args.round ?? 0}`)
  authored += count
  const t = now()
  for (let i = 0; i < count; i += chunk) await here.node.record(bodies.slice(i, i + chunk))
  return { t, done: now() }
}

/** Writes a history that others made: each author's ledger is the production one, and what it wrote passes our gate. */
async function fill(args: Args): Promise<unknown> {
  const { site, node } = opened()
  const [count, size] = [uint(args, 'count'), uint(args, 'size', 250)]
  const [howMany, batch] = [uint(args, 'authors'), Math.max(1, uint(args, 'batch', 64))]
  const roster = site.devices.length >= howMany ? site : benchSite(howMany)
  for (let author = 0; author < howMany; author++) {
    const device = roster.devices[author] as BenchSite['devices'][number]
    authors.set(device.certificate.deviceId, author)
    const ledger = createLedger({
      ...{ roster: roster.roster, signatures: site.signatures, certificate: device.certificate },
      ...{ logKey: device.keys.logKey, random: systemRandom(), swVersion: 'bench' },
    })
    const bodies = bodiesOf(0, count, size, `${args.seed ?? 1}/${author}/fill`)
    for (let i = 0; i < count; i += batch) {
      ledger.write(bodies.slice(i, i + batch), { wallMs: Date.now(), monotonicMs: performance.now() })
      if (i % (batch * 64) !== 0 && i + batch < count) continue
      const { authored: segments } = ledger.takePending()
      const { refused } = await node.submit({
        ...{ certificates: [device.certificate.encoded], segments, objects: [] },
      })
      if (refused.length > 0) throw new RangeError(`${refused[0]}`)
    }
  }
  return {}
}

serveLines({
  open,
  connect,
  flood,
  fill,
  one: args => flood({ ...args, count: 1, chunk: 1 }),
  wait: args => {
    const total = uint(args, 'total')
    if (kept >= total) return { t: now() }
    return new Promise(resolve => waiting.push({ total, resolve }))
  },
  trace: () => {
    trace.on = true
    trace.seen.length = 0
    trace.kept.length = 0
    return {}
  },
  traced: () => {
    const named = (all: readonly Seen[]) => all.map(([logId, seq, t]) => [authorOf(logId), seq, t])
    return { seen: named(trace.seen), kept: named(trace.kept) }
  },
  // The longest that the event loop was held up since the last call.
  stats: () => {
    const loopMs = Math.max(0, loop.max / 1e6 - LOOP_RESOLUTION_MS)
    loop.reset()
    return { ...sockets(), kept, loopMs }
  },
  close: async () => {
    await running?.close()
    return {}
  },
})
