// The floor of flood, catch-up, latency and cold start: the plainest program that does the same duty. Plain TCP between all
// nodes, one sequential file with a flush (fdatasync) before anything is told on or counted, one Ed25519 signature for 64
// events at most, checked by every receiver. No frontier, no repair, no encryption, no documents. Same JSON lines as ../node.ts.
import '../../../src/runtime.ts'
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto'
import { closeSync, fdatasync, mkdirSync, openSync, readFileSync, write } from 'node:fs'
import { createServer, connect as dial, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Args, now, serveLines, text, uint } from '../lines.ts'
import { random } from '../payload.ts'
import { countSockets } from '../sockets.ts'

/** author:u16 first:u32 count:u16 size:u32, then the events, then the signature over all before it. */
const HEADER_BYTES = 12
/** What an event of ours carries besides its body: version, type, flags, two clocks, a length. */
const EVENT_HEADER_BYTES = 19
const SIGNATURE_BYTES = 64
const GROUP = 64
const HOST = '127.0.0.1'

type Group = {
  readonly author: number
  readonly first: number
  readonly count: number
  readonly bytes: Buffer
}

const writeFile = promisify(write)
const flush = promisify(fdatasync)
const sockets = countSockets()
const keys = generateKeyPairSync('ed25519')
const publicKeys = new Map<number, ReturnType<typeof generateKeyPairSync>['publicKey']>()
const peers: Socket[] = []
const held = new Map<number, Group[]>()
const trace: {
  on: boolean
  readonly seen: [number, number, number][]
  readonly kept: [number, number, number][]
} = {
  ...{ on: false, seen: [], kept: [] },
}
let self = 0
let nodes = 0
let file = -1
let kept = 0
let authored = 0
let server: Server | undefined
let waiting: { readonly total: number; readonly resolve: (at: { t: number }) => void }[] = []

/** What waits for the disk; one write and one flush for all that came meanwhile. */
let queue: { readonly group: Group; readonly done?: () => void }[] = []
let flushing: Promise<void> | undefined

function keep(group: Group, done?: () => void): void {
  queue.push({ group, ...(done && { done }) })
  flushing ??= drain()
}

async function drain(): Promise<void> {
  while (queue.length > 0) {
    const batch = queue
    queue = []
    await writeFile(file, Buffer.concat(batch.map(one => one.group.bytes)))
    await flush(file)
    const at = now()
    for (const { group, done } of batch) {
      hold(group)
      if (trace.on) for (let i = 0; i < group.count; i++) trace.kept.push([group.author, group.first + i, at])
      done?.()
    }
    for (const one of waiting) if (kept >= one.total) one.resolve({ t: at })
    waiting = waiting.filter(one => kept < one.total)
  }
  flushing = undefined
}

function hold(group: Group): void {
  const groups = held.get(group.author) ?? []
  groups.push(group)
  held.set(group.author, groups)
  kept += group.count
}

function make(first: number, bodies: readonly Uint8Array[]): Group {
  const size = EVENT_HEADER_BYTES + (bodies[0]?.length ?? 0)
  const bytes = Buffer.alloc(HEADER_BYTES + bodies.length * size + SIGNATURE_BYTES)
  bytes.writeUInt16BE(self, 0)
  bytes.writeUInt32BE(first, 2)
  bytes.writeUInt16BE(bodies.length, 6)
  bytes.writeUInt32BE(size, 8)
  bodies.forEach((body, i) => void bytes.set(body, HEADER_BYTES + i * size + EVENT_HEADER_BYTES))
  const signed = bytes.subarray(0, bytes.length - SIGNATURE_BYTES)
  bytes.set(sign(null, digest(signed), keys.privateKey), signed.length)
  return { author: self, first, count: bodies.length, bytes }
}

function digest(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest()
}

/** Whole groups at the front of a run of bytes. */
function* groupsIn(bytes: Buffer): Generator<Group> {
  for (let at = 0; bytes.length - at >= HEADER_BYTES; ) {
    const count = bytes.readUInt16BE(at + 6)
    const length = HEADER_BYTES + count * bytes.readUInt32BE(at + 8) + SIGNATURE_BYTES
    if (bytes.length - at < length) return
    const group = { author: bytes.readUInt16BE(at), first: bytes.readUInt32BE(at + 2), count }
    yield { ...group, bytes: bytes.subarray(at, at + length) }
    at += length
  }
}

function listenTo(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    // The first line of a connection asks for everything that its sender lacks.
    if (bytes[0] === 0xff) {
      if (bytes.length < 3) {
        rest = bytes
        return
      }
      if (bytes[1] === 1)
        for (const groups of held.values()) for (const group of groups) socket.write(group.bytes)
      bytes = bytes.subarray(3)
    }
    let taken = 0
    for (const group of groupsIn(bytes)) {
      taken += group.bytes.length
      take(group)
    }
    rest = bytes.subarray(taken)
  })
  socket.on('error', () => undefined)
}

function take(group: Group): void {
  const key = publicKeys.get(group.author)
  const signed = group.bytes.subarray(0, group.bytes.length - SIGNATURE_BYTES)
  if (!key || !verify(null, digest(signed), key, group.bytes.subarray(signed.length))) return
  const at = now()
  if (trace.on) for (let i = 0; i < group.count; i++) trace.seen.push([group.author, group.first + i, at])
  keep({ ...group, bytes: Buffer.from(group.bytes) })
}

async function open(args: Args): Promise<unknown> {
  const startedAt = now()
  self = uint(args, 'self')
  nodes = uint(args, 'nodes')
  const dir = text(args, 'dir')
  mkdirSync(dir, { recursive: true })
  const path = join(dir, 'log')
  file = openSync(path, 'a+')
  for (const group of groupsIn(readFileSync(path))) hold(group)
  server = createServer(listenTo).listen(0, HOST)
  await new Promise(resolve => server?.once('listening', resolve))
  const { port } = server.address() as { readonly port: number }
  const key = keys.publicKey.export({ format: 'jwk' })
  return { info: { self, port, key }, ms: now() - startedAt }
}

type Info = { readonly self: number; readonly port: number; readonly key: import('node:crypto').JsonWebKey }

async function connect(args: Args): Promise<unknown> {
  const { createPublicKey } = await import('node:crypto')
  const wants = kept === 0 && args.behind === true ? 1 : 0
  for (const { self: other, port, key } of args.roster as readonly Info[]) {
    publicKeys.set(other, createPublicKey({ key, format: 'jwk' }))
    if (other === self) continue
    const socket = dial(port, HOST)
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    socket.setNoDelay(true)
    socket.write(Buffer.from([0xff, wants, 0]))
    listenTo(socket)
    peers.push(socket)
  }
  return {}
}

async function flood(args: Args): Promise<unknown> {
  const [count, size] = [uint(args, 'count', 1), uint(args, 'size', 250)]
  const chunk = Math.max(1, uint(args, 'chunk', count))
  const bodies = Array.from({ length: count }, (_, i) =>
    random(`${args.seed ?? 1}/${self}/${authored + i}`, size),
  )
  const first = authored
  authored += count
  const t = now()
  for (let i = 0; i < count; i += chunk) await author(first + i, bodies.slice(i, i + chunk))
  return { t, done: now() }
}

/** Durable, then told. */
async function author(first: number, bodies: readonly Uint8Array[]): Promise<void> {
  const groups: Group[] = []
  for (let i = 0; i < bodies.length; i += GROUP) groups.push(make(first + i, bodies.slice(i, i + GROUP)))
  await Promise.all(groups.map(group => new Promise<void>(resolve => keep(group, resolve))))
  const bytes = Buffer.concat(groups.map(group => group.bytes))
  for (const peer of peers) peer.write(bytes)
}

async function fill(args: Args): Promise<unknown> {
  const [count, size, batch] = [uint(args, 'count'), uint(args, 'size', 250), uint(args, 'batch', GROUP)]
  const authors = uint(args, 'authors')
  // All signed by this node: what is checked and stored is the same.
  for (let first = 0; first < count * authors; first += batch) {
    const many = Math.min(batch, count * authors - first)
    const group = make(
      first,
      Array.from({ length: many }, (_, i) => random(`fill/${first + i}`, size)),
    )
    await new Promise<void>(resolve => keep(group, resolve))
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
  traced: () => ({ seen: trace.seen, kept: trace.kept }),
  stats: () => ({ ...sockets(), kept }),
  close: async () => {
    await flushing
    for (const peer of peers) peer.destroy()
    server?.close()
    if (file >= 0) closeSync(file)
    return { nodes }
  },
})
