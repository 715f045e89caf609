// A real node: the ports of this machine, opened in an order that makes the store safe before anything can ask for
// it, and closed in the opposite one: after a stop, and after a start that failed half way.
import { join } from 'node:path'
import { type ApiDeps, openApi } from '../api/server.ts'
import { type NodeConfig, parseNodeConfig } from '../config.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { type Node, startNode } from '../node.ts'
import type { Logger } from '../ports.ts'
import type { Documents } from '../store/documents.ts'
import { hex, unhex } from '../units.ts'
import { SW_VERSION } from '../version.ts'
import type { Answer } from './asking.ts'
import { openChargers } from './charger-doors.ts'
import { keepShowing, openNodeTls } from './charger-tls.ts'
import { type Closers, createClosers } from './closers.ts'
import { createCommanding } from './commanding.ts'
import { openDisk } from './disk.ts'
import { mendDocuments, openCheckedDocuments } from './document-check.ts'
import { type Doors, lateChargePoints, lateNetwork } from './doors.ts'
import { openDrivers } from './driver-plane.ts'
import { holdIdentity, type IdentityFile, readText, storeKeysIn, writeSecret } from './identity-files.ts'
import { address, listening } from './listening.ts'
import { deciding } from './may-charge.ts'
import { openNetwork } from './network.ts'
import { API_FILE, NODE_FILE } from './node-files.ts'
import { knownAddresses } from './node-memory.ts'
import { ownIdentity, type Self } from './self.ts'
import { breathe, systemLogger } from './system.ts'
import {
  createKeyRing,
  createTokens,
  type KeyRing,
  sealingTags,
  stretchingOf,
  type Tokens,
  tagKeysOf,
} from './tokens.ts'
import { NOTHING_CHOSEN, type Unlock } from './unlock.ts'
import type { UplinkBook } from './uplink-book.ts'
import { clockTrouble, validityTrouble } from './validity.ts'
import { openWaysOut } from './ways-out.ts'

const TICK_MS = 1000

export type RunningNode = {
  readonly name: string
  readonly apiUrl: string
  /** Undefined where node.yaml has no driver's plane. */
  readonly driverUrl: string | undefined
  readonly ocppUrl: string
  /** The second door, where there is one. */
  readonly ocppTlsUrl?: string
  readonly meshAddresses: readonly string[]
  /** What is wrong with clock or certificate; the node runs all the same, and its chargers are served. */
  readonly warnings: readonly string[]
  readonly close: () => Promise<void>
}

/** Refuses with CONFIG_INVALID, KEY_REFUSED, NETWORK_FAILED or the store's own codes; then nothing of it stays open. */
export async function runNode(dir: string, unlock: Unlock = NOTHING_CHOSEN): Promise<RunningNode> {
  const configFile = join(dir, NODE_FILE)
  const config = parseNodeConfig(configFile, await readText(configFile, '`chargemesh node join` makes one'))
  const { identity, lock } = await holdIdentity(dir, unlock)
  const logger = systemLogger(config.log.level, identity.name)
  if (unlock.isChosen && !identity.isSealed)
    logger.warn('a key is given, but nothing is encrypted: stop the node and run `chargemesh keys encrypt`')
  const closers = createClosers(logger)
  closers.push('lock', () => lock.release())
  try {
    return await open({ dir, config, identity, logger, closers })
  } catch (error) {
    await closers.unwind()
    throw error
  }
}

type Setting = {
  readonly dir: string
  readonly config: NodeConfig
  readonly identity: IdentityFile
  readonly logger: Logger
  readonly closers: Closers
}

async function open(setting: Setting): Promise<RunningNode> {
  const { dir, config, identity, logger, closers } = setting
  const disk = openDisk(dir)
  closers.push('disk', () => disk.close())
  const self = ownIdentity(dir, identity)
  const storeKeys = storeKeysIn(identity)
  const documents = await openCheckedDocuments({ dir, keys: storeKeys }, self.clock.wallMs(), logger)
  closers.push('documents', () => documents.settled().finally(() => documents.close()))
  // The node and its doors know each other; doors that open later stand behind these until then.
  const doors: Doors = {}
  const node = await startNode({
    ...self,
    disk,
    storeKeys,
    documents,
    network: lateNetwork(doors),
    chargePoints: lateChargePoints(doors),
    openTag: (tokenRef, box) => doors.openTag?.(tokenRef, box),
    sealTag: tokenRef => doors.sealTag?.(tokenRef),
    logger,
    swVersion: SW_VERSION,
    heartbeatS: config.ocpp.heartbeatS,
    aliases: tokenRef => doors.tokens?.aliases(tokenRef) ?? [tokenRef],
    breathe,
  })
  closers.push('node', () => node.stop())
  const view = () => node.ledger().view()
  const ring = createKeyRing(identity, self.certificate.deviceId, view)
  const tagKeys = tagKeysOf(ring)
  doors.openTag = tagKeys.open
  const tokens = createTokens({
    ...{ stretching: stretchingOf(identity), keys: ring.keys, policy: () => view().policy },
  })
  doors.tokens = tokens
  doors.sealTag = sealingTags(tagKeys, tokens, self.random)
  const tokenReference = tokens.reference
  const mayCharge = deciding(self.clock, node, tokens)
  const commanding = createCommanding({
    ...{ ...self, node, tokenReference, mayCharge, logger, doors },
    sealKey: unhex(identity.keys.sealKey),
  })
  const network = await openMesh(setting, self, { node, ring, onAsked: commanding.answer })
  doors.network = network
  closers.push('mesh', () => network.close())
  const tls = await openNodeTls({ ocpp: config.ocpp, identity, deviceId: self.certificate.deviceId, view })
  const central = await openChargers({ ...self, config, logger, node, tokenReference, tls })
  doors.central = central
  closers.push('ocpp', () => central.close())
  const uplinks = await openWaysOut({ ...self, dir, storeKeys, logger, closers, node, commanding })
  const extraStatus = (): Readonly<Record<string, unknown>> => ({
    documents: documents.state(),
    ocpp: { chargers: central.status(), refused: central.refusals(), tls: tls.report() },
    network: network.stats(),
    ...(doors.drivers && { drivers: doors.drivers.status() }),
    siteKeys: { held: ring.keys().length, missing: ring.later().filter(({ key }) => !key).length },
  })
  const asked = { tokens, tokenReference, mayCharge, commanding }
  const { certificateRequests } = central
  const receiptPen = { siteName: identity.site.name, ...self }
  const plane = {
    node,
    network,
    chargePoints: central,
    certificateRequests,
    receiptPen,
    ...asked,
    extraStatus,
  }
  const apiUrl = await openPlane(setting, self, { ...plane, uplinks })
  const heardAt = () => new Map(central.status().map(link => [link.chargerId, link.lastHeardAt]))
  const drivers = await openDrivers({
    ...{ ...plane, ...self, config, disk, storeKeys, logger, heardAt },
    ...{ self: self.certificate.deviceId, name: identity.name, aliases: tokens.aliases },
  })
  if (drivers) {
    doors.drivers = drivers
    closers.push('driver', () => drivers.close())
  }
  const showNewest = keepShowing(tls, central, logger)
  const ticking = setInterval(() => {
    node.tick()
    showNewest()
  }, TICK_MS)
  closers.push('ticks', () => clearInterval(ticking))
  startMending(setting, documents, node)
  const nowAt = self.clock.wallMs()
  const newest = node.ledger().ownCertificate()
  const troubles = [clockTrouble(newest, nowAt), validityTrouble(newest, nowAt)]
  const warnings = troubles.flatMap(trouble => trouble?.says ?? [])
  for (const says of warnings) logger.warn('node runs, with a warning', { says })
  const scheme = tls.shown() && central.portTls === undefined ? 'wss' : 'ws'
  logger.info('node runs', { recovered: node.health().recovered, ocppPort: central.port, api: apiUrl })
  return {
    name: identity.name,
    apiUrl,
    driverUrl: drivers?.url,
    ocppUrl: `${scheme}://${address(config.ocpp.listen).host}:${central.port}/ocpp`,
    ...(central.portTls !== undefined && {
      ocppTlsUrl: `wss://${address(config.ocpp.listenTls ?? '').host}:${central.portTls}/ocpp`,
    }),
    meshAddresses: network.addresses(),
    warnings,
    close: closers.unwind,
  }
}

/** Compares documents with the journal behind the serving node; a stop waits for the one that is being read only. */
function startMending({ logger, closers }: Setting, documents: Documents, node: Node): void {
  let isStopping = false
  const read: Documents['read'] = async name => {
    if (isStopping) throw new MeshError('STORE_FAILED', 'the node stops')
    return await documents.read(name)
  }
  const mending = mendDocuments({ ...documents, read }, node.ledger()).then(
    mended => mended > 0 && logger.info('documents rebuilt from the journal', { mended }),
    (error: unknown) =>
      !isStopping && logger.error('documents could not be checked', { reason: reasonOf(error) }),
  )
  closers.push('mending', async () => {
    isStopping = true
    await mending
  })
}

type Knowing = { readonly node: Node; readonly ring: KeyRing; readonly onAsked: Answer }

async function openMesh(
  { dir, config, identity, logger }: Setting,
  self: Self,
  { node, ring, onAsked }: Knowing,
) {
  const { peerKey, sealKey } = identity.keys
  const { roster, signatures, clock, random, logKey } = self
  return await openNetwork({
    keys: { peerKey: unhex(peerKey), logKey, sealKey: unhex(sealKey) },
    certificates: () => node.ledger().chainOf(node.ledger().ownCertificate()),
    ...{ roster, signatures, clock, random, logger },
    listen: address(config.mesh.listen),
    staticPeers: config.mesh.peers.map(address),
    lastKnown: knownAddresses(dir, logger),
    maxPeers: config.mesh.maxPeers,
    ...(config.mesh.discovery === 'on' && { finding: { siteKeys: () => ring.keys().toReversed() } }),
    isRevoked: certificate => node.ledger().isVoid(certificate),
    onAsked,
    onPeer: peer => node.mesh({ kind: 'peer', peer }),
    onPeerGone: peer => node.mesh({ kind: 'gone', peer }),
    onMessage: (peer, bytes) => node.mesh({ kind: 'message', peer, bytes }),
  })
}

type Plane = Pick<
  ApiDeps,
  | 'node'
  | 'network'
  | 'chargePoints'
  | 'certificateRequests'
  | 'receiptPen'
  | 'commanding'
  | 'tokenReference'
  | 'mayCharge'
  | 'extraStatus'
> & {
  readonly uplinks: UplinkBook
  readonly tokens: Tokens
}

/** Opens the operator's plane and lays its address and a new token into the folder. */
async function openPlane(
  setting: Setting,
  self: Self,
  { uplinks, tokens, ...plane }: Plane,
): Promise<string> {
  const { dir, config, identity, logger, closers } = setting
  const token = hex(self.random.bytes(24))
  const api = await listening('api.listen', config.api.listen, listen =>
    openApi({
      ...plane,
      roster: self.roster,
      self: self.certificate.deviceId,
      clock: self.clock,
      ...{ name: identity.name, siteName: identity.site.name },
      sealKey: unhex(identity.keys.sealKey),
      signer: () => ({ ...self, certHash: plane.node.ledger().ownCertificate().hash }),
      aliases: tokens.aliases,
      uplinks,
      listen,
      token,
      logger,
    }),
  )
  closers.push('api', () => api.close())
  await writeSecret(join(dir, API_FILE), `${JSON.stringify({ url: api.url, token })}\n`)
  return api.url
}
