// What a node does with peers that are not honest: garbage costs its sender the connection, replays and lies change
// nothing, and nobody is kept from those who are (PROTOCOL 1.6, 1.7; I2, I4, I12).
import { describe, expect, it } from 'vitest'
import { wallOf } from '../../src/log/hlc.ts'
import { encodeUpdate } from '../../src/replica/canonical.ts'
import { decodeMessage, encodeMessage, type Message } from '../../src/replica/message.ts'
import { type DeviceId, type EpochId, hex, type LogId } from '../../src/units.ts'
import { craft, segmentOf } from '../replica/gate.ts'
import { SITE_OPENED_AT, type TestDevice, type TestLog } from '../site.ts'
import { siteOf, ticks } from './thief.ts'
import { chainsOf, type Member, sessionsOf, startMessage, stateOf, type World } from './world.ts'

type Hostile = {
  readonly deviceId: DeviceId
  readonly device: TestDevice
  readonly say: (to: Member, message: Message | Uint8Array) => void
  readonly heard: Message[]
}

/** A certified peer that says what its test tells it to. */
function hostileIn(world: World): Hostile {
  const device = world.site.device('hostile')
  const heard: Message[] = []
  const network = world.network.attach({
    certificates: [world.site.issuer.certificate.encoded, device.certificate.encoded],
    roster: world.site.roster([device]),
    wallMs: world.wallMs,
    onPeer: () => undefined,
    onPeerGone: () => undefined,
    onMessage: (_, bytes) => {
      const message = decodeMessage(bytes)
      if (message) heard.push(message)
    },
  })
  return {
    device,
    deviceId: device.certificate.deviceId,
    heard,
    say: (to, message) =>
      network.send(to.deviceId, message instanceof Uint8Array ? message : encodeMessage(message)),
  }
}

describe('a hostile peer', () => {
  async function attack(
    seed: string,
    say: (world: World, hostile: Hostile, to: Member) => readonly (Message | Uint8Array)[],
  ) {
    const { world, nodes } = await siteOf(seed)
    const [a] = nodes
    await a.tell(startMessage(world))
    const hostile = hostileIn(world)
    await world.run(5000)
    const before = [stateOf(a.node()), a.node().health().journalBytes]
    for (const message of say(world, hostile, a)) hostile.say(a, message)
    await world.run(3000)
    return { world, nodes, hostile, before, after: [stateOf(a.node()), a.node().health().journalBytes] }
  }

  it.each<[string, (world: World, hostile: Hostile, to: Member) => Message | Uint8Array]>([
    [
      'a segment that is no update',
      (_, __, to) => segmentMessage({ logId: someLog(to), fromSeq: 1, update: new Uint8Array(9) }),
    ],
    [
      'an event behind an honest head, signed by itself',
      (world, hostile, to) => {
        const log = to.node().ledger().logs.get(someLog(to))
        if (!log) throw new Error('no log')
        const { head } = log
        const forged = craft(
          {
            site: world.site,
            device: hostile.device,
            logId: log.logId,
            fromSeq: head.seq + 1,
            prev: head.hash,
          },
          [{ hlc: head.hlc + 1n, monoMs: head.monoMs }],
        )
        return segmentMessage(segmentOf(forged))
      },
    ],
    [
      'a log that names an honest device as its author',
      (world, hostile, to) => {
        const epochId = '99'.repeat(16) as EpochId
        const log = world.site.openLog({ ...hostile.device, certificate: to.device.certificate }, { epochId })
        return segmentMessage(log.segments()[0] as never)
      },
    ],
  ])('that says %s is banned, and nothing changes', async (name, say) => {
    const { nodes, hostile, before, after } = await attack(name, (world, peer, to) => [say(world, peer, to)])
    expect(nodes[0].banned).toHaveLength(1)
    expect(nodes[0].banned[0]).toContain(hostile.deviceId)
    expect(after).toEqual(before)
  })

  // To whoever holds another branch it proves a fork, so an honest relay may pass it on.
  it.each([
    ['an event whose clock went back', true as const, 0],
    ['the same without its author’s seal', 'wrong' as const, 1],
  ])(
    'that passes on %s loses its connection only if the author cannot have said it',
    async (_, sealed, bans) => {
      let log: TestLog | undefined
      const { world, nodes, hostile } = await attack(`clock ${sealed}`, (world, { device }) => {
        log = world.site.openLog(device, { epochId: '98'.repeat(16) as EpochId })
        return log.segments().map(segment => segmentMessage(segment))
      })
      const { device } = hostile
      const head = log?.events().at(-1)
      if (!log || !head) throw new Error('no event')
      const where = { site: world.site, device, logId: log.logId, fromSeq: head.seq + 1, prev: head.hash }
      hostile.say(nodes[0], segmentMessage(segmentOf(craft(where, [{ hlc: 1n, sealed }]))))
      await world.run(3000)
      expect(nodes[0].banned.filter(ban => ban.includes(hostile.deviceId))).toHaveLength(bans)
      expect(nodes[0].node().counters()).toMatchObject({ 'gate.invalid': 1 })
    },
  )

  // Newer software may say what we cannot read, so one such message is no offence; a flood of them is.
  it.each<[string, Uint8Array]>([
    ['garbage', new Uint8Array(500).fill(0x81)],
    ['one byte', Uint8Array.of(3)],
    ['a kind that there is not', Uint8Array.of(9, 0x80)],
  ])('that says %s is heard out, until it floods', async (name, message) => {
    const once = await attack(name, () => [message])
    expect(once.nodes[0].banned).toHaveLength(0)
    expect(once.after).toEqual(once.before)
    const flood = await attack(`${name} again`, () => Array.from({ length: 300 }, () => message))
    expect(flood.nodes[0].banned[0]).toContain(flood.hostile.deviceId)
    expect(flood.after).toEqual(flood.before)
  })

  it('that claims to hold everything and answers nothing keeps nobody from an honest one', async () => {
    const { world, nodes } = await siteOf('claims')
    const [a, b, c] = nodes
    world.network.split([[a.deviceId, b.deviceId], [c.deviceId]])
    const hostile = hostileIn(world)
    await world.run(20_000)
    await c.tell(startMessage(world))
    await world.run(1000)
    const log = c
      .node()
      .ledger()
      .logs.get(c.node().ledger().ownLog() as LogId)
    if (!log) throw new Error('no log')
    world.network.heal()
    world.network.cut(a.deviceId, c.deviceId)
    const lie = (): void => {
      const heads = [{ logId: log.logId, seq: 2 ** 40, hash: new Uint8Array(8) }]
      hostile.say(a, { kind: 'have', heads, objects: [] })
    }
    for (let i = 0; i < 20; i++) {
      lie()
      await world.run(500)
    }
    expect(a.node().ledger().logs.get(log.logId)?.head.seq).toBe(log.head.seq)
  })

  it('that names ten thousand logs costs a bounded memory and few messages', async () => {
    const { world, hostile } = await attack('sybil', world =>
      Array.from({ length: 10 }, (_, page) => ({
        kind: 'have' as const,
        heads: Array.from({ length: 1000 }, () => ({
          ...{ logId: hex<LogId>(world.random.bytes(16)), seq: 2 ** 47, hash: new Uint8Array(8) },
        })),
        objects: page === 0 ? [] : [],
      })),
    )
    await world.run(10_000)
    const wants = hostile.heard.filter(message => message.kind === 'want')
    expect(wants.length).toBeLessThan(40)
    for (const want of wants) if (want.kind === 'want') expect(want.logs.length).toBeLessThanOrEqual(16)
  })

  it('that replays what everybody has changes nothing and is not banned for it', async () => {
    const { nodes, before, after } = await attack('replay', (_, __, to) => {
      const { logs } = to.node().ledger()
      return [...logs.all()].flatMap(log =>
        logs
          .segments(log.logId, 0, 64)
          .flatMap(segment => [segmentMessage(segment), segmentMessage(segment)]),
      )
    })
    expect(after).toEqual(before)
    expect(nodes[0].banned).toEqual([])
  })

  it('that says one segment over and over gets no storm of questions back', async () => {
    const { hostile } = await attack('storm', (world, peer) => {
      const log = world.site.openLog(peer.device)
      for (let i = 0; i < 40; i++) log.append(ticks(50, i * 100))
      const [first] = log.segments()
      if (!first) throw new Error('no segment')
      const have = { kind: 'have' as const, heads: [{ ...headOf(log) }], objects: [] }
      return [have, ...Array.from({ length: 100 }, () => segmentMessage(first, true))]
    })
    expect(hostile.heard.filter(message => message.kind === 'want').length).toBeLessThan(12)
  })

  it('whose clock is centuries ahead does not take ours along, not even over a reboot', async () => {
    const { world, nodes } = await siteOf('clock')
    const [a, b] = nodes
    const liar = world.site.device('liar')
    const lies = craft({ site: world.site, device: liar }, [{ hlc: 2n ** 64n - 2n }])
    await a.node().submit({
      ...{ certificates: [liar.certificate.encoded], objects: [], segments: [segmentOf(lies)] },
    })
    await a.tell(startMessage(world))
    for (let reboot = 0; reboot < 2; reboot++) {
      a.crash()
      await a.boot()
      await world.run(1000)
      await a.tell(startMessage(world, { meterStartWh: 5000 + reboot }))
      const { ledger } = { ledger: a.node().ledger() }
      const head = ledger.logs.get(ledger.ownLog() as LogId)?.head
      expect(wallOf(head?.hlc ?? 0n)).toBeLessThan(SITE_OPENED_AT + 3600_000)
      await world.run(5000)
    }
    expect(sessionsOf(b.node())).toHaveLength(3)
    expect(b.banned).toEqual([])
  })
})

describe('honest chains', () => {
  it('only ever grow, on every node, whatever came in between', async () => {
    const { world, nodes } = await siteOf('grow')
    const hostile = hostileIn(world)
    let before = nodes.map(node => chainsOf(node.node()))
    for (let round = 0; round < 10; round++) {
      await nodes[round % 3]?.tell(startMessage(world, { meterStartWh: round }))
      for (const node of nodes) hostile.say(node, new Uint8Array(100).fill(round))
      await world.run(2000)
      const now = nodes.map(node => chainsOf(node.node()))
      for (const [i, chains] of before.entries())
        for (const [logId, hashes] of chains)
          expect(now[i]?.get(logId)?.slice(0, hashes.length)).toEqual(hashes)
      before = now
    }
  })
})

function someLog(member: Member): LogId {
  return member.node().ledger().ownLog() as LogId
}

function headOf(log: TestLog) {
  const { logId, seq } = log.ref()
  return { logId, seq, hash: new Uint8Array(8) }
}

function segmentMessage(
  segment: { logId: LogId; fromSeq: number; update: Uint8Array },
  more = false,
): Message {
  const { logId, fromSeq, update } = segment
  return { kind: 'segment', logId, fromSeq, update, more, prevHash: new Uint8Array(0) }
}

it('the messages of these tests are what a peer would send', () => {
  const message = segmentMessage({
    logId: '11'.repeat(16) as LogId,
    fromSeq: 1,
    update: encodeUpdate(1, [new Uint8Array(9)]),
  })
  expect(decodeMessage(encodeMessage(message))).toEqual(message)
})
