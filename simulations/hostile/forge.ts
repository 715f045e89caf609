// Words in other mouths: events behind another's head under its own seal, another's segments changed on the way, logs in
// another's name, a certificate that it signed itself, and the operator's words in a log of its own. What it signs with
// its own key in its own log is no forgery to the gate and must move no fold (PROTOCOL 1.6, 1.7, 2.6).
import {
  CERTIFICATE_VERSION,
  type Certificate,
  deviceIdOf,
  issueCertificate,
  type Role,
} from '../../src/identity/certificate.ts'
import { drawKeys, publicKeys } from '../../src/identity/keys.ts'
import { type AnyBody, encodeBody, TYPE_NUMBERS } from '../../src/log/body.ts'
import { digestToSign, type LogEvent, type LogHead, place } from '../../src/log/event.ts'
import { type CertHash, hex } from '../../src/units.ts'
import { createOwnLogs, segmentMessage } from './own.ts'
import { oneBitChanged, type Repertoire, type Scene, type Sending, say, toFew, toOne } from './scene.ts'
import { anyToken, chatter, rogueCharger, rogueSession } from './words.ts'

/** One sealed event behind a head; `signature` instead of its own. */
function behind(scene: Scene, head: LogHead, signature?: Uint8Array): LogEvent {
  const [body] = rogueSession(scene, anyToken(scene)) as readonly [AnyBody, ...AnyBody[]]
  const element = {
    ...{ type: TYPE_NUMBERS[body.name], hlc: head.hlc + 1n, monoMs: head.monoMs },
    body: encodeBody(body),
  }
  const at = { logId: head.logId, seq: head.seq + 1, prev: head.hash }
  const own = scene.signatures.sign(scene.self.keys.logKey, digestToSign(element, at))
  return place({ ...element, signature: signature ?? own }, at)
}

function underAnotherLog(scene: Scene): readonly Sending[] {
  const heads = scene.memory.heads()
  if (heads.length === 0) return usurp(scene)
  const head = scene.dice.pick(heads)
  const signature = scene.dice.chance(0.3) ? new Uint8Array(64) : undefined
  return toOne(scene, [segmentMessage([behind(scene, head, signature)], head)])
}

/** A true segment with one byte changed. */
function changedOnTheWay(scene: Scene): readonly Sending[] {
  const segments = scene.memory.segments()
  if (segments.length === 0) return usurp(scene)
  const segment = scene.dice.pick(segments)
  return toOne(scene, [say({ ...segment, update: oneBitChanged(scene.dice, segment.update) })])
}

/** A new log whose first event names somebody else as its author. */
function inAnothersName(scene: Scene): readonly Sending[] {
  const others = scene.site.roster.all().filter(one => one.hash !== scene.self.certificate.hash)
  if (others.length === 0) return usurp(scene)
  return toOne(scene, foreignLog(scene, scene.dice.pick(others)))
}

/** Apart from its own logs: nothing of it is ever continued. */
function foreignLog(scene: Scene, author: Pick<Certificate, 'deviceId' | 'hash'>): readonly Uint8Array[] {
  const self = { ...scene.self, certificate: { ...scene.self.certificate, deviceId: author.deviceId } }
  const logs = createOwnLogs()
  const log = logs.open({ ...scene, self }, { certHash: author.hash })
  if (!log) return []
  logs.append({ ...scene, self }, log, { bodies: rogueSession(scene, anyToken(scene)) })
  return logs.read(log, 0)
}

/** A certificate that a node issued to itself, and a log under it: no issuer of the site stands behind it. */
function underOwnIssuer(scene: Scene): readonly Sending[] {
  const { hash, deviceId } = selfIssued(scene, ['issuer'])
  return toFew(scene, foreignLog(scene, { hash, deviceId }))
}

function selfIssued(scene: Scene, roles: readonly Role[]) {
  const { certificate, keys } = scene.self
  const body = {
    ...{ version: CERTIFICATE_VERSION, siteId: scene.site.siteId, issuedBy: certificate.hash },
    ...{ serial: 1 + scene.dice.below(1000), name: 'rogue', roles },
    ...publicKeys(drawKeys(scene.dice.random.bytes)),
    ...{ notBeforeAt: 0, notAfterAt: certificate.notAfterAt },
  }
  const encoded = issueCertificate(scene.signatures, keys.logKey, body)
  // Nobody will enrol it, so any number will do for its hash.
  const hash = hex<CertHash>(scene.dice.random.bytes(32))
  return { encoded, hash, deviceId: deviceIdOf(body.logKey) }
}

/** The operator's words, properly signed, in a node's log. */
function usurp(scene: Scene): readonly Sending[] {
  const log = scene.own.diary(scene)
  if (!log) return []
  const bodies = [...chatter(scene, 1), ...operatorWords(scene)]
  return toFew(scene, [...scene.own.read(log, 0), ...scene.own.append(scene, log, { bodies })])
}

function operatorWords(scene: Scene): readonly AnyBody[] {
  const tokenRef = anyToken(scene)
  const at = Math.max(0, Math.floor(scene.wallMs()))
  const others = scene.site.roster.all()
  const victim = others.length > 0 ? scene.dice.pick(others) : scene.self.certificate
  const heads = scene.memory.heads()
  const head = heads.length > 0 ? scene.dice.pick(heads) : undefined
  const grant: AnyBody = {
    name: 'grant',
    body: {
      ...{ tokenRef, accountRef: '0'.repeat(32), whitelist: 'ALWAYS', supersedes: [], class: 'rogue' },
      ...{ scope: { zones: [], connectorTypes: [] }, notBeforeAt: 0, notAfterAt: at + 10 ** 10 },
      offline: { maxAgeS: 10 ** 9 },
    },
  }
  const words: readonly AnyBody[] = [
    grant,
    { name: 'revoke', body: { tokenRef, reason: 'rogue', effectiveAt: 0 } },
    {
      name: 'tariff',
      body: { tariffId: 'rogue', currency: 'EUR', pricePerKwh: '0.01', effectiveAt: at },
    },
    {
      name: 'device_revoke',
      body: { deviceId: victim.deviceId, serial: victim.serial, reason: 'rogue', cutoff: [] },
    },
    { name: 'device_cert', body: { certificate: changedCertificate(scene) } },
    {
      name: 'charge_point',
      body: {
        ...{ chargerId: rogueCharger(scene), salt: new Uint8Array(16), hash: new Uint8Array(32) },
        ...{ cost: 1, connectors: 1, withdrawn: false },
      },
    },
    ...(head ? [accusation(head)] : []),
  ]
  return scene.dice.shuffled(words).slice(0, 3)
}

/** Two hashes and no proof. */
function accusation(head: LogHead): AnyBody {
  const theirs = `${head.hash.slice(0, 63)}${head.hash.endsWith('0') ? '1' : '0'}` as LogHead['hash']
  return { name: 'fork_evidence', body: { logId: head.logId, seq: head.seq, ours: head.hash, theirs } }
}

/** One that is genuine but for a bit, or one of its own making. */
function changedCertificate(scene: Scene): Uint8Array {
  const { certificates } = scene.site
  if (certificates.length === 0 || scene.dice.chance(0.5))
    return selfIssued(scene, ['issuer', 'cloud']).encoded
  return oneBitChanged(scene.dice, scene.dice.pick(certificates))
}

export const FORGE: Repertoire = {
  quiet: [usurp, underOwnIssuer],
  loud: [underAnotherLog, changedOnTheWay, inAnothersName],
}
