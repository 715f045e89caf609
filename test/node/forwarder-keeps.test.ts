// What a node keeps because of central systems (PROTOCOL 1.11, 3.9): logs of sessions that it has yet to tell, and the words by
// which a session is not told again; and cards' own ids, sealed for whoever forwards.
import { describe, expect, it } from 'vitest'
import type { AnyBody } from '../../src/log/body.ts'
import { signObject } from '../../src/log/object.ts'
import type { LogId, SessionId } from '../../src/units.ts'
import type { CentralSystem } from '../../src/upstream.ts'
import { SITE_OPENED_AT, sessionBodies, type TestLog } from '../site.ts'
import { createWorld, type Member, operatorOf, startMessage, type World } from './world.ts'

const DAY_MS = 24 * 3600 * 1000
const SESSION = sessionBodies({ chargerId: 'CP-7' })
const whole = [SESSION.start, SESSION.pricing, SESSION.tick(1500), SESSION.end]

const AWAY: CentralSystem = {
  name: 'steve',
  terms: { protocol: 'ocpp1.6', lostAnswers: 'hold', shadow: false, live: false, unknownCard: 'X' },
  open: async () => ({ kind: 'closed', reason: 'away' }),
  isOpen: () => false,
  call: async () => ({ kind: 'unsent', reason: 'away' }),
  hangUp: () => undefined,
}

function stoppedWord(): AnyBody {
  const { sessionId, chargerId } = (SESSION.start as Extract<AnyBody, { name: 'session_start' }>).body
  return {
    name: 'forwarded',
    body: {
      ...{ uplink: 'steve', sessionId: sessionId as SessionId, chargerId, stage: 'stopped' },
      ...{ upstreamId: '7', undoes: [], note: '' },
    },
  }
}

function ackOf({ site }: World, log: TestLog): Uint8Array {
  const body = { ...log.ref(), durability: 2, cloudEpoch: 1, issuedAt: SITE_OPENED_AT }
  const { certificate, keys } = site.cloud
  const signer = { certHash: certificate.hash, logKey: keys.logKey, signatures: site.signatures }
  return signObject(signer, { kind: 'ack', body })
}

/** Two logs of a node that is gone, acknowledged where it is said, and forty days later by the operator's word. */
async function oldLogs(
  seed: string,
  first: readonly AnyBody[],
  second: readonly AnyBody[],
  acked: 'both' | 'first',
) {
  const world = createWorld(seed)
  const a = await world.member('a')
  const operator = await operatorOf(world, a)
  const device = world.site.device('gone')
  // Whose words count is who was ever named.
  const value = device.certificate.deviceId
  await operator.record([{ name: 'policy', body: { name: 'forwarders', value } }], a)
  const one = world.site.openLog(device)
  one.append(first, world.wallMs())
  const other = world.site.openLog(device, { prev: one.ref() })
  other.append(second, world.wallMs() + 1000)
  const newest = world.site.openLog(device, { prev: other.ref(), openedAt: world.wallMs() + 60_000 })
  const segments = [one, other, newest].flatMap(log => log.segments())
  const objects = (acked === 'both' ? [one, other] : [one]).map(log => ackOf(world, log))
  await a.node().submit({ certificates: [device.certificate.encoded], segments, objects })
  const { certificate, keys } = world.site.issuer
  const signer = { certHash: certificate.hash, logKey: keys.logKey, signatures: world.site.signatures }
  const issuedAt = SITE_OPENED_AT + 40 * DAY_MS
  const beacon = { ...operator.log.ref(), issuedAt, nextByAt: issuedAt + DAY_MS }
  await a.node().submit({
    certificates: [],
    segments: [],
    objects: [signObject(signer, { kind: 'beacon', body: beacon })],
  })
  return { world, a, one, other }
}

function standOf(a: Member, logId: LogId): string | undefined {
  return a
    .node()
    .reviewLogs(30 * DAY_MS)
    .find(({ log }) => log.logId === logId)?.stand
}

describe('a log stays', () => {
  it('while a central system is to be told of its session by this node', async () => {
    const { a, one } = await oldLogs('owed', whole, [], 'both')
    a.node().forwarder.set([AWAY])
    expect(standOf(a, one.logId)).toBe('sessions')
    a.node().forwarder.set([{ ...AWAY, terms: { ...AWAY.terms, sinceAt: SITE_OPENED_AT + 40 * DAY_MS } }])
    expect(standOf(a, one.logId), 'older than what is wanted there').toBe('due')
    a.node().forwarder.set([])
    expect(standOf(a, one.logId)).toBe('due')
  })

  it('while it says that a session was told which stays itself', async () => {
    const told = await oldLogs('told', [stoppedWord()], whole, 'first')
    expect(standOf(told.a, told.one.logId)).toBe('sessions')
    const both = await oldLogs('told and gone', [stoppedWord()], whole, 'both')
    both.a.node().forwarder.set([AWAY])
    expect([both.one, both.other].map(log => standOf(both.a, log.logId))).toEqual(['due', 'due'])
  })
})

describe('a card that was read', () => {
  it('is sealed in the start only where somebody may forward', async () => {
    const world = createWorld('sealed')
    const a = await world.member('a')
    const operator = await operatorOf(world, a)
    const box = new Uint8Array(52).fill(7)
    a.sealTag = () => box
    await a.tell(startMessage(world))
    const order = { name: 'forwarders', value: a.deviceId }
    await operator.record([{ name: 'policy', body: order }], a)
    await a.tell(startMessage(world, { connectorId: 2 }))
    const sealed = a
      .node()
      .ledger()
      .view()
      .sessions()
      .map(session => session.tagSealed)
    expect(sealed).toEqual([undefined, box])
  })
})
