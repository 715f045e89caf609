// The floor of authorize, session and ocpp: a bare ocpp-rpc server. It lets everybody in, answers cards from a Map, and has
// every message of a session in one file, flushed (fdatasync), before it answers: one write and one flush for all that wait;
// told to answer at once, it keeps nothing. No passwords, no identities, no signatures, no sessions, no other nodes. Same JSON
// lines as ../ocpp-node.ts.
import '../../../src/runtime.ts'
import { closeSync, fdatasync, openSync, write } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import ocppRpc from 'ocpp-rpc'
import { type Args, serveLines, text } from '../lines.ts'

type Call = { readonly method?: string; readonly params?: Readonly<Record<string, unknown>> }
type Client = {
  readonly identity: string
  handle(handler: (call: Call) => Promise<unknown> | unknown): void
}

const HOST = '127.0.0.1'
const HEARTBEAT_S = 300
const DAY_MS = 24 * 3600 * 1000

const writeFile = promisify(write)
const flush = promisify(fdatasync)
const cards = new Map<string, { readonly status: string; readonly expiryDate: string }>()
const server = new ocppRpc.RPCServer({ protocols: ['ocpp1.6'], strictMode: false })
const http = createServer()
let file = -1
let fsyncs = 0
let transactions = 0
let ended = 0

/** What waits for the disk. */
let queue: { readonly line: string; readonly done: () => void; readonly failed: (error: unknown) => void }[] =
  []
let flushing: Promise<void> | undefined

/** Durable when it resolves, unless nothing is kept. */
function keep(client: string, { method, params }: Call): Promise<void> {
  if (file < 0) return Promise.resolve()
  const line = `${JSON.stringify([client, method, params])}\n`
  return new Promise((done, failed) => {
    queue.push({ line, done, failed })
    flushing ??= drain().finally(() => {
      flushing = undefined
    })
  })
}

async function drain(): Promise<void> {
  // What arrives in the same turn of the event loop comes along.
  await Promise.resolve()
  while (queue.length > 0) {
    const batch = queue
    queue = []
    try {
      await writeFile(file, batch.map(one => one.line).join(''))
      await flush(file)
    } catch (error) {
      for (const one of batch) one.failed(error)
      continue
    }
    fsyncs += 1
    for (const one of batch) one.done()
  }
}

async function answer(client: string, call: Call): Promise<unknown> {
  const idTagInfo = cards.get(String(call.params?.idTag)) ?? { status: 'Invalid' }
  switch (call.method) {
    case 'StatusNotification':
      return {}
    case 'BootNotification':
      return { status: 'Accepted', currentTime: new Date().toISOString(), interval: HEARTBEAT_S }
    case 'Authorize':
      return { idTagInfo }
    case 'StartTransaction':
      await keep(client, call)
      transactions += 1
      return { transactionId: transactions, idTagInfo }
    case 'MeterValues':
      await keep(client, call)
      return {}
    case 'StopTransaction':
      await keep(client, call)
      ended += 1
      return {}
    default:
      throw ocppRpc.createRPCError('NotImplemented', 'the floor knows sessions only', {})
  }
}

async function open(args: Args): Promise<unknown> {
  if (args.atOnce !== true) file = openSync(join(text(args, 'dir'), 'log'), 'a')
  const expiryDate = new Date(Date.now() + DAY_MS).toISOString()
  for (const card of args.cards as readonly string[]) cards.set(card, { status: 'Accepted', expiryDate })
  server.auth(accept => accept())
  server.on('client', (client: Client) => client.handle(call => answer(client.identity, call)))
  http.on('upgrade', server.handleUpgrade)
  await new Promise<void>(resolve => http.listen(0, HOST, resolve))
  return { url: `ws://${HOST}:${(http.address() as AddressInfo).port}/ocpp` }
}

serveLines({
  open,
  stats: () => ({ fsyncs, ended }),
  close: async () => {
    await flushing
    await server.close({ force: true })
    http.close()
    if (file >= 0) closeSync(file)
    return {}
  },
})
