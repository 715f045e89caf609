// A real node: the ports of this machine, opened in an order that makes the store safe before anything can ask for
// it, and closed in the opposite one.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { type Api, openApi, type UplinkSetting } from '../api/server.ts'
import { decideFor } from '../card.ts'
import { check, type HostPort, type NodeConfig, parseHostPort, parseNodeConfig } from '../config.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { createRoster } from '../identity/roster.ts'
import { ed25519 } from '../identity/signature.ts'
import { type Node, type NodeDeps, startNode } from '../node.ts'
import { type Central, openCentral } from '../ocpp/central.ts'
import type { Logger, Network } from '../ports.ts'
import { lockDirectory } from '../store/lock.ts'
import { hex, unhex } from '../units.ts'
import { openHttpUplink } from '../uplink/http.ts'
import { SW_VERSION } from '../version.ts'
import { openDisk } from './disk.ts'
import { mendDocuments, openCheckedDocuments } from './document-check.ts'
import { readIdentity, readText, siteIdIn, writeSecret } from './identity-files.ts'
import { openNetwork } from './network.ts'
import { API_FILE, KNOWN_FILE, NODE_FILE, UPLINKS_FILE } from './node-files.ts'
import { systemClock, systemLogger, systemRandom } from './system.ts'
import { rememberingTokens, tokenSecretIn } from './tokens.ts'

const TICK_MS = 1000

const UPLINKS = z.array(z.object({ name: z.string(), url: z.string(), caPem: z.string().optional() })).max(8)
const KNOWN = z.array(z.object({ deviceId: z.string(), host: z.string(), port: z.int() })).max(256)

export type RunningNode = {
  readonly name: string
  readonly apiUrl: string
  readonly ocppUrl: string
  readonly meshAddresses: readonly string[]
  readonly close: () => Promise<void>
}

export async function runNode(dir: string): Promise<RunningNode> {
  const configFile = join(dir, NODE_FILE)
  const config = parseNodeConfig(configFile, await readText(configFile, '`chargemesh node join` makes one'))
  const identity = await readIdentity(dir)
  const logger = systemLogger(config.log.level, identity.name)
  const lock = await lockDirectory(dir)
  const [clock, random, signatures] = [systemClock(), systemRandom(), ed25519()]
  const roster = createRoster(signatures, siteIdIn(identity.site), unhex(identity.site.rootKey))
  const certificates = identity.certificates.map(unhex)
  for (const encoded of certificates) roster.enrol(encoded)
  const own = roster.all().at(-1)
  const logKey = unhex(identity.keys.logKey)
  if (!own) throw new MeshError('CERTIFICATE_INVALID', `${dir}: the certificate is not one of this site`)

  const disk = openDisk(dir)
  const documents = await openCheckedDocuments(dir, clock.wallMs(), logger)
  const tokenReference = rememberingTokens(tokenSecretIn(identity))
  // The node and its doors know each other; doors that open later stand behind these until then.
  const doors: { node?: Node; network?: Network; central?: Central } = {}
  const deps: NodeDeps = {
    roster,
    signatures,
    certificate: own,
    logKey,
    clock,
    random,
    disk,
    documents,
    network: lateNetwork(doors),
    chargePoints: lateChargePoints(doors),
    logger,
    swVersion: SW_VERSION,
    heartbeatS: config.ocpp.heartbeatS,
  }
  const node = await startNode(deps)
  doors.node = node

  const network = await openNetwork({
    keys: { peerKey: unhex(identity.keys.peerKey), logKey, sealKey: unhex(identity.keys.sealKey) },
    certificates,
    roster,
    signatures,
    clock,
    random,
    logger,
    listen: address(config.mesh.listen),
    staticPeers: config.mesh.peers.map(address),
    lastKnown: knownAddresses(dir, logger),
    maxPeers: config.mesh.maxPeers,
    onPeer: peer => node.mesh({ kind: 'peer', peer }),
    onPeerGone: peer => node.mesh({ kind: 'gone', peer }),
    onMessage: (peer, bytes) => node.mesh({ kind: 'message', peer, bytes }),
  })
  doors.network = network
  const central = await openCentral({
    listen: address(config.ocpp.listen),
    ...(await tlsOf(config)),
    insecure: config.ocpp.allowInsecure,
    credential: id => node.ledger().view().policy.chargePoint(id),
    tokenReference,
    handle: input => node.charger(input),
    clock,
    random,
    logger,
  })
  doors.central = central

  const uplinks = uplinkBook({ dir, deps, siteId: roster.siteId })
  node.setUplinks(await uplinks.open())
  const token = hex(random.bytes(24))
  const api: Api = await openApi({
    node,
    roster,
    name: identity.name,
    network,
    chargePoints: central,
    tokenReference,
    mayCharge: (chargerId, tokenRef) => {
      const nowAt = clock.wallMs()
      const ledger = node.ledger()
      const context = {
        view: ledger.view(),
        nowAt,
        policyAgeMs: ledger.policyAgeMs(nowAt),
        self: own.deviceId,
        statusOf: () => undefined,
        heartbeatS: config.ocpp.heartbeatS,
        seal: () => undefined,
      }
      return decideFor(context, chargerId, tokenRef)
    },
    addUplink: async setting => node.setUplinks(await uplinks.add(setting)),
    listen: address(config.api.listen),
    token,
    logger,
    extraStatus: () => ({
      documents: documents.state(),
      ocpp: { chargers: central.status(), refused: central.refusals() },
      network: network.stats(),
    }),
  })
  await writeSecret(join(dir, API_FILE), `${JSON.stringify({ url: api.url, token })}\n`)
  const ticking = setInterval(() => node.tick(), TICK_MS)
  mendDocuments(documents, node.ledger()).then(
    mended => mended > 0 && logger.info('documents rebuilt from the journal', { mended }),
    (error: unknown) => logger.error('documents could not be checked', { reason: reasonOf(error) }),
  )
  const scheme = config.ocpp.tlsKeyFile === undefined ? 'ws' : 'wss'
  logger.info('node runs', { recovered: node.health().recovered, ocppPort: central.port, api: api.url })
  return {
    name: identity.name,
    apiUrl: api.url,
    ocppUrl: `${scheme}://${address(config.ocpp.listen).host}:${central.port}/ocpp`,
    meshAddresses: network.addresses(),
    close: async () => {
      clearInterval(ticking)
      await central.close()
      await api.close()
      await network.close()
      await node.stop()
      await documents.settled()
      await documents.close()
      await disk.close()
      await lock.release()
    },
  }
}

function address(text: string): HostPort {
  const parsed = parseHostPort(text)
  if (!parsed) throw new MeshError('CONFIG_INVALID', `${text} is not host:port`)
  return parsed
}

async function tlsOf(config: NodeConfig): Promise<{ tls?: { key: string; cert: string } }> {
  const { tlsKeyFile, tlsCertFile } = config.ocpp
  if (tlsKeyFile === undefined || tlsCertFile === undefined) return {}
  return {
    tls: {
      key: await readText(tlsKeyFile, 'ocpp.tlsKeyFile'),
      cert: await readText(tlsCertFile, 'ocpp.tlsCertFile'),
    },
  }
}

type Doors = { network?: Network; central?: Central }

function lateNetwork(doors: Doors): Network {
  return {
    send: (to, message) => doors.network?.send(to, message),
    peers: () => doors.network?.peers() ?? [],
    ban: (peer, banMs, reason) => doors.network?.ban(peer, banMs, reason),
    traffic: () => doors.network?.traffic() ?? { receivedBytes: 0, sentBytes: 0 },
  }
}

function lateChargePoints(doors: Doors): NodeDeps['chargePoints'] {
  return {
    connected: () => doors.central?.connected() ?? [],
    command: async (id, command) =>
      (await doors.central?.command(id, command)) ?? { kind: 'unreachable', reason: 'the node is starting' },
    disconnect: (id, reason) => doors.central?.disconnect(id, reason),
  }
}

/** Addresses that worked: a hint that costs a dial when it is wrong, so a damaged file is only worth a line. */
function knownAddresses(dir: string, logger: Logger): Parameters<typeof openNetwork>[0]['lastKnown'] {
  const path = join(dir, KNOWN_FILE)
  return {
    load: async () => {
      try {
        return KNOWN.parse(JSON.parse(await readFile(path, 'utf8'))) as never
      } catch (error) {
        logger.debug('no last-known addresses', { reason: reasonOf(error) })
        return []
      }
    },
    save: async list => await writeSecret(path, JSON.stringify(list)),
  }
}

type UplinkBook = {
  readonly open: () => Promise<ReturnType<typeof openHttpUplink>[]>
  readonly add: (setting: UplinkSetting) => Promise<ReturnType<typeof openHttpUplink>[]>
}

/** The uplinks of a node and the file that remembers them. */
function uplinkBook({
  dir,
  deps,
  siteId,
}: {
  dir: string
  deps: NodeDeps
  siteId: NodeDeps['roster']['siteId']
}): UplinkBook {
  const path = join(dir, UPLINKS_FILE)
  const opened = new Map<string, ReturnType<typeof openHttpUplink>>()
  const settings: UplinkSetting[] = []
  const openOne = (setting: UplinkSetting): void => {
    const { signatures, clock, logKey, certificate } = deps
    const { name, url, caPem } = setting
    opened.set(
      name,
      openHttpUplink({
        name,
        url,
        ...(caPem !== undefined && { caPem }),
        siteId,
        certificate: certificate.encoded,
        logKey,
        signatures,
        clock,
      }),
    )
    settings.push(setting)
  }
  return {
    open: async () => {
      let text = '[]'
      try {
        text = await readFile(path, 'utf8')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
      for (const setting of check(path, UPLINKS, JSON.parse(text))) openOne(setting)
      return [...opened.values()]
    },
    add: async setting => {
      if (opened.has(setting.name))
        throw new MeshError('CONFIG_INVALID', `there is an uplink ${setting.name} already`)
      openOne(setting)
      await writeSecret(path, JSON.stringify(settings))
      return [...opened.values()]
    },
  }
}
