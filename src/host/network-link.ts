// One connection, from its opening to its end: the hello, then one stream that we write and those that the peer
// writes. It never decides whom to trust or what to send; it closes on a missed hello, on silence, on a peer that
// takes nothing and on a frame above the bound, and says why exactly once. PROTOCOL 7.2, 7.3.
import type { Connection, Stream } from '@libp2p/interface'
import { reasonOf } from '../errors.ts'
import type { Certificate } from '../identity/certificate.ts'
import { type Clock, type Logger, MAX_MESSAGE_BYTES } from '../ports.ts'
import type { DeviceId } from '../units.ts'
import { ASK_PROTOCOL } from './asking.ts'
import { FRAME_HEADER_BYTES, frame, frameReader, KEEPALIVE_FRAME } from './framing.ts'
import { HELLO_PROTOCOL, type Hello, type HelloStep, MAX_HELLO_BYTES } from './hello.ts'
import type { Wire } from './network-gate.ts'
import type { CloseReason, Counter, NetworkLimits, StreamRefusal } from './network-limits.ts'

export const SYNC_PROTOCOL = '/chargemesh/sync/1'
/** How long a refusal may take to leave before the socket is cut. */
const FAREWELL_MS = 500

/** What a link needs of the network around it; all calls are synchronous. */
export type LinkOwner = {
  readonly clock: Clock
  readonly limits: NetworkLimits
  readonly logger: Logger
  readonly traffic: { receivedBytes: number; sentBytes: number }
  readonly refusals: Counter<StreamRefusal>
  readonly onRefused: (link: Link, step: Extract<HelloStep, { kind: 'refused' }>) => void
  readonly onReady: (link: Link, certificate: Certificate) => void
  readonly onMessage: (link: Link, message: Uint8Array) => void
  readonly onWritable: (link: Link) => void
  readonly onClosed: (link: Link, reason: CloseReason | 'lost') => void
}

export type LinkInit = {
  readonly connection: Connection
  readonly wire: Wire
  readonly hello: Hello
  readonly owner: LinkOwner
}

export class Link {
  readonly connection: Connection
  readonly wire: Wire
  /** The peer's certificate once the hello succeeded both ways; undefined when the connection ended before. */
  readonly verified: Promise<Certificate | undefined>
  certificate: Certificate | undefined
  readyMs = 0
  readonly #owner: LinkOwner
  readonly #hello: Hello
  readonly #openedMs: number
  readonly #settle: (certificate: Certificate | undefined) => void
  #isClosed = false
  #hasHelloStream = false
  #outbound: Stream | undefined
  #lastSentMs = 0
  /** When a message last came; empty frames are none. */
  #heardMs = Number.NEGATIVE_INFINITY
  /** Our first message behind the last byte that came. */
  #unansweredMs = Number.POSITIVE_INFINITY
  #blockedSinceMs: number | undefined
  #resumeTimer: NodeJS.Timeout | undefined

  constructor({ connection, wire, hello, owner }: LinkInit) {
    this.connection = connection
    this.wire = wire
    this.#hello = hello
    this.#owner = owner
    this.#openedMs = owner.clock.monotonicMs()
    const { promise, resolve } = Promise.withResolvers<Certificate | undefined>()
    this.verified = promise
    this.#settle = resolve
    wire.onTooLoud = () => this.close('stranger-too-loud')
    connection.addEventListener('close', () => this.#end('lost'))
  }

  /** The dialling side opens the hello; the other waits for it. */
  begin(): void {
    if (this.connection.direction !== 'outbound') return
    this.#hasHelloStream = true
    this.#open(HELLO_PROTOCOL, 'hello-failed', stream => {
      this.#listenHello(stream)
      for (const message of this.#hello.begin()) this.#sendOn(stream, frame(message))
    })
  }

  acceptHello(stream: Stream): void {
    if (this.#hasHelloStream) this.#refuseStream(stream, 'second-hello')
    else {
      this.#hasHelloStream = true
      this.#listenHello(stream)
    }
  }

  acceptSync(stream: Stream): void {
    if (!this.certificate) this.#refuseStream(stream, 'sync-before-hello')
    else {
      // A large message on a slow line: its sender waits for a sign of life as well.
      stream.addEventListener('message', ({ data }) => {
        if (data.byteLength > FRAME_HEADER_BYTES) this.#heardMs = this.#owner.clock.monotonicMs()
      })
      this.#listen(stream, MAX_MESSAGE_BYTES, message => this.#owner.onMessage(this, message))
    }
  }

  /** A protocol beside the replica's: where others are (exchange.ts), questions (asking.ts). */
  acceptBeside(stream: Stream, take: (from: DeviceId, stream: Stream) => void): void {
    if (this.certificate) take(this.certificate.deviceId, stream)
    else this.#refuseStream(stream, 'stream-before-hello')
  }

  /** It can be written to, now or when the peer has taken what waits. */
  get isOpen(): boolean {
    return !this.#isClosed && this.#outbound !== undefined
  }

  /** A question is under way on it (asking.ts), whose answer would be lost. */
  get isAsked(): boolean {
    return this.connection.streams.some(({ protocol }) => protocol === ASK_PROTOCOL)
  }

  get isWritable(): boolean {
    return this.isOpen && this.#blockedSinceMs === undefined
  }

  /** A message of ours, or a full pipe, should have brought a sign of life by now. */
  isDoubtful(nowMs: number): boolean {
    const { keepAliveMs } = this.#owner.limits
    const isUnanswered = this.wire.lastHeardMs < this.#unansweredMs
    const sinceMs = Math.min(isUnanswered ? this.#unansweredMs : nowMs, this.#blockedSinceMs ?? nowMs)
    return nowMs - sinceMs > 1.5 * keepAliveMs
  }

  /** Frames, together at most MAX_WRITE_BYTES or one message. Only when `isWritable`. */
  write(frames: Uint8Array): void {
    const nowMs = this.#owner.clock.monotonicMs()
    if (this.wire.lastHeardMs >= this.#unansweredMs || this.#unansweredMs > nowMs) this.#unansweredMs = nowMs
    this.#put(frames, nowMs)
  }

  tick(nowMs: number): void {
    const { limits } = this.#owner
    if (this.#isClosed) return
    if (!this.certificate) {
      if (nowMs - this.#openedMs > limits.helloMs) this.close('hello-timeout')
    } else if (this.#isSilent(nowMs)) this.close('silent')
    else if (this.#blockedSinceMs !== undefined && nowMs - this.#blockedSinceMs > limits.stallMs)
      this.close('stalled')
    else if (this.isWritable && this.#owesSign(nowMs)) this.#put(KEEPALIVE_FRAME, nowMs)
  }

  #isSilent(nowMs: number): boolean {
    const { lastHeardMs } = this.wire
    const { silenceMs, answerMs } = this.#owner.limits
    const isUnanswered = lastHeardMs < this.#unansweredMs && nowMs - this.#unansweredMs > answerMs
    return isUnanswered || nowMs - lastHeardMs > silenceMs
  }

  /** Whoever spoke learns soon that we live; otherwise silence may cost little, with many neighbours too. */
  #owesSign(nowMs: number): boolean {
    const { keepAliveMs, idleMs } = this.#owner.limits
    const isAwaited = this.#heardMs >= this.#lastSentMs && nowMs - this.#heardMs >= keepAliveMs
    return isAwaited || nowMs - this.#lastSentMs >= idleMs
  }

  #put(frames: Uint8Array, nowMs: number): void {
    const stream = this.#outbound
    if (!stream || this.#isClosed) return
    this.#lastSentMs = nowMs
    if (!this.#sendOn(stream, frames)) this.#blockedSinceMs ??= nowMs
  }

  /** Cuts the connection; what libp2p holds of our writes is lost. */
  close(reason: CloseReason): void {
    if (this.#isClosed) return
    this.#end(reason)
    this.connection.abort(new Error(`closed: ${reason}`))
  }

  #refuseStream(stream: Stream, reason: StreamRefusal): void {
    this.#owner.refusals.add(reason)
    this.#owner.logger.warn('network.stream-refused', {
      reason,
      peerId: this.connection.remotePeer.toString(),
    })
    stream.abort(new Error(reason))
  }

  #listenHello(stream: Stream): void {
    this.#listen(stream, MAX_HELLO_BYTES, message => {
      const step = this.#hello.receive(message, this.#owner.clock.wallMs())
      for (const answer of step.send) this.#sendOn(stream, frame(answer))
      if (step.kind === 'verified') this.#becomeReady(stream, step.certificate)
      else if (step.kind === 'refused') this.#sayFarewell(step)
    })
  }

  #becomeReady(helloStream: Stream, certificate: Certificate): void {
    const { clock, limits } = this.#owner
    this.certificate = certificate
    this.readyMs = clock.monotonicMs()
    this.wire.bucket.widen(limits.peerBytesPerS, this.readyMs)
    this.wire.onTooLoud = () => this.#readLater()
    helloStream.close().catch(error => this.#note('hello-stream', error))
    this.#open(SYNC_PROTOCOL, 'stream-lost', stream => {
      this.#outbound = stream
      stream.addEventListener('drain', () => {
        this.#blockedSinceMs = undefined
        this.#owner.onWritable(this)
      })
      stream.addEventListener('close', () => this.close('stream-lost'))
      this.#put(KEEPALIVE_FRAME, clock.monotonicMs())
      this.#owner.onWritable(this)
    })
    this.#settle(certificate)
    this.#owner.onReady(this, certificate)
  }

  #readLater(): void {
    if (this.#resumeTimer || this.#isClosed) return
    this.wire.pause()
    this.#resumeTimer = setTimeout(() => {
      this.#resumeTimer = undefined
      this.wire.resume()
    }, this.wire.bucket.waitMs(this.#owner.clock.monotonicMs()))
  }

  /** Closes so that the last message, which says why, still leaves. */
  #sayFarewell(step: Extract<HelloStep, { kind: 'refused' }>): void {
    if (this.#isClosed) return
    this.#owner.onRefused(this, step)
    this.#end('hello-failed')
    this.connection.close({ signal: AbortSignal.timeout(FAREWELL_MS) }).catch(error => {
      this.#note('farewell', error)
      this.connection.abort(new Error('closed: hello-failed'))
    })
  }

  #open(protocol: string, failure: CloseReason, use: (stream: Stream) => void): void {
    const signal = AbortSignal.timeout(this.#owner.limits.helloMs)
    this.connection.newStream(protocol, { signal, maxOutboundStreams: 2 }).then(
      stream => {
        if (this.#isClosed) stream.abort(new Error('connection closed'))
        else use(stream)
      },
      error => {
        this.#note(protocol, error)
        this.close(failure)
      },
    )
  }

  #listen(stream: Stream, maxBytes: number, take: (message: Uint8Array) => void): void {
    const reader = frameReader(maxBytes)
    stream.addEventListener('message', ({ data }) => {
      if (this.#isClosed) return
      this.#owner.traffic.receivedBytes += data.byteLength
      const read = reader.push(data.subarray())
      if (read.kind === 'oversize') this.close('oversize-frame')
      else for (const message of read.messages) if (!this.#isClosed) take(message)
    })
  }

  /** False when the stream wants no more for now, or is gone. */
  #sendOn(stream: Stream, bytes: Uint8Array): boolean {
    try {
      const wantsMore = stream.send(bytes)
      this.#owner.traffic.sentBytes += bytes.length
      return wantsMore
    } catch (error) {
      // The stream ended between its last event and now; the loss is like any other, and the peer is dialled again.
      this.#note('send', error)
      this.close('stream-lost')
      return false
    }
  }

  #end(reason: CloseReason | 'lost'): void {
    if (this.#isClosed) return
    this.#isClosed = true
    clearTimeout(this.#resumeTimer)
    this.#settle(undefined)
    this.#owner.onClosed(this, reason)
  }

  #note(what: string, error: unknown): void {
    if (!this.#isClosed) this.#owner.logger.debug('network.link', { what, reason: reasonOf(error) })
  }
}

/** Bytes that one message takes on the wire and in a queue. */
export function framedBytes(message: Uint8Array): number {
  return message.length + FRAME_HEADER_BYTES
}
