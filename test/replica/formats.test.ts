// Golden bytes of everything signed or sent that is no event: a certificate, the objects, the five messages, the Yjs
// update. Made anew from fixed keys and times and compared with test/fixtures/formats.json; never edited, only added.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as Y from 'yjs'
import { ISSUED_BY_ROOT, issueCertificate, siteIdOf } from '../../src/identity/certificate.ts'
import { publicKeys } from '../../src/identity/keys.ts'
import { createRoster } from '../../src/identity/roster.ts'
import { ed25519, publicKeyOf } from '../../src/identity/signature.ts'
import { readObject, type Statement, signObject } from '../../src/log/object.ts'
import { MAX_MESSAGE_BYTES } from '../../src/ports.ts'
import { encodeUpdate, MAX_SEGMENT_BYTES } from '../../src/replica/canonical.ts'
import { documentOf, elementsOf, stateOf } from '../../src/replica/document.ts'
import {
  decodeMessage,
  encodeMessage,
  MAX_HAVE_ENTRIES,
  MAX_OBJECTS,
  MAX_WANT_LOGS,
  type Message,
} from '../../src/replica/message.ts'
import { type DeviceId, type EventHash, hex, type LogId, unhex } from '../../src/units.ts'

const signatures = ed25519()
const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const ROOT_SEED = filled(32, 1)
const rootKey = publicKeyOf(ROOT_SEED)
const siteId = siteIdOf(rootKey)
const AT = Date.UTC(2026, 5, 1, 8)
const LATER = Date.UTC(2026, 8, 1, 8)
const logId = '10'.repeat(16) as LogId
const hash = 'ab'.repeat(32) as EventHash
const roster = createRoster({ signatures }, siteId, rootKey)

function certified(seed: number, body: { issuedBy: string; by: Uint8Array; roles: readonly string[] }) {
  const keys = { peerKey: filled(32, seed), logKey: filled(32, seed + 1), sealKey: filled(32, seed + 2) }
  const encoded = issueCertificate(signatures, body.by, {
    ...{ version: 1, siteId, issuedBy: body.issuedBy as typeof ISSUED_BY_ROOT, serial: seed, name: 'Süd 1' },
    ...{ roles: body.roles as ['node'], ...publicKeys(keys), notBeforeAt: AT, notAfterAt: LATER },
  })
  const verdict = roster.enrol(encoded)
  if (verdict.kind === 'refused') throw new Error(verdict.reason)
  return { certificate: verdict.certificate, keys }
}

const issuer = certified(10, { issuedBy: ISSUED_BY_ROOT, by: ROOT_SEED, roles: ['issuer', 'revoker'] })
const byIssuer = { issuedBy: issuer.certificate.hash, by: issuer.keys.logKey }
const cloud = certified(20, { ...byIssuer, roles: ['cloud'] })
const node = certified(30, { ...byIssuer, roles: ['node'] })

function object(signer: typeof node, statement: Statement): Uint8Array {
  const { certificate, keys } = signer
  // The encoder may give a Buffer; what is read back never is one.
  return Uint8Array.from(
    signObject({ certHash: certificate.hash, logKey: keys.logKey, signatures }, statement),
  )
}

const OBJECTS = {
  ack: object(cloud, {
    kind: 'ack',
    body: { logId, seq: 4095, hash, durability: 2, cloudEpoch: 3, issuedAt: AT },
  }),
  beacon: object(issuer, {
    kind: 'beacon',
    body: { logId, seq: 70_000, hash, issuedAt: AT, nextByAt: LATER },
  }),
  uplink: object(node, {
    kind: 'uplink',
    body: { deviceId: node.certificate.deviceId as DeviceId, issuedAt: AT, uplink: 'cellular' },
  }),
}
const ELEMENTS = [filled(3, 7), new Uint8Array(), filled(200, 8)]
const entry = { kind: 'ack' as const, key: logId, version: 2 ** 40 }
const MESSAGES: { readonly [K in Message['kind']]: Message } = {
  have: { kind: 'have', heads: [{ logId, seq: 300, hash: filled(8, 5) }], objects: [entry] },
  want: {
    kind: 'want',
    logs: [
      { logId, fromSeq: 0, prevHash: new Uint8Array() },
      { logId, fromSeq: 301, prevHash: filled(8, 6) },
    ],
    objects: [entry],
  },
  segment: {
    ...{ kind: 'segment', logId, fromSeq: 128, update: encodeUpdate(128, ELEMENTS), more: true },
    prevHash: filled(8, 6),
  },
  objects: { kind: 'objects', objects: [OBJECTS.ack, OBJECTS.beacon] },
  digest: { kind: 'digest', digest: filled(16, 9) },
  prune: { kind: 'prune', authors: [node.certificate.deviceId as DeviceId], objects: true },
  graft: { kind: 'graft', authors: [node.certificate.deviceId as DeviceId], objects: false },
  cut: {
    ...{ kind: 'cut', logId, first: filled(120, 10), prev: filled(32, 11), last: filled(90, 12) },
    ack: OBJECTS.ack,
  },
}

function made(): Readonly<Record<string, string>> {
  const rows: [string, Uint8Array][] = [
    ['certificate of an issuer', issuer.certificate.encoded],
    ['certificate of a node', node.certificate.encoded],
    ...Object.entries(OBJECTS).map(([kind, bytes]) => [`object ${kind}`, bytes] as [string, Uint8Array]),
    ...Object.entries(MESSAGES).map(
      ([kind, message]) => [`message ${kind}`, encodeMessage(message)] as [string, Uint8Array],
    ),
    ['update from 0', encodeUpdate(0, ELEMENTS)],
    ['update from 128', encodeUpdate(128, ELEMENTS)],
  ]
  return Object.fromEntries(rows.map(([name, bytes]) => [name, hex(bytes)]))
}

const golden = JSON.parse(
  readFileSync(new URL('../fixtures/formats.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, string>>
const bytesOf = (name: string): Uint8Array => unhex(golden[name] ?? '')

describe('the fixtures of formats', () => {
  it.each(Object.entries(made()))('%s is as it always was', (name, bytes) => {
    if (golden[name] === undefined)
      throw new Error(`no fixture; the file as this code writes it:\n${JSON.stringify(made(), null, 1)}`)
    expect(bytes).toBe(golden[name])
  })

  it('hold nothing that the code has forgotten', () => {
    expect(Object.keys(golden).sort()).toEqual(Object.keys(made()).sort())
  })

  it('are read as what they say', () => {
    for (const [kind, message] of Object.entries(MESSAGES))
      expect(decodeMessage(bytesOf(`message ${kind}`))).toEqual(message)
    for (const kind of Object.keys(OBJECTS)) {
      const verdict = readObject({ roster, signatures }, bytesOf(`object ${kind}`))
      expect(verdict).toMatchObject({ kind: 'valid', object: { kind } })
    }
  })

  it('hold the update that Yjs makes of the same elements', () => {
    const doc = new Y.Doc({ gc: false })
    doc.clientID = 1
    doc.getArray<Uint8Array>('e').push(ELEMENTS)
    expect(hex(Y.encodeStateAsUpdate(doc))).toBe(golden['update from 0'])
    expect(elementsOf(documentOf(bytesOf('update from 0')))).toEqual(ELEMENTS)
    expect(hex(stateOf(documentOf(bytesOf('update from 0'))))).toBe(golden['update from 0'])
  })
})

describe('an object', () => {
  const judged = (encoded: Uint8Array): string => {
    const verdict = readObject({ roster, signatures }, encoded)
    return verdict.kind === 'valid' ? 'valid' : verdict.reason
  }
  const ack = { logId, seq: 1, hash, durability: 1, cloudEpoch: 1, issuedAt: AT }

  it('is refused when its signer may not state it', () => {
    expect(judged(object(node, { kind: 'ack', body: ack }))).toBe('not-its-role')
    expect(judged(object(issuer, { kind: 'ack', body: ack }))).toBe('not-its-role')
    const uplink = { deviceId: cloud.certificate.deviceId, issuedAt: AT, uplink: 'x' }
    expect(judged(object(node, { kind: 'uplink', body: uplink }))).toBe('not-its-role')
  })

  it('is refused when its signer is unknown, or was out of force when it was stated', () => {
    const stranger = { ...cloud.certificate, hash: '00'.repeat(32) as typeof cloud.certificate.hash }
    expect(judged(object({ ...cloud, certificate: stranger }, { kind: 'ack', body: ack }))).toBe(
      'unknown-signer',
    )
    expect(judged(object(cloud, { kind: 'ack', body: { ...ack, issuedAt: AT - 1 } }))).toBe('expired-signer')
  })

  it('is refused after any change of any byte', () => {
    const good = OBJECTS.ack
    for (let at = 0; at < good.length; at++) {
      const bad = good.slice()
      bad[at] = (bad[at] ?? 0) ^ 1
      expect(judged(bad), `byte ${at}`).not.toBe('valid')
    }
  })

  it('of an ack has a greater version with each epoch of the cloud, prefix and durability', () => {
    const versions = [
      ack,
      { ...ack, durability: 2 },
      { ...ack, seq: 2 },
      { ...ack, seq: 2 ** 23 },
      { ...ack, cloudEpoch: 2, seq: 0 },
    ].map(body => {
      const verdict = readObject({ roster, signatures }, object(cloud, { kind: 'ack', body }))
      return verdict.kind === 'valid' ? verdict.object.version : -1
    })
    expect(versions).toEqual(versions.toSorted((a, b) => a - b))
    expect(new Set(versions).size).toBe(versions.length)
  })
})

describe('the greatest message of each kind', () => {
  const MAX = Number.MAX_SAFE_INTEGER
  const many = <T>(count: number, one: T): T[] => Array.from({ length: count }, () => one)
  const wide = { ...entry, version: MAX }
  it.each<[string, Message]>([
    [
      'have',
      {
        kind: 'have',
        heads: many(MAX_HAVE_ENTRIES, { logId, seq: MAX, hash: filled(8, 1) }),
        objects: many(MAX_HAVE_ENTRIES, wide),
      },
    ],
    [
      'want',
      {
        kind: 'want',
        logs: many(MAX_WANT_LOGS, { logId, fromSeq: MAX, prevHash: filled(8, 1) }),
        objects: many(MAX_WANT_LOGS, wide),
      },
    ],
    [
      'segment',
      {
        ...{ kind: 'segment', logId, fromSeq: MAX, update: filled(MAX_SEGMENT_BYTES, 1), more: true },
        prevHash: filled(8, 1),
      },
    ],
    ['objects', { kind: 'objects', objects: many(MAX_OBJECTS, filled(1400, 1)) }],
  ])('%s fits a frame, and one entry more is refused', (kind, message) => {
    const encoded = encodeMessage(message)
    expect(encoded.length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES)
    expect(decodeMessage(encoded)?.kind).toBe(kind)
    const more = {
      ...message,
      ...('heads' in message && { heads: [...message.heads, ...message.heads.slice(0, 1)] }),
      ...('logs' in message && { logs: [...message.logs, ...message.logs.slice(0, 1)] }),
      ...('update' in message && { update: filled(MAX_SEGMENT_BYTES + 1, 1) }),
      ...(message.kind === 'objects' && { objects: [...message.objects, filled(1, 1)] }),
    }
    expect(() => encodeMessage(more as Message)).toThrow()
  })
})
