// A hostile member is what its plan says: each trick is seen from outside, by the real gate and the real reader of
// objects; it is bounded, the same seed lies alike, and honest nodes around it keep what they had.
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../simulations/dice.ts'
import { MAX_OWN_EVENTS, MAX_OWN_LOGS } from '../../simulations/hostile/own.ts'
import { createHostile, MAX_BYTES_AN_ACT, MAX_MESSAGES_AN_ACT } from '../../simulations/hostile.ts'
import { HOSTILE_TRICKS, type HostileTrick } from '../../simulations/plan.ts'
import { createHeap } from '../../simulations/world/heap.ts'
import { decodeBody } from '../../src/log/body.ts'
import { MAX_LEAD_MS, wallOf } from '../../src/log/hlc.ts'
import { readObject, signObject } from '../../src/log/object.ts'
import { MAX_MESSAGE_BYTES, type Segment } from '../../src/ports.ts'
import type { Admission } from '../../src/replica/admit.ts'
import { decodeUpdate, MAX_SEGMENT_EVENTS } from '../../src/replica/canonical.ts'
import { decodeMessage, encodeMessage, type Message } from '../../src/replica/message.ts'
import { type DeviceId, hex, type LogId } from '../../src/units.ts'
import { siteOf } from '../node/thief.ts'
import { chainsOf, sameEverywhere, sessionsOf, startMessage, stopMessage } from '../node/world.ts'
import { type Gate, gateOf } from '../replica/gate.ts'
import { SITE_OPENED_AT, sessionBodies, testSite } from '../site.ts'

const PEERS = ['000000', '000001', '000002', '000003'].map(start => start.padEnd(32, 'a') as DeviceId)
const MINUTE_MS = 60_000
type Said = { readonly atMs: number; readonly to: DeviceId; readonly bytes: Uint8Array }

/** One hostile member among four ears that only listen; it has heard an honest node's log and receipts. */
function stage(tricks: readonly HostileTrick[], seed = 7) {
  const site = testSite('stage')
  const [self, honest] = [site.device('rogue'), site.device('honest')]
  const roster = site.roster([self, honest])
  const log = site.openLog(honest)
  for (let i = 0; i < 5; i++) {
    const session = sessionBodies({ chargerId: `CP-${i}` })
    log.append([session.start, session.tick(1000 + i), session.end])
  }
  const tasks = createHeap()
  const said: Said[] = []
  let nowMs = 0
  const hostile = createHostile({
    ...{ plan: { node: 3, tricks }, self, signatures: site.signatures, dice: seededRandom(seed) },
    site: { certificates: roster.all().map(one => one.encoded), roster, siteId: site.siteId },
    schedule: (delayMs, task) => tasks.push(nowMs + delayMs, task),
    nowMs: () => nowMs,
    wallMs: () => SITE_OPENED_AT + nowMs,
    network: {
      send: (to, bytes) => void said.push({ atMs: nowMs, to, bytes }),
      ...{ peers: () => PEERS, ban: () => undefined },
      traffic: () => ({ receivedBytes: 0, sentBytes: 0 }),
    },
  })
  for (const peer of PEERS) hostile.onPeer(peer)
  const hear = (message: Message, from = PEERS[0] as DeviceId): void =>
    hostile.onMessage(from, encodeMessage(message))
  const segments = log.segments(0, 4)
  for (const segment of segments)
    hear({ kind: 'segment', ...segment, more: false, prevHash: before(segment) })
  const ref = log.ref()
  const ack = signObject(
    { certHash: site.cloud.certificate.hash, logKey: site.cloud.keys.logKey, signatures: site.signatures },
    { kind: 'ack', body: { ...ref, durability: 2, cloudEpoch: 1, issuedAt: SITE_OPENED_AT } },
  )
  hear({ kind: 'objects', objects: [ack] })
  said.length = 0
  const run = (ms: number): void => {
    const endMs = nowMs + ms
    for (let next = tasks.pop(endMs); next; next = tasks.pop(endMs)) {
      nowMs = next.atMs
      next.task()
    }
    nowMs = endMs
  }
  function before(segment: Segment): Uint8Array {
    const hash = log.events()[segment.fromSeq - 1]?.hash
    return hash ? Uint8Array.from(Buffer.from(hash.slice(0, 16), 'hex')) : new Uint8Array(0)
  }
  return { site, self, honest, roster, log, segments, hostile, said, run, hear, ack }
}

type Stage = ReturnType<typeof stage>

function messagesOf(said: readonly Said[]): readonly Message[] {
  return said.flatMap(({ bytes }) => decodeMessage(bytes) ?? [])
}

/** A gate that holds the honest log, as every honest node would. */
function honestGate({ site, self, honest, segments }: Stage) {
  const gate = gateOf(site, [self, honest])
  for (const segment of segments) gate.admit(segment)
  return gate
}

/** What an honest node's gate says, as src/mesh.ts asks it: what follows another branch than ours is never judged. */
function verdictsOf(said: readonly Said[], gate: Gate): readonly Admission[] {
  return messagesOf(said).flatMap(message => {
    if (message.kind !== 'segment') return []
    const before = gate.logs.get(message.logId)?.hashes[message.fromSeq - 1]
    const isBranch = before !== undefined && before.slice(0, 16) !== hex(message.prevHash)
    return isBranch && message.prevHash.length === 8 ? [] : gate.admit(message)
  })
}

function kindsOf(verdicts: readonly Admission[]): ReadonlySet<string> {
  return new Set(verdicts.map(one => (one.kind === 'invalid' ? one.reason : one.kind)))
}

describe('a trick, as the gate sees it', () => {
  it('forge: seals under another log, changed segments and names are refused, and no honest log moves', () => {
    const on = stage(['forge'])
    on.run(20 * MINUTE_MS)
    const gate = honestGate(on)
    const seen = kindsOf(verdictsOf(on.said, gate))
    for (const kind of ['bad-signature', 'unknown-certificate', 'admitted']) expect(seen).toContain(kind)
    expect(gate.logs.get(on.log.logId)?.head.seq).toBe(on.log.ref().seq)
    expect(gate.logs.get(on.log.logId)?.fork).toBeUndefined()
  })

  it('forge: the operator’s words stand in a log of its own, under its own certificate', () => {
    const on = stage(['forge'])
    on.run(10 * MINUTE_MS)
    const said = verdictsOf(on.said, honestGate(on)).flatMap(one =>
      one.kind === 'admitted' && one.certificate.deviceId === on.self.certificate.deviceId ? one.events : [],
    )
    const names = new Set(said.map(event => decodeBody(event.type, event.body)?.name))
    for (const name of ['grant', 'revoke', 'device_cert', 'device_revoke', 'fork_evidence'])
      expect(names).toContain(name)
  })

  it('equivocate: each peer hears one consistent branch, and two peers together hold a proof', () => {
    const on = stage(['equivocate'])
    on.run(2 * MINUTE_MS)
    const tellingApart = messagesOf(on.said).length
    expect(tellingApart).toBeGreaterThan(10)
    const [a, b] = [PEERS[0], PEERS[1]].map(peer => on.said.filter(one => one.to === peer))
    const gate = honestGate(on)
    const first = verdictsOf(a ?? [], gate)
    const second = verdictsOf(b ?? [], gate)
    expect(kindsOf(first)).toContain('admitted')
    expect(second.filter(one => one.kind === 'fork').length).toBeGreaterThan(2)
    expect(kindsOf([...first, ...second])).not.toContain('bad-signature')
  })

  it('equivocate: some forks have three branches', () => {
    const on = stage(['equivocate'])
    on.run(5 * MINUTE_MS)
    const firsts = new Map<LogId, Set<string>>()
    for (const message of messagesOf(on.said))
      if (message.kind === 'segment' && message.fromSeq === 1)
        firsts.set(message.logId, (firsts.get(message.logId) ?? new Set()).add(hex(message.update)))
    expect(Math.max(...[...firsts.values()].map(branches => branches.size))).toBe(3)
  })

  it('long forks: both branches are longer than a segment, and carried to the end on request', () => {
    const on = stage(['long-forks'])
    on.run(5 * MINUTE_MS)
    const segments = messagesOf(on.said).flatMap(one => (one.kind === 'segment' ? one : []))
    const long = segments.find(one => one.fromSeq > 180)?.logId as LogId
    const ends = [PEERS[0], PEERS[1]].map(peer => {
      on.said.length = 0
      on.hear(
        { kind: 'want', logs: [{ logId: long, fromSeq: 200, prevHash: new Uint8Array(0) }], objects: [] },
        peer,
      )
      const last = messagesOf(on.said).at(-1)
      return last?.kind === 'segment' ? last : undefined
    })
    for (const end of ends) expect(end?.fromSeq).toBeGreaterThan(MAX_SEGMENT_EVENTS - 64)
    expect(hex(ends[0]?.update ?? new Uint8Array(0))).not.toBe(hex(ends[1]?.update ?? new Uint8Array(0)))
  })

  it('overcharge: stops of sessions that others recorded, with a higher register, in a log of its own', () => {
    const on = stage(['overcharge'])
    on.run(5 * MINUTE_MS)
    const honest = new Map(
      on.log.events().flatMap(event => {
        const said = decodeBody(event.type, event.body)
        return said?.name === 'session_end' ? [[said.body.sessionId, said.body] as const] : []
      }),
    )
    const claims = verdictsOf(on.said, honestGate(on)).flatMap(one =>
      one.kind === 'admitted' && one.certificate.deviceId === on.self.certificate.deviceId
        ? one.events.flatMap(event => {
            const said = decodeBody(event.type, event.body)
            return said?.name === 'session_end' ? [said.body] : []
          })
        : [],
    )
    expect(claims.length).toBeGreaterThan(10)
    for (const claim of claims) {
      const told = claim.sessionId && honest.get(claim.sessionId)
      expect(told?.chargerId).toBe(claim.chargerId)
      expect(claim.meterStopWh).toBeGreaterThan(told?.meterStopWh ?? Number.POSITIVE_INFINITY)
    }
  })

  it('withhold: announces more of a log than there is, and answers no question', () => {
    const on = stage(['withhold', 'equivocate'])
    on.run(5 * MINUTE_MS)
    const before = messagesOf(on.said)
    const heads = before.flatMap(message => (message.kind === 'have' ? message.heads : []))
    expect(heads.some(head => head.logId === on.log.logId && head.seq > on.log.ref().seq)).toBe(true)
    on.said.length = 0
    const own = before.flatMap(message => (message.kind === 'segment' ? message.logId : []))
    expect(own.length).toBeGreaterThan(10)
    for (const logId of [...own, ...heads.map(head => head.logId)])
      on.hear({ kind: 'want', logs: [{ logId, fromSeq: 0, prevHash: new Uint8Array(0) }], objects: [] })
    expect(on.said).toEqual([])
  })

  it('without withholding, it answers for its own logs, each peer of its own branch', () => {
    const on = stage(['equivocate'])
    on.run(MINUTE_MS)
    const logId = messagesOf(on.said).find(message => message.kind === 'segment')?.logId as LogId
    on.said.length = 0
    const ask = (peer: DeviceId | undefined): readonly string[] => {
      const want = { logs: [{ logId, fromSeq: 0, prevHash: new Uint8Array(0) }], objects: [] }
      on.hear({ kind: 'want', ...want }, peer)
      return on.said.splice(0).map(one => hex(one.bytes))
    }
    const [first, again, other] = [ask(PEERS[0]), ask(PEERS[0]), ask(PEERS[1])]
    expect(first.length).toBeGreaterThan(1)
    expect(again).toEqual(first)
    expect(other).not.toEqual(first)
    expect(other[0]).toBe(first[0])
  })

  it('replay: says nothing that it was not told, and says it again and again', () => {
    const on = stage(['replay'])
    on.run(5 * MINUTE_MS)
    const updates = new Set(on.segments.map(segment => hex(segment.update)))
    const messages = messagesOf(on.said)
    expect(messages.length).toBe(on.said.length)
    for (const message of messages) {
      if (message.kind === 'segment') expect(updates).toContain(hex(message.update))
      else expect(message.kind === 'objects' && message.objects.map(hex)).toEqual([hex(on.ack)])
    }
    expect(messages.length).toBeGreaterThan(10 * on.segments.length)
    expect(kindsOf(verdictsOf(on.said, honestGate(on)))).toEqual(new Set(['duplicate']))
  })

  it('bombs: frames up to the limit that nobody can read, and updates that the gate refuses', () => {
    const on = stage(['bombs'])
    on.run(30 * MINUTE_MS)
    expect(Math.max(...on.said.map(one => one.bytes.length))).toBe(MAX_MESSAGE_BYTES)
    expect(messagesOf(on.said).length).toBeLessThan(on.said.length / 2)
    const verdicts = verdictsOf(on.said, honestGate(on))
    const seen = kindsOf(verdicts)
    expect(verdicts.length).toBeGreaterThan(10)
    for (const kind of ['update-malformed', 'first-event-not-epoch-open']) expect(seen).toContain(kind)
    for (const kind of ['admitted', 'fork']) expect(seen).not.toContain(kind)
  })

  it('fake receipts: nothing but its own sign of life is valid', () => {
    const on = stage(['fake-receipts'])
    on.run(20 * MINUTE_MS)
    const verdicts = messagesOf(on.said)
      .flatMap(message => (message.kind === 'objects' ? message.objects : []))
      .map(object => readObject({ roster: on.roster, signatures: on.site.signatures }, object))
    const refusals = new Set(verdicts.map(one => (one.kind === 'refused' ? one.reason : one.object.kind)))
    for (const kind of ['unknown-signer', 'not-its-role', 'bad-signature', 'uplink'])
      expect(refusals).toContain(kind)
    for (const kind of ['ack', 'beacon']) expect(refusals).not.toContain(kind)
    const marks = verdictsOf(on.said, honestGate(on)).flatMap(one =>
      one.kind === 'admitted' ? one.events : [],
    )
    expect(marks.some(event => decodeBody(event.type, event.body)?.name === 'reconciliation_mark')).toBe(true)
  })

  it('false frontier: heads and questions of 2^47 and more, of logs that exist', () => {
    const on = stage(['false-frontier'])
    on.run(5 * MINUTE_MS)
    const heads = messagesOf(on.said).flatMap(message => (message.kind === 'have' ? message.heads : []))
    expect(heads.some(head => head.logId === on.log.logId && head.seq >= 2 ** 47)).toBe(true)
    const asked = messagesOf(on.said).flatMap(message => (message.kind === 'want' ? message.logs : []))
    expect(asked.some(one => one.fromSeq >= 2 ** 47)).toBe(true)
    expect(messagesOf(on.said).length).toBeLessThan(on.said.length)
  })

  it('fake logs: thousands of logs that nobody has, held and asked for', () => {
    const on = stage(['fake-logs'])
    on.run(5 * MINUTE_MS)
    const named = (kind: 'have' | 'want'): number =>
      new Set(
        messagesOf(on.said).flatMap(message =>
          message.kind === 'have' && kind === 'have'
            ? message.heads.map(head => head.logId)
            : message.kind === 'want' && kind === 'want'
              ? message.logs.map(one => one.logId)
              : [],
        ),
      ).size
    expect(named('have')).toBeGreaterThan(5000)
    expect(named('want')).toBeGreaterThan(1000)
    expect(kindsOf(verdictsOf(on.said, honestGate(on)))).toEqual(new Set(['gap']))
  })

  it('time lies: clocks ahead within what others follow, far beyond it, behind, and falling', () => {
    const on = stage(['time-lies'])
    on.run(20 * MINUTE_MS)
    const verdicts = verdictsOf(on.said, honestGate(on))
    expect(kindsOf(verdicts)).toContain('clock-went-back')
    const leads = verdicts.flatMap(one =>
      one.kind === 'admitted' ? wallOf(one.head.hlc) - (SITE_OPENED_AT + 20 * MINUTE_MS) : [],
    )
    expect(leads.some(leadMs => leadMs > -15 * MINUTE_MS && leadMs < MAX_LEAD_MS)).toBe(true)
    expect(leads.some(leadMs => leadMs > 365 * 24 * 60 * MINUTE_MS)).toBe(true)
    expect(leads.some(leadMs => leadMs < -300 * 24 * 60 * MINUTE_MS)).toBe(true)
  })
})

describe('a hostile member', () => {
  it('plays a trick every two to ten seconds while somebody listens, and none when told to be quiet', () => {
    const on = stage(HOSTILE_TRICKS)
    on.run(10 * MINUTE_MS)
    expect(on.hostile.acts()).toBeGreaterThan(50)
    expect(on.hostile.acts()).toBeLessThan(320)
    const before = [on.hostile.acts(), on.said.length]
    for (const peer of PEERS) on.hostile.onPeerGone(peer)
    on.run(10 * MINUTE_MS)
    expect([on.hostile.acts(), on.said.length]).toEqual(before)
    for (const peer of PEERS) on.hostile.onPeer(peer)
    on.run(MINUTE_MS)
    expect(on.hostile.acts()).toBeGreaterThan(before[0] ?? 0)
    on.hostile.quiet()
    const last = on.hostile.acts()
    on.run(10 * MINUTE_MS)
    expect(on.hostile.acts()).toBe(last)
  })

  it('is bounded in messages and bytes at a time', () => {
    for (const trick of HOSTILE_TRICKS) {
      const on = stage([trick])
      for (let i = 4; i < 40; i++) on.hostile.onPeer(`${i}`.padStart(6, '0').padEnd(32, 'b') as DeviceId)
      const large = { logId: on.log.logId, fromSeq: 0, update: new Uint8Array(48 * 1024) }
      for (let i = 0; i < 16; i++)
        on.hear({ kind: 'segment', ...large, more: false, prevHash: new Uint8Array(0) })
      on.run(20 * MINUTE_MS)
      const acts = new Map<number, { count: number; bytes: number }>()
      for (const { atMs, bytes } of on.said) {
        const act = acts.get(atMs) ?? { count: 0, bytes: 0 }
        acts.set(atMs, { count: act.count + 1, bytes: act.bytes + bytes.length })
        expect(bytes.length).toBeGreaterThan(0)
        expect(bytes.length).toBeLessThanOrEqual(MAX_MESSAGE_BYTES)
      }
      const most = [...acts.values()]
      expect(Math.max(...most.map(act => act.count))).toBeLessThanOrEqual(MAX_MESSAGES_AN_ACT)
      expect(Math.max(...most.map(act => act.bytes))).toBeLessThanOrEqual(MAX_BYTES_AN_ACT)
    }
  })

  it('makes others keep a bounded number of its events and logs, however long it lives', () => {
    const on = stage(['equivocate'])
    on.run(40 * MINUTE_MS)
    const kept = new Map<LogId, Set<string>>()
    for (const message of messagesOf(on.said))
      if (message.kind === 'segment') {
        const held = kept.get(message.logId) ?? new Set()
        for (const element of decodeUpdate(message.fromSeq, message.update) ?? [])
          kept.set(message.logId, held.add(hex(element)))
      }
    expect(kept.size).toBe(MAX_OWN_LOGS)
    let events = 0
    for (const held of kept.values()) events += held.size
    expect(events).toBeGreaterThan(MAX_OWN_EVENTS - 50)
    expect(events).toBeLessThanOrEqual(MAX_OWN_EVENTS)
  })

  it('asks on for the rest of a log, and never twice for what brings it no further', () => {
    const on = stage(['replay'])
    const longer = on.site.openLog(on.honest)
    longer.append([sessionBodies().start])
    const [first] = longer.segments()
    if (!first) throw new Error('no segment')
    const said: Message = { kind: 'segment', ...first, more: true, prevHash: new Uint8Array(0) }
    for (let i = 0; i < 5; i++) on.hear(said)
    const wants = messagesOf(on.said).filter(message => message.kind === 'want')
    expect(wants).toHaveLength(1)
    expect(wants[0]?.kind === 'want' && wants[0].logs).toMatchObject([
      { logId: longer.logId, fromSeq: longer.events().length },
    ])
  })

  it('tells the same lies under the same seed, and others under another', () => {
    const traceOf = (seed: number): string => {
      const on = stage(HOSTILE_TRICKS, seed)
      on.run(10 * MINUTE_MS)
      const hash = createHash('sha256')
      for (const { atMs, to, bytes } of on.said) hash.update(`${atMs} ${to}`).update(bytes)
      return hash.digest('hex')
    }
    expect(traceOf(3)).toBe(traceOf(3))
    expect(traceOf(3)).not.toBe(traceOf(4))
  })
})

describe('honest nodes beside a hostile member', () => {
  it.each([[...HOSTILE_TRICKS], ...HOSTILE_TRICKS.map(trick => [trick])])(
    'keep all they had and agree in the end (%s)',
    async (...tricks) => {
      const { world, nodes } = await siteOf(`beside ${tricks.length} ${tricks[0]}`)
      const self = world.site.device('rogue')
      const roster = world.site.roster([self])
      const handlers = {
        onPeer: (peer: DeviceId) => hostile.onPeer(peer),
        onPeerGone: (peer: DeviceId) => hostile.onPeerGone(peer),
        onMessage: (peer: DeviceId, bytes: Uint8Array) => hostile.onMessage(peer, bytes),
      }
      const tasks = createHeap()
      const port = world.network.attach({
        certificates: [world.site.issuer.certificate.encoded, self.certificate.encoded],
        ...{ roster, wallMs: world.wallMs, ...handlers },
      })
      const hostile = createHostile({
        ...{ plan: { node: 4, tricks }, self, signatures: world.site.signatures, dice: seededRandom(11) },
        site: { certificates: roster.all().map(one => one.encoded), roster, siteId: world.site.siteId },
        schedule: (delayMs, task) => tasks.push(world.nowMs() + delayMs, task),
        ...{ nowMs: world.nowMs, wallMs: world.wallMs, network: port },
      })
      const played = async (ms: number): Promise<void> => {
        for (let i = 0; i < ms; i += 500) {
          await world.run(500)
          for (let due = tasks.pop(world.nowMs()); due; due = tasks.pop(world.nowMs())) due.task()
        }
      }
      let before = nodes.map(node => chainsOf(node.node()))
      const ids: number[] = []
      for (let round = 0; round < 9; round++) {
        const node = nodes[round % 3]
        const answer = await node?.tell(startMessage(world, { meterStartWh: 1000 * round }), `CP-${round}`)
        if (answer?.kind !== 'started') throw new Error('not started')
        ids.push(answer.transactionId)
        await played(10_000)
        await node?.tell(stopMessage(world, answer.transactionId, 1000 * round + 500), `CP-${round}`)
        const now = nodes.map(one => chainsOf(one.node()))
        for (const [i, chains] of before.entries())
          for (const [logId, hashes] of chains)
            expect(now[i]?.get(logId)?.slice(0, hashes.length)).toEqual(hashes)
        before = now
      }
      hostile.quiet()
      await world.until(() => sameEverywhere(nodes), 120_000)
      expect(hostile.acts()).toBeGreaterThan(5)
      const honest = sessionsOf(nodes[0].node()).filter(session => session.includes('"CP-'))
      expect(honest).toHaveLength(9)
      for (const node of nodes) {
        expect(node.logged.filter(line => line.startsWith('error') && !line.includes('branches'))).toEqual([])
        expect(node.banned.filter(line => !line.includes(self.certificate.deviceId))).toEqual([])
      }
    },
  )
})
