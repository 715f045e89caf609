// One verified device: its connections and what waits to be sent to it. The queue is bounded; what does not fit is
// dropped and counted, since the layer above repairs losses (PROTOCOL 7.2). Writes are gathered until the end of the
// turn, because small writes through noise cost nine times what large ones do.
import type { Certificate } from '../identity/certificate.ts'
import type { Clock } from '../ports.ts'
import { coalesce, frame } from './framing.ts'
import type { NetworkLimits } from './network-limits.ts'
import { framedBytes, type Link } from './network-link.ts'

export type PeerDeps = { readonly clock: Clock; readonly limits: NetworkLimits }

export class Peer {
  readonly certificate: Certificate
  /** Oldest first. */
  readonly links: Link[] = []
  queuedBytes = 0
  #queue: Uint8Array[] = []
  /** What was written last; messages that leave over two connections by turns arrive in any order. */
  #used: Link | undefined
  #isPumpSet = false
  readonly #deps: PeerDeps

  constructor(certificate: Certificate, deps: PeerDeps) {
    this.certificate = certificate
    this.#deps = deps
  }

  get queuedMessages(): number {
    return this.#queue.length
  }

  /** False when the message was dropped. */
  send(message: Uint8Array): boolean {
    if (this.queuedBytes + framedBytes(message) > this.#deps.limits.queueBytes) return false
    this.#queue.push(frame(message))
    this.queuedBytes += framedBytes(message)
    this.pumpSoon()
    return true
  }

  pumpSoon(): void {
    if (this.#isPumpSet || this.#queue.length === 0) return
    this.#isPumpSet = true
    setImmediate(() => {
      this.#isPumpSet = false
      this.#pump()
    })
  }

  remove(link: Link): void {
    const at = this.links.indexOf(link)
    if (at >= 0) this.links.splice(at, 1)
    this.pumpSoon()
  }

  /** Connections that may go because an older one serves; none while one of them is young. */
  doubles(nowMs: number): readonly Link[] {
    const { doubleMs } = this.#deps.limits
    if (this.links.length < 2 || this.links.some(link => nowMs - link.readyMs < doubleMs)) return []
    const kept = this.#chosen(this.links, nowMs)
    return this.links.filter(link => link !== kept && !link.isAsked)
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const open = this.links.filter(link => link.isOpen)
      const link = this.#chosen(open, this.#deps.clock.monotonicMs())
      if (!link?.isWritable) return
      const { bytes, count } = coalesce(this.#queue)
      this.#queue.splice(0, count)
      this.queuedBytes -= bytes.length
      this.#used = link
      link.write(bytes)
    }
  }

  /** The one in use, or the oldest, unless it leaves us waiting; when all do, the one heard last. */
  #chosen(links: readonly Link[], nowMs: number): Link | undefined {
    const good = links.filter(link => !link.isDoubtful(nowMs))
    if (this.#used && good.includes(this.#used)) return this.#used
    return (
      good[0] ??
      links.reduce<Link | undefined>(
        (best, link) => (best && best.wire.lastHeardMs >= link.wire.lastHeardMs ? best : link),
        undefined,
      )
    )
  }
}
