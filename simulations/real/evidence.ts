// What real machines left behind, in the form in which the checkers look at a simulated world: each node's folder opened by
// the production code with nobody to talk to, the chargers' own meters, and the cloud's rows as it gave them to whoever asks
// over HTTP. Nothing here can be acted upon: what a world would let happen is refused.
import { join } from 'node:path'
import { InvariantBroken } from '../../src/errors.ts'
import type { Closers } from '../../src/host/closers.ts'
import { openDisk } from '../../src/host/disk.ts'
import { type IdentityFile, readIdentity, readSite, siteIdIn } from '../../src/host/identity-files.ts'
import { ISSUER_FOLDER } from '../../src/host/operator.ts'
import { CLOUD_FOLDER } from '../../src/host/site-birth.ts'
import { breathe, systemClock, systemLogger, systemRandom } from '../../src/host/system.ts'
import { firstKeyOf, stretchingOf } from '../../src/host/tokens.ts'
import { createRoster, type Roster } from '../../src/identity/roster.ts'
import { createTagKeys } from '../../src/identity/tag.ts'
import { keyedReference, normalTag, stretchTag } from '../../src/identity/token.ts'
import { type Node, startNode } from '../../src/node.ts'
import { readAnew } from '../../src/remember.ts'
import { hex, type LogId, type TokenRef, unhex } from '../../src/units.ts'
import { SW_VERSION } from '../../src/version.ts'
import { simulatedDisk } from '../disk/disk.ts'
import { createSimulatedNetwork } from '../network/network.ts'
import type { Plan } from '../plan.ts'
import type { Member, Shown } from '../world/observer.ts'
import { signerOf } from '../world/signer.ts'
import type { Credential, SimulatedSite } from '../world/site.ts'
import { cloudOf } from './cloud-books.ts'
import type { Played } from './drive.ts'
import { stationOf } from './meters.ts'

const HEARTBEAT_S = 300

export type Evidence = Omit<Shown, 'object'>

export async function gather(played: Played, closers: Closers): Promise<Evidence> {
  const { stage, originAt, endedMs } = played
  const files = await Promise.all(stage.nodes.map(node => readIdentity(node.dir)))
  const plan: Plan = { ...stage.plan, startsAt: originAt }
  const { site, rosterOf } = await siteOf(plan, stage.siteDir, files)
  const members: Member[] = []
  for (const [i, credential] of site.devices.entries()) {
    const roster = rosterOf(files[i])
    const node = await openFolder(stage.nodes[i]?.dir ?? '', { roster, credential }, closers)
    members.push(memberOf(i + 1, credential, node))
  }
  const nodes = members.flatMap(member => member.node() ?? [])
  return {
    ...{ plan, site, members: () => members, nowMs: () => endedMs, isCalm: () => true },
    cloud: cloudOf(played.cloud, nodes),
    stations: played.stations.map(station => stationOf(station, { plan, originAt })),
    operator: {
      logId: operatorLog(nodes, site.issuer),
      all: () => refused('write'),
      act: () => refused('write'),
      revocations: () => [],
      revokedDevices: () => [],
      events: () => [],
    },
    network: createSimulatedNetwork({ dice: () => 0, schedule: () => refused('send'), links: [] }),
  }
}

type KnownSite = { readonly site: SimulatedSite; readonly rosterOf: (identity?: IdentityFile) => Roster }

/** Keys and certificates as they lie in the folders. */
async function siteOf(plan: Plan, siteDir: string, files: readonly IdentityFile[]): Promise<KnownSite> {
  const signatures = signerOf('ed25519')
  const known = await readSite(siteDir)
  const [siteId, rootKey] = [siteIdIn(known), unhex(known.rootKey)]
  const issuer = await readIdentity(join(siteDir, ISSUER_FOLDER))
  const rosterOf = (identity?: IdentityFile): Roster => {
    const roster = createRoster({ signatures }, siteId, rootKey)
    for (const encoded of issuer.certificates) roster.enrol(unhex(encoded))
    for (const encoded of identity?.certificates ?? []) roster.enrol(unhex(encoded))
    return roster
  }
  const credentialOf = (identity: IdentityFile): Credential => {
    const certificate = rosterOf(identity).all().at(-1)
    if (!certificate) throw new InvariantBroken(`${identity.name} has no certificate of this site`)
    const { peerKey, logKey, sealKey } = identity.keys
    return { keys: { peerKey: unhex(peerKey), logKey: unhex(logKey), sealKey: unhex(sealKey) }, certificate }
  }
  const cloud = credentialOf(await readIdentity(join(siteDir, CLOUD_FOLDER)))
  const refs = await referencesOf(plan, files[0])
  const site: SimulatedSite = {
    ...{
      siteId,
      rootKey,
      signatures,
      remember: readAnew,
      issuer: credentialOf(issuer),
      devices: files.map(credentialOf),
    },
    // No certificate of a real cloud has run out.
    ...{ cloud, formerCloud: cloud },
    roster: own => {
      const roster = rosterOf()
      if (own) roster.enrol(own.certificate.encoded)
      return roster
    },
    tagKeys: createTagKeys([]),
    tokenRef: idTag => refs.get(idTag) ?? hex<TokenRef>(new Uint8Array(16)),
  }
  return { site, rosterOf }
}

/** A node of the past that hears nobody. */
async function openFolder(
  dir: string,
  { roster, credential }: { readonly roster: Roster; readonly credential: Credential },
  closers: Closers,
): Promise<Node> {
  const disk = openDisk(dir)
  closers.push(`disk ${dir}`, disk.close)
  const node = await startNode({
    ...{ roster, signatures: signerOf('ed25519'), certificate: credential.certificate },
    ...{ logKey: credential.keys.logKey, clock: systemClock(), random: systemRandom(), disk },
    documents: { put: () => undefined },
    openTag: () => undefined,
    network: {
      send: () => undefined,
      peers: () => [],
      ban: () => undefined,
      traffic: () => ({ receivedBytes: 0, sentBytes: 0 }),
    },
    chargePoints: {
      connected: () => [],
      command: async () => ({ kind: 'unreachable', reason: 'this node runs no more' }),
      disconnect: () => undefined,
    },
    logger: systemLogger('silent', 'judge'),
    ...{ swVersion: SW_VERSION, heartbeatS: HEARTBEAT_S, breathe },
  })
  closers.push(`node ${dir}`, node.stop)
  return node
}

function memberOf(number: number, credential: Credential, node: Node): Member {
  return {
    ...{ number, name: String(number), credential, deviceId: credential.certificate.deviceId },
    ...{ isHonest: true, isClone: false, disk: simulatedDisk() },
    ...{ node: () => node, life: () => 1, clockErrorMs: () => 0 },
  }
}

async function referencesOf(
  { cards }: Plan,
  identity: IdentityFile | undefined,
): Promise<ReadonlyMap<string, TokenRef>> {
  if (!identity) return new Map()
  const reference = async (idTag: string): Promise<TokenRef> =>
    keyedReference(firstKeyOf(identity), await stretchTag(stretchingOf(identity), normalTag(idTag)))
  return new Map(await Promise.all(cards.map(async ({ idTag }) => [idTag, await reference(idTag)] as const)))
}

function operatorLog(nodes: readonly Node[], { certificate }: Credential): LogId {
  const logs = [...(nodes[0]?.ledger().logs.all() ?? [])]
  const own = logs.find(log => log.certificate.deviceId === certificate.deviceId)
  return own?.logId ?? hex<LogId>(new Uint8Array(16))
}

export function refused(what: string): never {
  throw new InvariantBroken(`what real machines left behind is asked to ${what}`)
}
