// A charge point's end of OCPP-J, over `ws`: connects, tries the next URL after a loss, pings, sends one CALL at a
// time and answers what it is asked. Shares no code with the central system under test, on purpose.
import WebSocket from 'ws'
import type { Random } from '../../src/ports.ts'

export type CallResult =
  | { readonly kind: 'result'; readonly payload: unknown }
  | { readonly kind: 'error'; readonly code: string }
  | { readonly kind: 'timeout' }
  | { readonly kind: 'offline' }

export type LineOptions = {
  readonly identity: string
  readonly password: string
  readonly subprotocol: string
  /** Without the identity: `ws://node:9000/ocpp`. */
  readonly urls: readonly string[]
  readonly random: Random
  /** PEM of the authority that signed the server's certificate. */
  readonly ca?: string | undefined
  readonly callTimeoutMs: number
  /** A server that misses one ping is given up. */
  readonly pingIntervalMs: number
  readonly onOpen: () => void
  readonly onClose: () => void
  /** The answer's payload, or undefined for an action that the firmware does not know. */
  readonly onCall: (action: string, payload: unknown) => unknown
}

export type Line = {
  readonly connected: () => boolean
  /** The URL in use, or the one to be tried next. */
  readonly url: () => string
  /** Resolves in any case; waits for earlier CALLs first. */
  readonly call: (action: string, payload: unknown) => Promise<CallResult>
  readonly connect: () => void
  /** Cuts the line and stays off until `connect`. */
  readonly disconnect: () => void
}

const BACKOFF_MIN_MS = 300
const BACKOFF_MAX_MS = 1000
const HANDSHAKE_TIMEOUT_MS = 10_000

type State = {
  socket: WebSocket | undefined
  wanted: boolean
  urlIndex: number
  tail: Promise<unknown>
  retry: NodeJS.Timeout | undefined
  ping: NodeJS.Timeout | undefined
  readonly pending: Map<string, (result: CallResult) => void>
}

export function createLine(options: LineOptions): Line {
  const state: State = {
    socket: undefined,
    wanted: false,
    urlIndex: 0,
    tail: Promise.resolve(),
    retry: undefined,
    ping: undefined,
    pending: new Map(),
  }
  return {
    connected: () => state.socket?.readyState === WebSocket.OPEN,
    url: () => urlOf(options, state),
    call: (action, payload) => {
      const socket = state.socket
      // A CALL belongs to the connection on which it was made; whoever needs it on the next one makes it again.
      const result = state.tail.then(() => callNow(options, state, { socket, action, payload }))
      state.tail = result
      return result
    },
    connect: () => {
      if (state.wanted) return
      state.wanted = true
      dial(options, state)
    },
    disconnect: () => {
      state.wanted = false
      clearTimeout(state.retry)
      state.socket?.terminate()
    },
  }
}

function urlOf({ urls }: LineOptions, { urlIndex }: State): string {
  return urls[urlIndex % urls.length] ?? ''
}

function dial(options: LineOptions, state: State): void {
  const { identity, password, subprotocol, ca } = options
  const authorization = `Basic ${Buffer.from(`${identity}:${password}`).toString('base64')}`
  const socket = new WebSocket(`${urlOf(options, state)}/${identity}`, [subprotocol], {
    headers: { authorization },
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    perMessageDeflate: false,
    ...(ca === undefined ? {} : { ca }),
  })
  state.socket = socket
  socket.on('open', () => {
    keepAlive(options, state, socket)
    options.onOpen()
  })
  socket.on('message', data => receive(options, state, String(data)))
  // Every error is followed by 'close', where it is dealt with.
  socket.on('error', () => undefined)
  socket.on('close', () => lost(options, state, socket))
}

function lost(options: LineOptions, state: State, socket: WebSocket): void {
  if (state.socket !== socket) return
  clearInterval(state.ping)
  state.socket = undefined
  state.urlIndex++
  for (const settle of [...state.pending.values()]) settle({ kind: 'offline' })
  options.onClose()
  if (!state.wanted) return
  const [dice = 0] = options.random.bytes(1)
  const backoffMs = BACKOFF_MIN_MS + ((BACKOFF_MAX_MS - BACKOFF_MIN_MS) * dice) / 255
  clearTimeout(state.retry)
  state.retry = setTimeout(() => {
    if (state.wanted && state.socket === undefined) dial(options, state)
  }, backoffMs)
}

function keepAlive({ pingIntervalMs }: LineOptions, state: State, socket: WebSocket): void {
  let answered = true
  socket.on('pong', () => {
    answered = true
  })
  state.ping = setInterval(() => {
    if (!answered) return socket.terminate()
    answered = false
    socket.ping()
  }, pingIntervalMs)
}

type OutgoingCall = {
  readonly socket: WebSocket | undefined
  readonly action: string
  readonly payload: unknown
}

function callNow(options: LineOptions, state: State, call: OutgoingCall): Promise<CallResult> {
  const { socket, action, payload } = call
  if (!socket || socket !== state.socket || socket.readyState !== WebSocket.OPEN) {
    return Promise.resolve({ kind: 'offline' })
  }
  const messageId = Buffer.from(options.random.bytes(12)).toString('hex')
  return new Promise(resolve => {
    const settle = (result: CallResult): void => {
      clearTimeout(timer)
      state.pending.delete(messageId)
      resolve(result)
    }
    const timer = setTimeout(() => settle({ kind: 'timeout' }), options.callTimeoutMs)
    state.pending.set(messageId, settle)
    socket.send(JSON.stringify([2, messageId, action, payload]))
  })
}

function receive(options: LineOptions, state: State, raw: string): void {
  const frame: unknown = JSON.parse(raw)
  if (!Array.isArray(frame)) return
  const [type, messageId, third, fourth] = frame
  if (type === 3) state.pending.get(messageId)?.({ kind: 'result', payload: third })
  if (type === 4) state.pending.get(messageId)?.({ kind: 'error', code: String(third) })
  if (type !== 2) return
  const answer = options.onCall(String(third), fourth)
  const reply = answer === undefined ? [4, messageId, 'NotImplemented', '', {}] : [3, messageId, answer]
  state.socket?.send(JSON.stringify(reply))
}
