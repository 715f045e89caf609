// The central system of a node: an HTTP server that lets proven chargers in, and the links to those that are here.
// Refuses everything that the guard or the password check does not let through, and a second connection of a
// charger whose first one still lives (PROTOCOL 5.4, 7.5). OCPP 1.6J.
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { InvariantBroken, MeshError, reasonOf } from '../errors.ts'
import type { ChargePoints, ChargerAnswer, ChargerInput, Clock, Logger, Random } from '../ports.ts'
import type { ChargerId, TokenRef } from '../units.ts'
import { type ChargerLink, type ChargerRecord, countWord, NOT_HERE, newRecord, statusOf } from './chargers.ts'
import type { ChargerCredential } from './credential.ts'
import { dialectOf } from './dialect.ts'
import { type Claim, guardUpgrade, MAX_HEADER_BYTES, REFUSAL_STATUS, type RefusalReason } from './guard.ts'
import { healthAnswer } from './health.ts'
import { type Link, openLink } from './link.ts'
import { type Attempt, createPasswordCheck, type PasswordVerdict } from './password.ts'
import { createRpc, type Rpc, type Wire, type WireOwner } from './rpc.ts'

/** How long the older of two connections has to prove that it lives. */
export const TAKEOVER_PING_MS = 3000
const INSECURE_WARNING_MS = 60_000
const HEADERS_TIMEOUT_MS = 10_000
const MAX_SOCKETS = 2048
/** Refusals beyond this are counted, not logged: a scanner must not fill the disk. */
const MAX_REFUSAL_LINES_PER_MINUTE = 60

export type CentralOptions = {
  readonly listen: { readonly host: string; readonly port: number }
  /** PEM. Without it only a loopback address may be served, unless `insecure`. */
  readonly tls?: { readonly key: string; readonly cert: string }
  readonly insecure: boolean
  readonly credential: (chargerId: ChargerId) => ChargerCredential | undefined
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
  /** Every charger that connected since the start. */
  readonly status: () => readonly ChargerLink[]
  /** Refused upgrades since the start, by reason. */
  readonly refusals: () => Readonly<Record<string, number>>
  readonly close: () => Promise<void>
}

type State = {
  readonly options: CentralOptions
  readonly rpc: Rpc
  readonly checkPassword: (attempt: Attempt) => Promise<PasswordVerdict>
  readonly records: Map<ChargerId, ChargerRecord>
  readonly links: Map<ChargerId, Link>
  /** Chargers whose older connection is being pinged. */
  readonly contested: Set<ChargerId>
  readonly refused: Map<string, number>
  readonly lines: { minute: number; count: number }
  connections: number
  closing: boolean
}

/** Listens. Refuses with CONFIG_INVALID to serve without TLS where others can listen, unless told to. */
export async function openCentral(options: CentralOptions): Promise<Central> {
  const { listen, tls, insecure, logger } = options
  const open = tls === undefined && !isLoopback(listen.host)
  if (open && !insecure) {
    throw new MeshError('CONFIG_INVALID', `OCPP without TLS on ${listen.host} needs the insecure option`)
  }
  const state: State = {
    options,
    rpc: createRpc(logger),
    checkPassword: createPasswordCheck(options),
    records: new Map(),
    links: new Map(),
    contested: new Set(),
    refused: new Map(),
    lines: { minute: 0, count: 0 },
    connections: 0,
    closing: false,
  }
  const server = createHttpServer(options)
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', error => logger.debug('ocpp-socket-error', { reason: reasonOf(error) }))
    receive(state, { request, socket, head }).catch((error: unknown) => {
      // Nothing in there may fail; if it does, one charger waits for its next try and the node lives on.
      if (error instanceof InvariantBroken) throw error
      logger.error('ocpp-upgrade-failed', { reason: reasonOf(error) })
      socket.destroy()
    })
  })
  await listening(server, listen)
  const warn = () =>
    logger.warn('ocpp-insecure', { host: listen.host, reason: 'chargers speak in clear here' })
  if (open) warn()
  const warning = open ? setInterval(warn, INSECURE_WARNING_MS) : undefined
  warning?.unref()
  return centralOf(state, server, () => clearInterval(warning))
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

function createHttpServer({ tls, healthy, logger }: CentralOptions): Server {
  const settings = { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: HEADERS_TIMEOUT_MS, noDelay: true }
  const answer = healthAnswer(healthy)
  const server = tls
    ? createTlsServer({ ...settings, key: tls.key, cert: tls.cert, minVersion: 'TLSv1.2' }, answer)
    : createServer(settings, answer)
  // The guard counts headers itself: node would silently leave out those above its limit.
  server.maxHeadersCount = 0
  server.maxConnections = MAX_SOCKETS
  server.on('error', error => logger.error('ocpp-server-failed', { reason: reasonOf(error) }))
  return server
}

function listening(server: Server, listen: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) =>
      reject(new MeshError('CONFIG_INVALID', `cannot listen on ${listen.host}:${listen.port}`, error))
    server.once('error', failed)
    server.listen(listen.port, listen.host, () => {
      server.off('error', failed)
      resolve()
    })
  })
}

type Upgrade = { readonly request: IncomingMessage; readonly socket: Duplex; readonly head: Buffer }

async function receive(state: State, upgrade: Upgrade): Promise<void> {
  const guarded = guardUpgrade(upgrade.request)
  if (guarded.kind === 'refused') return refuse(state, upgrade, { reason: guarded.reason })
  const { claim } = guarded
  const address = upgrade.request.socket.remoteAddress ?? ''
  const verdict = await state.checkPassword({ ...claim, address })
  const reason =
    (verdict === 'wrong' ? 'wrong-password' : verdict === 'right' ? undefined : verdict) ??
    (await contest(state, claim.chargerId))
  if (reason) return refuse(state, upgrade, { reason, chargerId: claim.chargerId })
  // Nothing is awaited from here to the entry in `links`, so two upgrades of one charger cannot both pass.
  const late = state.closing ? 'closing' : state.links.has(claim.chargerId) ? 'duplicate' : undefined
  if (late) return refuse(state, upgrade, { reason: late, chargerId: claim.chargerId })
  if (upgrade.socket.destroyed) return
  admit(state, upgrade, claim)
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
        reason: 'a second connection with the right password',
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
    own: wire => own(state, claim, wire),
  })
}

function own(state: State, { chargerId, subprotocol }: Claim, wire: Wire): WireOwner {
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
      record.sinceAt = options.clock.wallMs()
    },
  })
  state.links.set(chargerId, link)
  return link.owner
}

function refuse(
  state: State,
  { request, socket }: Upgrade,
  { reason, chargerId }: { readonly reason: RefusalReason; readonly chargerId?: ChargerId },
): void {
  countWord(state.refused, reason)
  const record = chargerId === undefined ? undefined : state.records.get(chargerId)
  if (record) countWord(record.refused, reason)
  const { clock, logger } = state.options
  const minute = Math.floor(clock.monotonicMs() / 60_000)
  if (state.lines.minute !== minute) Object.assign(state.lines, { minute, count: 0 })
  if (++state.lines.count <= MAX_REFUSAL_LINES_PER_MINUTE) {
    // The path is not logged: it is a stranger's text.
    logger.warn('charger-refused', { reason, charger: chargerId, address: request.socket.remoteAddress })
  }
  const status = REFUSAL_STATUS[reason]
  const challenge = status === 401 ? 'WWW-Authenticate: Basic realm="ocpp"\r\n' : ''
  socket.once('finish', () => socket.destroy())
  socket.end(`HTTP/1.1 ${status} Refused\r\n${challenge}Connection: close\r\nContent-Length: 0\r\n\r\n`)
}

function centralOf(state: State, server: Server, stopWarning: () => void): Central {
  const { links, records } = state
  return {
    port: (server.address() as AddressInfo).port,
    connected: () => [...links.keys()],
    status: () =>
      [...records].map(([chargerId, record]) => statusOf(chargerId, record, links.has(chargerId))),
    refusals: () => Object.fromEntries(state.refused),
    command: async (chargerId, command) =>
      (await links.get(chargerId)?.command(command)) ?? {
        kind: 'unreachable',
        reason: NOT_HERE,
      },
    disconnect: (chargerId, reason) => links.get(chargerId)?.silence(reason),
    close: async () => {
      state.closing = true
      stopWarning()
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      for (const link of links.values()) link.wire.terminate()
      server.closeAllConnections()
      await closed
      await Promise.all([...records.values()].map(record => record.lane.drained()))
    },
  }
}
