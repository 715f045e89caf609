// The state of the mesh network behind `openNetwork`: its connections, its verified peers, and the one ticker that
// drives every timeout. It decides nothing about trust (hello.ts, network-gate.ts) and nothing about when to dial
// (peers.ts); it ties them to libp2p.
import type { Connection, PeerId, StreamHandler } from '@libp2p/interface'
import type { Libp2p } from 'libp2p'
import { invariant, MeshError, reasonOf } from '../errors.ts'
import { CERTIFICATE_GRACE_MS, type Certificate } from '../identity/certificate.ts'
import { MAX_MESSAGE_BYTES } from '../ports.ts'
import type { DeviceId } from '../units.ts'
import { ASK_PROTOCOL, ASK_STREAMS, type Asking, createAsking } from './asking.ts'
import { EXCHANGE_PROTOCOL, type Exchange } from './exchange.ts'
import { HELLO_PROTOCOL, type HelloStep } from './hello.ts'
import { type DialDeps, dial } from './network-dial.ts'
import { createDialler, type Dialler } from './network-dialler.ts'
import { acquaintancesAmong, connectionAmong, createFinding, type Finding } from './network-finding.ts'
import { createGate, ed25519KeyOf, type Gate } from './network-gate.ts'
import { guarded } from './network-guard.ts'
import { helloOn, type Own } from './network-hello.ts'
import { listenAddresses, prepareLibp2p } from './network-libp2p.ts'
import {
  type CloseReason,
  counter,
  DEFAULT_MAX_PEERS,
  NETWORK_LIMITS,
  type NetworkLimits,
  type NetworkStats,
} from './network-limits.ts'
import { Link, type LinkOwner, SYNC_PROTOCOL } from './network-link.ts'
import type { NetworkOptions } from './network-options.ts'
import { Peer } from './network-peer.ts'
import { addressName } from './peers.ts'
import { refusalFields } from './refusal.ts'

const MAX_TICK_MS = 250
/** Of all connections, those that hints may lead to; the rest is for static addresses and for those who dial us. */
const HINTED_PART = 0.75

export class Mesh {
  readonly traffic = { receivedBytes: 0, sentBytes: 0 }
  readonly asking: Asking
  readonly #options: NetworkOptions
  readonly #own: Own
  readonly #limits: NetworkLimits
  readonly #maxPeers: number
  readonly #gate: Gate
  readonly #linkOwner: LinkOwner
  readonly #links = new Map<string, Link>()
  readonly #peers = new Map<DeviceId, Peer>()
  readonly #refusals = counter<string>()
  readonly #closings = counter<CloseReason | 'lost'>()
  #lastRefusal: string | undefined
  #droppedMessages = 0
  #isOpen = false
  #isClosed = false
  #node: Libp2p | undefined
  #dialler: Dialler | undefined
  #finding: Finding | undefined
  #ticker: NodeJS.Timeout | undefined

  constructor(options: NetworkOptions, own: Own) {
    const { roster, clock, logger } = options
    this.#options = options
    this.#own = own
    this.#limits = { ...NETWORK_LIMITS, ...options.limits }
    this.#maxPeers = options.maxPeers ?? DEFAULT_MAX_PEERS
    const connectionsOf = (peerId: PeerId): number =>
      [...this.#links.values()].filter(link => link.connection.remotePeer.equals(peerId)).length
    this.#gate = createGate({
      ...{ roster, clock, connectionsOf, limits: this.#limits },
      refusals: this.#refusals,
      isOpen: () => this.#isOpen,
    })
    this.#linkOwner = {
      ...{ clock, logger, limits: this.#limits, traffic: this.traffic, refusals: this.#refusals },
      onRefused: (link, step) => this.#onRefused(link, step),
      onReady: (link, certificate) => this.#onReady(link, certificate),
      onMessage: (link, message) => this.#onMessage(link, message),
      onWritable: link => this.#peerOf(link)?.pumpSoon(),
      onClosed: (link, reason) => this.#onClosed(link, reason),
    }
    const connectionTo = (deviceId: DeviceId) => connectionAmong(this.#peers, deviceId)
    this.asking = createAsking({ clock, logger, connectionTo, answer: options.onAsked })
  }

  async open(): Promise<void> {
    const { keys, listen, clock, random, logger, lastKnown, staticPeers, finding } = this.#options
    const limits = this.#limits
    const { peerKey } = keys
    const gater = this.#gate.gater
    const node = await prepareLibp2p({ peerKey, listen, gater, maxPeers: this.#maxPeers, limits })
    this.#node = node
    node.addEventListener('connection:open', event => this.#onConnection(event.detail))
    const streams = { maxInboundStreams: 2, maxOutboundStreams: 2, runOnLimitedConnection: false }
    await node.handle(HELLO_PROTOCOL, (stream, { id }) => this.#links.get(id)?.acceptHello(stream), streams)
    await node.handle(SYNC_PROTOCOL, (stream, { id }) => this.#links.get(id)?.acceptSync(stream), streams)
    const verified: DialDeps['verified'] = id => this.#links.get(id)?.verified
    const dialling = { ...{ node, gate: this.#gate, clock, logger, dialMs: limits.dialMs }, verified }
    this.#dialler = await createDialler({
      ...{ clock, random, logger, limits, lastKnown, staticPeers },
      dial: target => dial(dialling, target),
      situation: () => ({
        isConnected: deviceId => this.#peers.has(deviceId),
        mayDial: deviceId => this.#mayDial(deviceId),
        room: this.#maxPeers - this.#links.size,
        hintRoom: this.#hintRoom,
      }),
    })
    if (finding) {
      this.#finding = createFinding({
        ...{ ...finding, deviceId: this.#own.deviceId, clock, random, logger, limits },
        listening: () => listenAddresses(node),
        acquaintances: () => acquaintancesAmong(this.#peers),
        isMissing: id => this.#hintRoom > 0 && this.#mayDial(id) && !this.#peers.has(id),
        roster: this.#options.roster,
        onHints: hints => this.#dialler?.hint(hints),
      })
      await node.handle(EXCHANGE_PROTOCOL, this.#beside(this.#finding), streams)
    }
    await node.handle(ASK_PROTOCOL, this.#beside(this.asking), ASK_STREAMS)
    try {
      await node.start()
    } catch (error) {
      throw new MeshError(
        'NETWORK_FAILED',
        `cannot listen on ${addressName(listen)}: ${reasonOf(error)}`,
        error,
      )
    }
    this.#isOpen = true
    this.#ticker = setInterval(() => this.#tick(), Math.min(MAX_TICK_MS, limits.keepAliveMs / 4))
    this.#tick()
  }

  send(to: DeviceId, message: Uint8Array): void {
    invariant(message.length <= MAX_MESSAGE_BYTES, `message of ${message.length} bytes`)
    invariant(message.length > 0, 'empty message')
    if (!this.#peers.get(to)?.send(message)) this.#droppedMessages++
  }

  peers(): readonly DeviceId[] {
    return [...this.#peers.keys()]
  }

  ban(deviceId: DeviceId, banMs: number, reason: string): void {
    this.#options.logger.warn('network.banned', { deviceId, banMs, reason })
    this.#gate.ban(deviceId, banMs)
    this.#closePeer(deviceId, 'banned')
  }

  addresses(): readonly string[] {
    return this.#node ? listenAddresses(this.#node).map(addressName) : []
  }

  stats(): NetworkStats {
    let queuedBytes = 0
    const [multicast, lastRefusal] = [this.#finding?.status(), this.#lastRefusal]
    for (const peer of this.#peers.values()) queuedBytes += peer.queuedBytes
    return {
      connections: this.#links.size,
      peers: this.#peers.size,
      refused: this.#refusals.read(),
      closed: this.#closings.read(),
      failedDials: this.#dialler?.failedDials() ?? 0,
      droppedMessages: this.#droppedMessages,
      queuedBytes,
      ...(multicast && { multicast }),
      ...(lastRefusal !== undefined && { lastRefusal }),
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#ticker)
    this.#finding?.close()
    for (const link of [...this.#links.values()]) link.close('network-closed')
    await this.#dialler?.close()
    await this.#node?.stop()
  }

  #tick(): void {
    const { clock } = this.#options
    const nowMs = clock.monotonicMs()
    for (const link of [...this.#links.values()]) link.tick(nowMs)
    for (const [deviceId, peer] of [...this.#peers]) {
      const { notAfterAt } = this.#options.roster.byDevice(deviceId) ?? peer.certificate
      // Only the end is checked here: a clock that fell back to 1970 is no reason to leave peers that were proven.
      if (clock.wallMs() > notAfterAt + CERTIFICATE_GRACE_MS) this.#closePeer(deviceId, 'out-of-force')
      // One side alone decides, so that the two never close one connection each.
      else if (this.#own.deviceId < deviceId) for (const link of peer.doubles(nowMs)) link.close('doubled')
    }
    this.#finding?.tick(nowMs)
    this.#dialler?.tick(nowMs)
  }

  #mayDial(deviceId: DeviceId): boolean {
    const { roster } = this.#options
    return (
      deviceId !== this.#own.deviceId &&
      !this.#gate.isBanned(deviceId) &&
      roster.byDevice(deviceId) !== undefined
    )
  }

  get #hintRoom(): number {
    return Math.ceil(this.#maxPeers * HINTED_PART) - this.#links.size
  }

  #onConnection(connection: Connection): void {
    const remotePeerKey = ed25519KeyOf(connection.remotePeer)
    const wire = this.#gate.wireOf(connection)
    invariant(remotePeerKey !== undefined && wire !== undefined, 'a connection came past the gate')
    if (this.#isClosed) {
      connection.abort(new Error('network is closed'))
      return
    }
    const hello = helloOn(connection, remotePeerKey, {
      ...{ options: this.#options, own: this.#own, isBanned: this.#gate.isBanned },
    })
    const link = new Link({ connection, wire, hello, owner: this.#linkOwner })
    this.#links.set(connection.id, link)
    link.begin()
  }

  #onRefused(link: Link, step: Extract<HelloStep, { kind: 'refused' }>): void {
    this.#refusals.add(step.reason)
    const fields = refusalFields(link.connection, step)
    this.#lastRefusal = `${fields.from}: ${fields.says}`
    this.#options.logger.warn('network.hello-refused', fields)
    const peerKey = ed25519KeyOf(link.connection.remotePeer)
    if (peerKey && step.reason !== 'refused-by-peer') this.#gate.refuseForAWhile(peerKey)
  }

  #onReady(link: Link, certificate: Certificate): void {
    const { deviceId } = certificate
    const peer = this.#peers.get(deviceId)
    if (peer) {
      peer.links.push(link)
      return
    }
    if (this.#peers.size >= this.#maxPeers) {
      link.close('no-room')
      return
    }
    const made = new Peer(certificate, { clock: this.#options.clock, limits: this.#limits })
    made.links.push(link)
    this.#peers.set(deviceId, made)
    this.#options.logger.info('network.peer', { deviceId, name: certificate.name })
    this.#guard(deviceId, () => this.#options.onPeer(deviceId, certificate))
  }

  #onMessage(link: Link, message: Uint8Array): void {
    const deviceId = link.certificate?.deviceId
    if (deviceId && !this.#isClosed) this.#guard(deviceId, () => this.#options.onMessage(deviceId, message))
  }

  #onClosed(link: Link, reason: CloseReason | 'lost'): void {
    const { connection } = link
    this.#closings.add(reason)
    this.#links.delete(connection.id)
    this.#forget(connection)
    const peer = this.#peerOf(link)
    if (!peer) return
    peer.remove(link)
    if (peer.links.length > 0) return
    const { deviceId } = peer.certificate
    this.#peers.delete(deviceId)
    this.#droppedMessages += peer.queuedMessages
    if (this.#isClosed) return
    this.#options.logger.info('network.peer-gone', { deviceId, reason })
    this.#guard(deviceId, () => this.#options.onPeerGone(deviceId))
  }

  #beside({ accept }: Pick<Exchange, 'accept'>): StreamHandler {
    return (stream, { id }) => this.#links.get(id)?.acceptBeside(stream, accept)
  }

  #peerOf(link: Link): Peer | undefined {
    return link.certificate && this.#peers.get(link.certificate.deviceId)
  }

  #closePeer(deviceId: DeviceId, reason: CloseReason): void {
    for (const link of [...(this.#peers.get(deviceId)?.links ?? [])]) link.close(reason)
  }

  /** libp2p keeps a record of every key that ever spoke; strangers could fill the memory with theirs. */
  #forget({ remotePeer }: Connection): void {
    const remains = [...this.#links.values()].some(link => link.connection.remotePeer.equals(remotePeer))
    if (remains || this.#isClosed) return
    this.#node?.peerStore.delete(remotePeer).catch(error => {
      this.#options.logger.debug('network.peer-store', { reason: reasonOf(error) })
    })
  }

  #guard(deviceId: DeviceId, call: () => void): void {
    guarded(call, reason => {
      this.#options.logger.error('network.handler-threw', { deviceId, reason })
      this.#closePeer(deviceId, 'handler-threw')
    })
  }
}
