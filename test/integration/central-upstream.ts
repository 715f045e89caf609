// The door of a central system for tests: real WebSockets, Basic auth, and faults at chosen calls. How it books what it is
// told is its habits' affair (central-deduplicating, central-numbering, central-events). It keeps all that was ever said to
// it, and what it has booked outlives `restart`.
import { createServer, type Server } from 'node:http'
import ocppRpc from 'ocpp-rpc'

export type Words = Readonly<Record<string, unknown>>

export type Heard = {
  readonly identity: string
  /** Grows with every socket that was ever opened here. */
  readonly socket: number
  readonly action: string
  readonly params: Words
}

/** What happens instead of the answer; the call is booked before, or not at all. */
export type Fault =
  /** Booked; the answer never comes, the socket stays. */
  | { readonly kind: 'loses-answer' }
  /** Booked, and the socket is cut before the answer. */
  | { readonly kind: 'cuts-after' }
  /** The socket is cut, nothing is booked. */
  | { readonly kind: 'cuts-before' }
  /** Booked and answered, so much later. */
  | { readonly kind: 'late'; readonly byMs: number }
  /** Nothing is booked; a CALLERROR. */
  | { readonly kind: 'error'; readonly code: string }
  /** Booked, and a CALLERROR all the same. */
  | { readonly kind: 'error-after'; readonly code: string }

/** Thrown by habits: a CALLERROR with this code. */
export class Refused extends Error {
  readonly code: string
  constructor(code: string) {
    super(code)
    this.code = code
  }
}

export type Habits = {
  readonly subprotocol: 'ocpp1.6' | 'ocpp2.0.1'
  readonly answer: (heard: Heard) => Words
  /** Everything but what is on its disk is gone. */
  readonly restarted: () => void
}

export type Upstream = {
  readonly url: () => string
  readonly heard: readonly Heard[]
  readonly saidOf: (action: string, identity?: string) => readonly Words[]
  /** The nth call of that action from now on, 1 for the next; its fault is spent then. */
  readonly fail: (action: string, nth: number, fault: Fault) => void
  readonly connected: (identity: string) => boolean
  /** How often a second socket of one identity was opened while the first was open: two forwarders at once. */
  readonly overlaps: () => number
  readonly cut: (identity: string) => void
  /** A command to the station; rejects when it is refused with a CALLERROR or when nobody is there. */
  readonly command: (identity: string, action: string, params: Words) => Promise<unknown>
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
  readonly restart: () => Promise<void>
}

type Client = {
  readonly identity: string
  call(action: string, params: unknown, options: { callTimeoutMs: number }): Promise<unknown>
  close(how: { force: boolean }): Promise<unknown>
  handle(handler: (call: { method?: string; params?: unknown }) => Promise<unknown>): void
  on(event: string, listener: () => void): unknown
}

const COMMAND_MS = 5000

export async function openUpstream(habits: Habits, passwords: Readonly<Record<string, string>>) {
  const heard: Heard[] = []
  const faults: { readonly action: string; left: number; readonly fault: Fault }[] = []
  const clients = new Map<string, Set<Client>>()
  let port = 0
  let sockets = 0
  let overlaps = 0
  let close: (() => Promise<void>) | undefined

  const faultOf = (action: string): Fault | undefined => {
    const waiting = faults.filter(one => one.action === action)
    for (const one of waiting) one.left -= 1
    const due = faults.findIndex(one => one.action === action && one.left === 0)
    return due < 0 ? undefined : faults.splice(due, 1)[0]?.fault
  }

  const answer = async (client: Client, said: Heard): Promise<unknown> => {
    heard.push(said)
    const fault = faultOf(said.action)
    if (fault?.kind === 'cuts-before') return silent(client)
    if (fault?.kind === 'error') throw ocppRpc.createRPCError(fault.code, 'as the test wants it', {})
    const booked = book(habits, said)
    switch (fault?.kind) {
      case 'loses-answer':
        return ocppRpc.NOREPLY
      case 'cuts-after':
        return silent(client)
      case 'error-after':
        throw ocppRpc.createRPCError(fault.code, 'as the test wants it', {})
      case 'late':
        await new Promise(resolve => setTimeout(resolve, fault.byMs))
        return booked
      default:
        return booked
    }
  }

  const welcome = (client: Client): void => {
    const socket = ++sockets
    const { identity } = client
    const those = clients.get(identity) ?? new Set()
    if (those.size > 0) overlaps += 1
    clients.set(identity, those.add(client))
    client.on('close', () => those.delete(client))
    client.on('disconnect', () => those.delete(client))
    client.handle(({ method = '', params }) =>
      answer(client, { identity, socket, action: method, params: params as Words }),
    )
  }

  const start = async (): Promise<void> => {
    // What is not as the standard's schemas have it is refused: whatever a test says here, it said in proper words.
    const rpc = new ocppRpc.RPCServer({
      protocols: [habits.subprotocol],
      strictMode: true,
      callConcurrency: 1,
    })
    rpc.auth((accept, reject, { identity, password }) => {
      if (passwords[identity] !== undefined && password?.toString() === passwords[identity]) accept()
      else reject(401, 'Unauthorized')
    })
    rpc.on('client', welcome)
    const server = createServer((_request, reply) => reply.writeHead(404).end())
    server.on('upgrade', rpc.handleUpgrade)
    port = await listen(server, port)
    close = async () => {
      await rpc.close({ force: true })
      for (const those of clients.values()) those.clear()
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
  const stop = async (): Promise<void> => {
    await close?.()
    close = undefined
  }
  await start()
  const upstream: Upstream = {
    url: () => `ws://127.0.0.1:${port}/ocpp`,
    heard,
    saidOf: (action, identity) =>
      heard
        .filter(said => said.action === action && (identity === undefined || said.identity === identity))
        .map(said => said.params),
    fail: (action, nth, fault) => faults.push({ action, left: nth, fault }),
    connected: identity => (clients.get(identity)?.size ?? 0) > 0,
    overlaps: () => overlaps,
    cut: identity => {
      for (const client of clients.get(identity) ?? []) void client.close({ force: true })
    },
    command: async (identity, action, params) => {
      const client = [...(clients.get(identity) ?? [])].at(-1)
      if (!client) throw new Error(`${identity} is not connected`)
      return await client.call(action, params, { callTimeoutMs: COMMAND_MS })
    },
    stop,
    start,
    restart: async () => {
      await stop()
      habits.restarted()
      await start()
    },
  }
  return upstream
}

function silent(client: Client): unknown {
  void client.close({ force: true })
  return ocppRpc.NOREPLY
}

function book(habits: Habits, said: Heard): Words {
  try {
    return habits.answer(said)
  } catch (error) {
    if (error instanceof Refused) throw ocppRpc.createRPCError(error.code, error.message, {})
    throw error
  }
}

async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address ? address.port : port
}
