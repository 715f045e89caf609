// The central system of a node: an HTTP server that lets proven chargers in, and the links to those that are here.
// Refuses everything that the guard or the password check does not let through, and a second connection of a
// charger whose first one still lives (PROTOCOL 5.4, 7.5). OCPP 1.6J.
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { InvariantBroken, MeshError, reasonOf } from '../errors.ts'
import type { ChargePoints, ChargerAnswer, ChargerInput, Clock, Logger, Random } from '../ports.ts'
import type { ChargerId, TokenRef } from '../units.ts'
import {
  type CertificateRequest,
  type ChargerLink,
  type ChargerRecord,
  countWord,
  NOT_HERE,
  newRecord,
  statusOf,
} from './chargers.ts'
import type { ChargerCredential } from './credential.ts'
import { dialectOf } from './dialect.ts'
import { type Claim, guardUpgrade, REFUSAL_STATUS, type RefusalReason } from './guard.ts'
import { healthAnswer } from './health.ts'
import { type Link, openLink } from './link.ts'
import { type Attempt, createPasswordCheck, type PasswordVerdict } from './password.ts'
import { demandOf, type Peer, type Registration } from './profile.ts'
import { createRpc, type Rpc, type Wire, type WireOwner } from './rpc.ts'
import { recheck, stayOf } from './stay.ts'
import { type Door, isLoopback, openDoor, peerOf, type TlsMaterial } from './tls-door.ts'

/** How long the older of two connections has to prove that it lives. */
export const TAKEOVER_PING_MS = 3000
const INSECURE_WARNING_MS = 60_000
/** Refusals beyond this are counted, not logged: a scanner must not fill the disk. */
const MAX_REFUSAL_LINES_PER_MINUTE = 60

type Listen = { readonly host: string; readonly port: number }
export type CentralOptions = {
  /** Over TLS when there is `tls` and no door of its own for it; in the clear only on loopback, unless `insecure`. */
  readonly listen: Listen
  readonly tls?: TlsMaterial | undefined
  /** A second door, always over TLS. */
  readonly listenTls?: Listen | undefined
  readonly insecure: boolean
  readonly credential: (chargerId: ChargerId) => (ChargerCredential & Registration) | undefined
  readonly tokenReference: (idTag: string) => Promise<TokenRef>
  readonly handle: (input: ChargerInput) => Promise<ChargerAnswer>
  /** Whether chargers can be served now; what moves a floating address asks for it at /health. */
  readonly healthy: () => boolean
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

export type Central = ChargePoints & {
  readonly port: number
  /** Of the second door. */
  readonly portTls: number | undefined
  /** Chargers that connect from now on are shown this. */
  readonly setTls: (tls: TlsMaterial) => void
  /** Every charger that connected since the start. */
  readonly status: () => readonly ChargerLink[]
  /** Refused upgrades since the start, by reason. */
  readonly refusals: () => Readonly<Record<string, number>>
  /** What chargers have asked to be signed, of each the newest, until it was delivered. */
  readonly certificateRequests: () => readonly (CertificateRequest & { readonly chargerId: ChargerId })[]
  readonly close: () => Promise<void>
}

type State = {
  readonly options: CentralOptions
  readonly rpc: Rpc
  readonly checkPassword: (attempt: Attempt) => Promise<PasswordVerdict>
  readonly records: Map<ChargerId, ChargerRecord>
  readonly links: Map<ChargerId, Link>
  /** Of each charger that is here, whether it would still be let in. */
  readonly mayStay: Map<ChargerId, () => boolean>
  /** Chargers whose older connection is being pinged. */
  readonly contested: Set<ChargerId>
  readonly refused: Map<string, number>
  readonly lines: { minute: number; count: number }
  connections: number
  closing: boolean
}

/** Listens. Refuses with CONFIG_INVALID to serve without TLS where others can listen, unless told to. */
export async function openCentral(options: CentralOptions): Promise<Central> {
  const { listen, listenTls, tls, insecure, logger } = options
  const isPlain = tls === undefined || listenTls !== undefined
  const open = isPlain && !isLoopback(listen.host)
  if (open && !insecure) {
    throw new MeshError('CONFIG_INVALID', `OCPP without TLS on ${listen.host} needs the insecure option`)
  }
  if (listenTls && !tls) throw new MeshError('CONFIG_INVALID', 'there is no certificate to serve TLS with')
  const state: State = {
    options,
    rpc: createRpc(logger),
    checkPassword: createPasswordCheck(options),
    records: new Map(),
    links: new Map(),
    mayStay: new Map(),
    contested: new Set(),
    refused: new Map(),
    lines: { minute: 0, count: 0 },
    connections: 0,
    closing: false,
  }
  const doors = [await openFor(state, listen, isPlain ? undefined : tls)]
  try {
    if (listenTls) doors.push(await openFor(state, listenTls, tls))
  } catch (error) {
    await doors[0]?.close()
    throw error
  }
  const warn = () =>
    logger.warn('ocpp-insecure', { host: listen.host, reason: 'chargers speak in clear here' })
  if (open) warn()
  const warning = open ? setInterval(warn, INSECURE_WARNING_MS) : undefined
  warning?.unref()
  const letStay = recheck(state, logger)
  const stop = (): void => {
    clearInterval(warning)
    letStay()
  }
  return centralOf(state, doors, stop)
}

async function openFor(state: State, listen: Listen, tls: TlsMaterial | undefined): Promise<Door> {
  const { logger, healthy } = state.options
  const onTlsFault = (reason: string) => {
    countWord(state.refused, 'tls-failed')
    if (mayLog(state)) logger.warn('charger-refused', { reason: 'tls-failed', detail: reason.slice(0, 200) })
  }
  const onRequest = healthAnswer(healthy)
  const door = await openDoor({ listen, tls, logger, onRequest, onTlsFault })
  door.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', error => logger.debug('ocpp-socket-error', { reason: reasonOf(error) }))
    receive(state, { request, socket, head }).catch((error: unknown) => {
      // Nothing in there may fail; if it does, one charger waits for its next try and the node lives on.
      if (error instanceof InvariantBroken) throw error
      logger.error('ocpp-upgrade-failed', { reason: reasonOf(error) })
      socket.destroy()
    })
  })
  return door
}

type Upgrade = { readonly request: IncomingMessage; readonly socket: Duplex; readonly head: Buffer }

async function receive(state: State, upgrade: Upgrade): Promise<void> {
  const guarded = guardUpgrade(upgrade.request)
  if (guarded.kind === 'refused') return refuse(state, upgrade, { reason: guarded.reason })
  const { claim } = guarded
  const unproven = await proofOf(state, upgrade, claim)
  if (unproven) return refuse(state, upgrade, { ...unproven, chargerId: claim.chargerId })
  const reason = await contest(state, claim.chargerId)
  if (reason) return refuse(state, upgrade, { reason, chargerId: claim.chargerId })
  // Nothing is awaited from here to the entry in `links`, so two upgrades of one charger cannot both pass.
  const late = state.closing ? 'closing' : state.links.has(claim.chargerId) ? 'duplicate' : undefined
  if (late) return refuse(state, upgrade, { reason: late, chargerId: claim.chargerId })
  if (upgrade.socket.destroyed) return
  admit(state, upgrade, claim)
}

type Unproven = { readonly reason: RefusalReason; readonly detail?: string }

/** Undefined when the charger has shown what its security profile asks for. */
async function proofOf(
  state: State,
  { request }: Upgrade,
  { chargerId, password }: Claim,
): Promise<Unproven | undefined> {
  const { credential, insecure } = state.options
  const peer = peerOf(request.socket)
  const hasPassword = password !== undefined
  const registered = credential(chargerId)
  const demand = demandOf({ chargerId, registered, peer, hasPassword, isOpen: insecure })
  if (demand.kind === 'refused') return demand
  if (demand.kind === 'nothing' || !password) return undefined
  const verdict = await state.checkPassword({ chargerId, address: peer.address, password })
  if (verdict === 'right') return undefined
  if (verdict !== 'wrong') return { reason: verdict }
  return { reason: registered ? 'wrong-password' : 'unknown-charger' }
}

/** Whether a proven charger may have the place of its older connection (PROTOCOL 5.4); the reason if not. */
async function contest(state: State, chargerId: ChargerId): Promise<RefusalReason | undefined> {
  const { logger, random } = state.options
  if (state.contested.has(chargerId)) return 'duplicate'
  for (let older = state.links.get(chargerId); older; older = state.links.get(chargerId)) {
    state.contested.add(chargerId)
    const alive = await older.wire.alive(TAKEOVER_PING_MS, random.bytes(8))
    if (alive) {
      state.contested.delete(chargerId)
      logger.error('charger-duplicate', {
        charger: chargerId,
        reason: 'a second connection, as well proven as the first',
      })
      return 'duplicate'
    }
    logger.warn('charger-replaced', { charger: chargerId, reason: 'the older connection is dead' })
    older.wire.terminate()
    // The node shall hear that the older one is gone before it hears of the newer one.
    await older.closed
    state.contested.delete(chargerId)
  }
  return state.records.get(chargerId)?.lane.full() ? 'busy' : undefined
}

function admit(state: State, { request, socket, head }: Upgrade, claim: Claim): void {
  const { chargerId, subprotocol } = claim
  state.rpc.upgrade({
    request,
    socket,
    head,
    identity: chargerId,
    subprotocol,
    own: wire => own(state, { ...claim, peer: peerOf(request.socket) }, wire),
  })
}

function own(state: State, { peer, ...claim }: Claim & { readonly peer: Peer }, wire: Wire): WireOwner {
  const { chargerId, subprotocol } = claim
  const { options } = state
  const record = state.records.get(chargerId) ?? newRecord(options.clock.wallMs())
  state.records.set(chargerId, record)
  const connectionId = ++state.connections
  options.logger.info('charger-connected', { charger: chargerId, connectionId })
  const link = openLink({
    deps: { ...options, chargerId, connectionId, record, dialect: dialectOf(subprotocol) },
    wire,
    repairs: subprotocol === undefined ? ['no-subprotocol'] : [],
    onClose: () => {
      options.logger.info('charger-disconnected', { charger: chargerId, connectionId })
      if (state.links.get(chargerId) !== link) return
      state.links.delete(chargerId)
      state.mayStay.delete(chargerId)
      record.sinceAt = options.clock.wallMs()
    },
  })
  state.links.set(chargerId, link)
  state.mayStay.set(chargerId, stayOf(chargerId, peer, options))
  return link.owner
}

function refuse(
  state: State,
  { request, socket }: Upgrade,
  { reason, detail, chargerId }: Unproven & { readonly chargerId?: ChargerId },
): void {
  countWord(state.refused, reason)
  const record = chargerId === undefined ? undefined : state.records.get(chargerId)
  if (record) countWord(record.refused, reason)
  if (mayLog(state)) {
    const address = request.socket.remoteAddress
    // The path is not logged: it is a stranger's text.
    state.options.logger.warn('charger-refused', { reason, detail, charger: chargerId, address })
  }
  const status = REFUSAL_STATUS[reason]
  const challenge = status === 401 ? 'WWW-Authenticate: Basic realm="ocpp"\r\n' : ''
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} Refused\r\n${challenge}Connection: close\r\nContent-Length: 0\r\n\r\n`)
}

function mayLog({ lines, options }: State): boolean {
  const minute = Math.floor(options.clock.monotonicMs() / 60_000)
  if (lines.minute !== minute) Object.assign(lines, { minute, count: 0 })
  return ++lines.count <= MAX_REFUSAL_LINES_PER_MINUTE
}

function centralOf(state: State, doors: readonly Door[], stop: () => void): Central {
  const { links, records } = state
  const [main, second] = doors
  if (!main) throw new InvariantBroken('a central system without a door')
  return {
    port: main.port,
    portTls: second?.port,
    setTls: tls => {
      for (const door of doors) door.setTls(tls)
    },
    connected: () => [...links.keys()],
    status: () =>
      [...records].map(([chargerId, record]) => statusOf(chargerId, record, links.has(chargerId))),
    refusals: () => Object.fromEntries(state.refused),
    certificateRequests: () =>
      [...records].flatMap(([chargerId, { request }]) => (request ? [{ chargerId, ...request }] : [])),
    command: async (chargerId, command) =>
      (await links.get(chargerId)?.command(command)) ?? {
        kind: 'unreachable',
        reason: NOT_HERE,
      },
    disconnect: (chargerId, reason) => links.get(chargerId)?.silence(reason),
    close: async () => {
      state.closing = true
      stop()
      const closed = Promise.all(doors.map(door => door.close()))
      for (const link of links.values()) link.wire.terminate()
      await closed
      await Promise.all([...records.values()].map(record => record.lane.drained()))
    },
  }
}
