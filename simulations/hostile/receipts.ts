// Receipts that nobody gave: acks and beacons signed by itself, by a key that it made up, or in the name of whoever may
// sign them; genuine ones changed; marks and signs of life under its own seal, which it may sign and nobody may act on
// to anybody's loss (PROTOCOL 3.3, 3.5).
import { ROLES } from '../../src/identity/certificate.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { type ObjectSigner, type Statement, signObject } from '../../src/log/object.ts'
import { type CertHash, hex } from '../../src/units.ts'
import {
  oneBitChanged,
  type Repertoire,
  type Scene,
  type Sending,
  say,
  someOf,
  toFew,
  toOne,
} from './scene.ts'
import { chatter } from './words.ts'

const DAY_MS = 24 * 3600 * 1000

/** Acks of all that it heard of, up to the head and beyond; or a beacon. */
function statements(scene: Scene): readonly Statement[] {
  const issuedAt = Math.max(0, Math.floor(scene.wallMs()))
  return someOf(scene.dice, scene.memory.heads(), 4).map((head): Statement => {
    const { logId, hash } = head
    const seq = head.seq + (scene.dice.chance(0.3) ? 1000 : 0)
    if (scene.dice.chance(0.3))
      return { kind: 'beacon', body: { logId, seq, hash, issuedAt, nextByAt: issuedAt + DAY_MS } }
    return {
      kind: 'ack',
      body: { logId, seq, hash, durability: 2, cloudEpoch: 1 + scene.dice.below(9), issuedAt },
    }
  })
}

function objects(scene: Scene, signer: ObjectSigner): readonly Uint8Array[] {
  const signed = statements(scene).map(statement => signObject(signer, statement))
  return signed.length > 0 ? [say({ kind: 'objects', objects: signed })] : []
}

function signedBy(scene: Scene, certHash: CertHash, logKey: Uint8Array): ObjectSigner {
  return { certHash, logKey, signatures: scene.signatures }
}

/** A signer that nobody knows may yet become known: such an object is dropped and nobody is punished. */
function byMadeUpKey(scene: Scene): readonly Sending[] {
  const { random } = scene.dice
  const signer = signedBy(scene, hex<CertHash>(random.bytes(32)), random.bytes(32))
  return orMarks(scene, toFew(scene, objects(scene, signer)))
}

function byItself(scene: Scene): readonly Sending[] {
  const signer = signedBy(scene, scene.self.certificate.hash, scene.self.keys.logKey)
  return orMarks(scene, toOne(scene, objects(scene, signer)))
}

/** The cloud's and the issuer's name over its own signature. */
function inAnothersName(scene: Scene): readonly Sending[] {
  const [issuers, clouds] = [ROLES[0], ROLES[3]].map(role =>
    scene.site.roster.all().filter(one => one.roles.includes(role)),
  )
  const authorities = [...(issuers ?? []), ...(clouds ?? [])]
  if (authorities.length === 0) return byItself(scene)
  const signer = signedBy(scene, scene.dice.pick(authorities).hash, scene.self.keys.logKey)
  return orMarks(scene, toOne(scene, objects(scene, signer)))
}

/** A genuine receipt but for one bit. */
function changed(scene: Scene): readonly Sending[] {
  const heard = scene.memory.objects()
  if (heard.length === 0) return byItself(scene)
  const object = oneBitChanged(scene.dice, scene.dice.pick(heard))
  return toOne(scene, [say({ kind: 'objects', objects: [object] })])
}

/** "The cloud has it", of sessions that others recorded. */
function marks(scene: Scene): readonly Sending[] {
  const log = scene.own.diary(scene)
  if (!log) return []
  const ackedAt = Math.max(0, Math.floor(scene.wallMs()))
  const said = someOf(scene.dice, scene.memory.stops(), 4).map(
    ({ sessionId, end }): AnyBody => ({
      name: 'reconciliation_mark',
      body: { sessionId, end, cloudEpoch: 1, ackedAt },
    }),
  )
  const bodies = [...chatter(scene, 1), ...said]
  return toFew(scene, [...scene.own.read(log, 0), ...scene.own.append(scene, log, { bodies })])
}

/** "I have an uplink", now or next month. */
function signOfLife(scene: Scene): readonly Sending[] {
  const { certificate, keys } = scene.self
  const aheadMs = scene.dice.pick([0, 60_000, 30 * DAY_MS])
  const issuedAt = Math.max(0, Math.floor(scene.wallMs()) + aheadMs)
  const statement: Statement = {
    kind: 'uplink',
    body: { deviceId: certificate.deviceId, issuedAt, uplink: 'rogue' },
  }
  const object = signObject(signedBy(scene, certificate.hash, keys.logKey), statement)
  return toFew(scene, [say({ kind: 'objects', objects: [object] })])
}

function orMarks(scene: Scene, sendings: readonly Sending[]): readonly Sending[] {
  return sendings.length > 0 ? sendings : marks(scene)
}

export const FAKE_RECEIPTS: Repertoire = {
  quiet: [byMadeUpKey, byMadeUpKey, marks, signOfLife],
  loud: [byItself, inAnothersName, changed],
}
