// A charger's WebSocket on our side: mends text frames before the RPC library reads them, gives answers the
// message id back as the charger wrote it, and can prove within a time that the other end lives. It is passed to
// the `ws` server through that server's own option for socket classes.
import WebSocket from 'ws'
import { mendFrame } from './frame.ts'

/** More unanswered CALLs than any lane holds means that answers are not getting out. */
const MAX_UNANSWERED = 128

type Unanswered = { readonly numericId: string | undefined; readonly repairs: readonly string[] }

export class ChargerSocket extends WebSocket {
  private readonly unanswered = new Map<string, Unanswered>()
  onHeard: () => void = () => undefined
  onRepairs: (repairs: readonly string[]) => void = () => undefined

  /** What was mended in the frame of a CALL that was not answered yet. */
  repairsOf(callId: string): readonly string[] {
    return this.unanswered.get(callId)?.repairs ?? []
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'message' || event === 'ping' || event === 'pong') this.onHeard()
    if (event !== 'message') return super.emit(event, ...args)
    // The library listens one tick after it was given the socket; what comes earlier must not get lost.
    if (this.listenerCount('message') === 0) {
      process.nextTick(() => this.receive(args[0]))
      return true
    }
    return this.receive(args[0])
  }

  private receive(data: unknown): boolean {
    // `binaryType` is left at its default, so a message is always one Buffer.
    const raw = Buffer.isBuffer(data) ? data.toString('utf8') : ''
    const frame = mendFrame(raw)
    if (frame.callId !== undefined) {
      // Re-sent while the first one is still being handled: the answer to that one answers both. The library
      // would answer with an error, and an error loses a transaction message.
      if (this.unanswered.has(frame.callId)) {
        this.onRepairs(['repeated-message-id'])
        return true
      }
      if (this.unanswered.size >= MAX_UNANSWERED) {
        this.terminate()
        return true
      }
      this.unanswered.set(frame.callId, { numericId: frame.numericId, repairs: frame.repairs })
    }
    return super.emit('message', Buffer.from(frame.text, 'utf8'), false)
  }

  override send(data: unknown, ...rest: unknown[]): void {
    const outgoing = typeof data === 'string' ? this.readdressed(data) : data
    // The signature of `send` is overloaded; the library only ever sends text.
    super.send(outgoing as string, ...(rest as []))
  }

  private readdressed(text: string): string {
    const match = ANSWER.exec(text)
    if (!match) return text
    const callId: unknown = JSON.parse(match[2] as string)
    if (typeof callId !== 'string') return text
    const call = this.unanswered.get(callId)
    this.unanswered.delete(callId)
    if (call?.numericId === undefined) return text
    return `[${match[1]},${call.numericId}${text.slice(match[0].length)}`
  }

  /** Resolves to whether a pong for this very ping arrived in time. */
  alive(timeoutMs: number, nonce: Uint8Array): Promise<boolean> {
    if (this.readyState !== WebSocket.OPEN) return Promise.resolve(false)
    return new Promise(resolve => {
      const settle = (alive: boolean): void => {
        clearTimeout(timer)
        this.off('pong', onPong)
        this.off('close', onClose)
        resolve(alive)
      }
      const onPong = (payload: Buffer): void => {
        if (payload.equals(nonce)) settle(true)
      }
      const onClose = (): void => settle(false)
      const timer = setTimeout(() => settle(false), timeoutMs)
      this.on('pong', onPong)
      this.on('close', onClose)
      this.ping(nonce)
    })
  }
}

const ANSWER = /^\[([34]),("(?:[^"\\]|\\.)*")/
