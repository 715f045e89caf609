import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createHello,
  type Hello,
  type HelloOptions,
  type HelloStep,
  MAX_HELLO_BYTES,
} from '../../src/host/hello.ts'
import { issueCertificate } from '../../src/identity/certificate.ts'
import { publicKeys } from '../../src/identity/keys.ts'
import { createRoster } from '../../src/identity/roster.ts'
import { SITE_OPENED_AT, type TestDevice, testSite } from '../site.ts'

const site = testSite('hello')
const [alice, bob] = [site.device('alice'), site.device('bob')]
const aliceKeys = publicKeys(alice.keys)
const bobKeys = publicKeys(bob.keys)

function side(role: HelloOptions['role'], lies: Partial<HelloOptions> = {}): Hello {
  const [own, other]: [TestDevice, TestDevice] = role === 'initiator' ? [alice, bob] : [bob, alice]
  return createHello({
    role,
    ownDevice: own.certificate.deviceId,
    ownPeerKey: publicKeys(own.keys).peerKey,
    remotePeerKey: publicKeys(other.keys).peerKey,
    logKey: own.keys.logKey,
    certificates: [site.issuer.certificate.encoded, own.certificate.encoded],
    software: 'test',
    nonce: site.random(32),
    roster: site.roster(),
    signatures: site.signatures,
    isBanned: () => false,
    ...lies,
  })
}

/** Carries messages to and fro until nobody has anything to say; the last step of each. */
function run(
  initiator: Hello,
  responder: Hello,
): { first: HelloStep | undefined; second: HelloStep | undefined } {
  let first: HelloStep | undefined
  let second: HelloStep | undefined
  let toSecond = initiator.begin()
  while (toSecond.length > 0) {
    const answers: Uint8Array[] = []
    for (const message of toSecond) {
      second = responder.receive(message, SITE_OPENED_AT)
      answers.push(...second.send)
    }
    const next: Uint8Array[] = []
    for (const message of answers) {
      first = initiator.receive(message, SITE_OPENED_AT)
      next.push(...first.send)
    }
    toSecond = next
  }
  return { first, second }
}

/** The one message of a step or of a beginning. */
function only(messages: readonly Uint8Array[]): Uint8Array {
  if (messages.length !== 1 || !messages[0]) throw new Error(`${messages.length} messages`)
  return messages[0]
}

describe('hello', () => {
  it('verifies both ways, and enrols what it was shown', () => {
    const roster = site.roster()
    const { first, second } = run(side('initiator', { roster }), side('responder'))
    expect(first).toMatchObject({ kind: 'verified', certificate: { name: 'bob' } })
    expect(second).toMatchObject({ kind: 'verified', certificate: { name: 'alice' } })
    expect(roster.byDevice(bob.certificate.deviceId)?.name).toBe('bob')
  })

  it.each<[string, Partial<HelloOptions>]>([
    ['no-certificate', { certificates: [] }],
    ['malformed', { certificates: [new Uint8Array(100)] }],
    ['unknown-issuer', { certificates: [alice.certificate.encoded] }],
    ['not-your-certificate', { certificates: [bob.certificate.encoded] }],
    ['not-a-node', { certificates: [site.cloud.certificate.encoded] }],
    ['bad-proof', { logKey: bob.keys.logKey }],
  ])('is refused as %s', (reason, lies) => {
    const strict = reason === 'unknown-issuer' ? { roster: emptyRoster() } : {}
    const remotePeerKey = reason === 'not-a-node' ? publicKeys(site.cloud.keys).peerKey : aliceKeys.peerKey
    const { first, second } = run(side('initiator', lies), side('responder', { ...strict, remotePeerKey }))
    expect(second).toMatchObject({ kind: 'refused', reason })
    expect(first).toMatchObject({ kind: 'refused', reason: 'refused-by-peer', saidByPeer: reason })
  })

  it('is refused by the initiator just as well, before it has given a proof', () => {
    const { first, second } = run(side('initiator'), side('responder', { logKey: alice.keys.logKey }))
    expect(first).toMatchObject({ kind: 'refused', reason: 'bad-proof' })
    expect(second).toMatchObject({ kind: 'refused', reason: 'refused-by-peer' })
  })

  it('refuses a banned device, and our own under another key', () => {
    const banned = side('responder', { isBanned: id => id === alice.certificate.deviceId })
    expect(run(side('initiator'), banned).second).toMatchObject({ reason: 'banned' })
    const own = side('responder', { ownDevice: alice.certificate.deviceId })
    expect(run(side('initiator'), own).second).toMatchObject({ reason: 'own-device' })
  })

  it('judges who slept by the renewal that it has not heard of', () => {
    const DAY_MS = 24 * 3600 * 1000
    const [fromAt, toAt] = [SITE_OPENED_AT - 200 * DAY_MS, SITE_OPENED_AT - 100 * DAY_MS]
    const sleeper = site.device('sleeper', ['node'], { fromAt, toAt })
    const { hash: _, deviceId, encoded, ...body } = sleeper.certificate
    const renewed = issueCertificate(site.signatures, site.issuer.keys.logKey, {
      ...{ ...body, serial: body.serial + 1, notAfterAt: SITE_OPENED_AT + DAY_MS },
    })
    const roster = site.roster([sleeper])
    const asleep = () =>
      side('initiator', {
        ...{ ownDevice: deviceId, ownPeerKey: body.peerKey, logKey: sleeper.keys.logKey },
        certificates: [site.issuer.certificate.encoded, encoded],
      })
    const met = () => run(asleep(), side('responder', { roster, remotePeerKey: body.peerKey })).second
    expect(met()).toMatchObject({ kind: 'refused', reason: 'out-of-force' })
    roster.enrol(renewed)
    expect(met()).toMatchObject({ kind: 'verified', certificate: { serial: body.serial + 1 } })
  })

  it('accepts no proof of another hello, whichever side it came from', () => {
    const initiator = side('initiator')
    const responder = side('responder')
    const answer = only(responder.receive(only(initiator.begin()), SITE_OPENED_AT).send)
    const proof = only(initiator.receive(answer, SITE_OPENED_AT).send)
    const later = side('responder')
    later.receive(only(side('initiator').begin()), SITE_OPENED_AT)
    expect(later.receive(proof, SITE_OPENED_AT)).toMatchObject({ kind: 'refused', reason: 'bad-proof' })
    const fresh = side('initiator')
    expect(fresh.receive(answer, SITE_OPENED_AT)).toMatchObject({ kind: 'refused', reason: 'bad-proof' })
    expect(bobKeys.logKey).not.toEqual(aliceKeys.logKey)
  })

  it('refuses messages that are out of turn', () => {
    const begin = only(side('initiator').begin())
    expect(side('initiator').receive(begin, SITE_OPENED_AT)).toMatchObject({ reason: 'unexpected-message' })
    const responder = side('responder')
    responder.receive(begin, SITE_OPENED_AT)
    expect(responder.receive(begin, SITE_OPENED_AT)).toMatchObject({ reason: 'unexpected-message' })
    expect(responder.receive(begin, SITE_OPENED_AT)).toMatchObject({ reason: 'unexpected-message' })
    const empty = Uint8Array.of(0x80)
    expect(side('initiator').receive(empty, SITE_OPENED_AT)).toMatchObject({ reason: 'unexpected-message' })
    expect(side('responder').receive(empty, SITE_OPENED_AT)).toMatchObject({ reason: 'unexpected-message' })
  })

  it('never verifies and never throws on bytes that were changed on the way', () => {
    const honest = only(side('initiator').begin())
    fc.assert(
      fc.property(
        fc.nat(honest.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.uint8Array(),
        (at, flip, junk) => {
          const changed = honest.slice()
          changed[at] = (changed[at] ?? 0) ^ flip
          expect(side('responder').receive(changed, SITE_OPENED_AT).kind).not.toBe('verified')
          expect(side('responder').receive(junk, SITE_OPENED_AT).kind).toBe('refused')
        },
      ),
      { numRuns: 60 },
    )
    expect(side('responder').receive(new Uint8Array(MAX_HELLO_BYTES + 1), SITE_OPENED_AT)).toMatchObject({
      reason: 'malformed-hello',
    })
  })

  it('writes only plain letters of what a stranger gives as its reason', () => {
    const words = '\n[31mroot'
    const refusal = Uint8Array.of(0x83, 0xf6, 0xf6, 0x60 + words.length, ...new TextEncoder().encode(words))
    expect(side('responder').receive(refusal, SITE_OPENED_AT)).toMatchObject({
      reason: 'refused-by-peer',
      saidByPeer: '????mroot',
    })
  })
})

/** Knows the root only. */
function emptyRoster(): HelloOptions['roster'] {
  return createRoster({ signatures: site.signatures }, site.siteId, site.rootKey)
}
