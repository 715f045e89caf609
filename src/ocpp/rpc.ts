// The only home of ocpp-rpc. It turns an accepted upgrade into a `Wire`: CALLs in, answers out, commands out. The
// library's handshake is only reached through `upgrade`, with a request that the guard has already read.
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import ocppRpc from 'ocpp-rpc'
import { reasonOf } from '../errors.ts'
import type { Logger } from '../ports.ts'
import type { Payload } from './answers.ts'
import { LINE_LOST, NO_ANSWER } from './chargers.ts'
import { ChargerSocket } from './socket.ts'

export const MAX_PAYLOAD_BYTES = 65_536
export const PING_INTERVAL_MS = 15_000
/** In a row; a good message starts the count anew. The library's own limit can end in an unhandled rejection. */
export const MAX_BAD_MESSAGES = 20

export type InboundCall = {
  readonly action: string
  readonly params: unknown
  readonly frameRepairs: readonly string[]
}
export type Reply =
  | { readonly kind: 'result'; readonly payload: Payload }
  | { readonly kind: 'not-implemented' }
  | { readonly kind: 'silence' }
export type CallOutcome =
  | { readonly kind: 'result'; readonly payload: unknown }
  | { readonly kind: 'error'; readonly code: string }
  | { readonly kind: 'unreachable'; readonly reason: string }

/** What the owner of a connection wants to hear. None of these may throw. */
export type WireOwner = {
  readonly onCall: (call: InboundCall) => Promise<Reply>
  readonly onClose: () => void
  readonly onHeard: () => void
  readonly onRepairs: (repairs: readonly string[]) => void
}
export type Wire = {
  readonly call: (action: string, params: Payload, timeoutMs: number) => Promise<CallOutcome>
  readonly alive: (timeoutMs: number, nonce: Uint8Array) => Promise<boolean>
  /** At once, without a closing handshake. */
  readonly terminate: () => void
}
export type Handover = {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Buffer
  readonly identity: string
  readonly subprotocol: string | undefined
  /** Called in the same turn as `upgrade`, unless the WebSocket handshake itself is malformed. */
  readonly own: (wire: Wire) => WireOwner
}
export type Rpc = { readonly upgrade: (handover: Handover) => void }

type Server = InstanceType<typeof ocppRpc.RPCServer>
type Client = {
  readonly session: Record<string, unknown>
  on(event: string, listener: (detail: unknown) => void): unknown
  call(action: string, params: unknown, options: { callTimeoutMs: number }): Promise<unknown>
  handle(handler: (call: { messageId?: string; method?: string; params?: unknown }) => Promise<unknown>): void
}

export function createRpc(logger: Logger): Rpc {
  // The library makes the socket and announces the client in one turn, so the socket born last is the client's.
  const born: { socket?: ChargerSocket } = {}
  const server = new ocppRpc.RPCServer({
    protocols: ['ocpp1.6', 'ocpp2.0.1'],
    strictMode: false,
    respondWithDetailedErrors: false,
    callConcurrency: 1,
    pingIntervalMs: PING_INTERVAL_MS,
    wssOptions: {
      maxPayload: MAX_PAYLOAD_BYTES,
      perMessageDeflate: false,
      WebSocket: socketClass(socket => {
        born.socket = socket
      }),
    },
  })
  const handovers = new WeakMap<IncomingMessage, Handover>()
  server.auth((accept, reject, handshake) => {
    const handover = handovers.get(handshake.request)
    // `false` chooses no subprotocol at all; a spelling in capitals is answered as it was offered.
    if (handover) accept({ handover }, handover.subprotocol ?? false)
    else reject(401, 'Unauthorized')
  })
  server.on('error', (error: unknown) => logger.error('ocpp-server-failed', { reason: reasonOf(error) }))
  server.on('client', (client: Client) => {
    const socket = born.socket
    const handover = client.session.handover as Handover
    if (socket) attach({ client, socket, handover, logger })
  })
  return { upgrade: handover => upgrade({ server, handovers, handover, logger }) }
}

type ServerOptions = ConstructorParameters<typeof ocppRpc.RPCServer>[0]
type SocketClass = NonNullable<NonNullable<ServerOptions['wssOptions']>['WebSocket']>

function socketClass(onBirth: (socket: ChargerSocket) => void): SocketClass {
  const Socket = class extends ChargerSocket {
    // biome-ignore lint/suspicious/noExplicitAny: passes on whatever the ws server gives to its sockets
    constructor(...args: any[]) {
      super(...(args as [string]))
      onBirth(this)
    }
  }
  // The option wants the static members of `ws` too; the server only ever constructs the class.
  return Socket as unknown as SocketClass
}

type UpgradeDeps = {
  readonly server: Server
  readonly handovers: WeakMap<IncomingMessage, Handover>
  readonly handover: Handover
  readonly logger: Logger
}

function upgrade({ server, handovers, handover, logger }: UpgradeDeps): void {
  const { request, socket, head } = handover
  // What the library reads is only what was checked; it also keeps the request, which shall not hold the password.
  request.url = `/ocpp/${handover.identity}`
  delete request.headers.authorization
  if (handover.subprotocol === undefined) delete request.headers['sec-websocket-protocol']
  else request.headers['sec-websocket-protocol'] = handover.subprotocol
  handovers.set(request, handover)
  // An http server hands out its net.Socket under the wider type Duplex.
  server
    .handleUpgrade(request, socket as Parameters<typeof server.handleUpgrade>[1], head)
    .catch((error: unknown) => {
      logger.warn('ocpp-upgrade-failed', { charger: handover.identity, reason: reasonOf(error) })
      socket.destroy()
    })
}

type AttachDeps = {
  readonly client: Client
  readonly socket: ChargerSocket
  readonly handover: Handover
  readonly logger: Logger
}

function attach({ client, socket, handover, logger }: AttachDeps): void {
  const wire: Wire = {
    call: (action, params, timeoutMs) => call(client, { action, params, timeoutMs }),
    alive: (timeoutMs, nonce) => socket.alive(timeoutMs, nonce),
    terminate: () => socket.terminate(),
  }
  const owner = handover.own(wire)
  socket.onHeard = owner.onHeard
  socket.onRepairs = owner.onRepairs
  socket.on('error', (error: Error) =>
    logger.debug('ocpp-socket-error', { charger: handover.identity, reason: reasonOf(error) }),
  )
  socket.on('close', owner.onClose)
  let badInARow = 0
  client.on('badMessage', () => {
    owner.onRepairs(['bad-message'])
    if (++badInARow > MAX_BAD_MESSAGES) socket.terminate()
  })
  client.handle(async ({ messageId = '', method = '', params }) => {
    badInARow = 0
    const frameRepairs = socket.repairsOf(messageId)
    const reply = await owner.onCall({ action: method, params, frameRepairs })
    switch (reply.kind) {
      case 'result':
        return reply.payload
      case 'not-implemented':
        throw ocppRpc.createRPCError('NotImplemented', 'this action is not known here', {})
      case 'silence':
        socket.terminate()
        return ocppRpc.NOREPLY
    }
  })
}

async function call(
  client: Client,
  { action, params, timeoutMs }: { action: string; params: Payload; timeoutMs: number },
): Promise<CallOutcome> {
  try {
    return { kind: 'result', payload: await client.call(action, params, { callTimeoutMs: timeoutMs }) }
  } catch (error) {
    if (error instanceof ocppRpc.TimeoutError) return { kind: 'unreachable', reason: NO_ANSWER }
    if (error instanceof ocppRpc.RPCError) return { kind: 'error', code: errorCode(error.rpcErrorCode) }
    return { kind: 'unreachable', reason: LINE_LOST }
  }
}

/** The charger's description is left behind: it may repeat what we sent, a card among it. */
function errorCode(code: unknown): string {
  return typeof code === 'string' && /^[A-Za-z]{1,40}$/.test(code) ? code : 'GenericError'
}
