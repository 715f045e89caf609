// Pushing from a production node over simulated ports: nothing leaves before it is durable, and no failure of the disk,
// of the uplink or of the cloud's words ends the pushing for good.
import { describe, expect, it } from 'vitest'
import { signObject } from '../../src/log/object.ts'
import type { Push, PushAnswer, Uplink } from '../../src/ports.ts'
import { countOf } from '../../src/replica/canonical.ts'
import type { LogId } from '../../src/units.ts'
import { MAX_PUSH_CERTIFICATES, MAX_PUSH_SEGMENTS } from '../../src/uplink/request.ts'
import { sessionBodies } from '../site.ts'
import { createWorld, type Member, operatorOf, startMessage, type World } from './world.ts'

const NOTHING: PushAnswer = { version: 0, acks: [], refused: [], wireBytes: 0 }

type Tap = Uplink & { readonly pushes: Push[] }

function tapOn(answer: (push: Push, count: number) => Promise<PushAnswer>): Tap {
  const pushes: Push[] = []
  return {
    name: 'tap',
    pushes,
    push: async push => {
      pushes.push(push)
      return await answer(push, pushes.length)
    },
  }
}

async function oneNode(seed: string): Promise<{ world: World; a: Member }> {
  const world = createWorld(seed)
  const a = await world.member('a')
  await operatorOf(world, a)
  await world.run(3000)
  return { world, a }
}

/** Events of a log that the simulated disk would give back after a power loss right now. */
async function durableCount(world: World, member: Member, logId: LogId): Promise<number> {
  member.crash()
  await member.boot()
  await world.run(100)
  return member.node().ledger().logs.get(logId)?.elements.length ?? 0
}

describe('pushing', () => {
  it('lets nothing out that a power loss at that instant would take', async () => {
    const { world, a } = await oneNode('durable push')
    let seen: { logId: LogId; events: number } | undefined
    let later: Promise<number> | undefined
    const tap = tapOn(async push => {
      const own = push.segments.findLast(segment => segment.logId === a.node().ledger().ownLog())
      if (own && !seen) {
        seen = { logId: own.logId, events: own.fromSeq + countOf(own.update) }
        later = durableCount(world, a, own.logId)
      }
      return NOTHING
    })
    a.node().setUplinks([tap])
    // The first is being made durable while the second waits in one batch with the tick that pushes.
    const told = a.tell(startMessage(world))
    const second = a.tell(startMessage(world, { connectorId: 2 }))
    a.node().tick()
    await Promise.race([Promise.all([told, second]), world.run(5000)])
    await world.run(20_000)
    expect(seen?.events, 'both sessions are in the push').toBeGreaterThanOrEqual(5)
    expect(await later).toBeGreaterThanOrEqual(seen?.events ?? Number.NaN)
  })

  it('goes on after the disk failed while an answer was on its way', async () => {
    const { world, a } = await oneNode('disk fails')
    let answer: ((value: PushAnswer) => void) | undefined
    const tap = tapOn((_, count) =>
      count > 1
        ? Promise.resolve(NOTHING)
        : new Promise(resolve => {
            answer = resolve
          }),
    )
    a.node().setUplinks([tap])
    await world.until(() => tap.pushes.length === 1, 10_000)
    a.disk.failNextSync()
    await a.tell(startMessage(world))
    expect(a.node().health().store).toBe('failed')
    answer?.(NOTHING)
    await world.until(() => tap.pushes.length > 2, 120_000)
    expect(a.node().health().store).toBe('open')
    expect(tap.pushes.at(-1)?.sinceVersion, 'acks may have been lost with the batch').toBe(0)
  })

  it('asks again for acks that it could not read', async () => {
    const { world, a } = await oneNode('unreadable acks')
    const tap = tapOn(async (_, count) => ({
      ...NOTHING,
      version: 7,
      acks: count < 3 ? [Uint8Array.of(1)] : [],
    }))
    a.node().setUplinks([tap])
    await world.until(() => tap.pushes.length >= 4, 120_000)
    expect(tap.pushes.slice(0, 4).map(push => push.sinceVersion)).toEqual([0, 0, 0, 7])
  })

  it('says its newest receipt back, and that for a log with which the cloud cannot go on', async () => {
    const { world, a } = await oneNode('claims')
    await a.tell(startMessage(world))
    const cloud = world.site.cloud
    const signer = {
      ...{ certHash: cloud.certificate.hash, logKey: cloud.keys.logKey },
      signatures: world.site.signatures,
    }
    const logs = (): LogId[] => [...a.node().ledger().logs.all()].map(log => log.logId)
    const ackOf = (logId: LogId, issuedAt: number): Uint8Array => {
      const head = a.node().ledger().logs.get(logId)?.head
      const body = {
        logId,
        seq: head?.seq ?? 0,
        hash: head?.hash ?? ('' as never),
        durability: 1,
        cloudEpoch: 1,
        issuedAt,
      }
      return signObject(signer, { kind: 'ack', body })
    }
    const acks = logs().map((logId, i) => ackOf(logId, world.wallMs() - i))
    expect(acks.length).toBeGreaterThan(1)
    const tap = tapOn(async (_, count) => ({
      ...{ ...NOTHING, certificates: [cloud.certificate.encoded], acks: count < 3 ? acks : [] },
      ...{ version: 2 ** 32 + 1, refused: count === 3 ? [{ logId: logs()[1] as LogId, reason: 'gap' }] : [] },
    }))
    a.node().setUplinks([tap])
    await world.until(() => tap.pushes.length >= 5, 200_000)
    const said = tap.pushes.map(
      push => (push.objects ?? []).filter(one => acks.some(ack => Buffer.from(ack).equals(one))).length,
    )
    expect(said.slice(2, 5)).toEqual([1, 2, 1])
  })

  it('takes a wrong number in one answer back with the next, and receipts count again', async () => {
    const { world, a } = await oneNode('wrong version')
    await a.tell(startMessage(world))
    const { certificate, keys } = world.site.cloud
    const signer = { certHash: certificate.hash, logKey: keys.logKey, signatures: world.site.signatures }
    const own = a.node().ledger().ownLog() as LogId
    const head = a.node().ledger().logs.get(own)?.head
    const body = { logId: own, seq: head?.seq ?? 0, hash: head?.hash ?? ('' as never) }
    const ack = signObject(signer, {
      kind: 'ack',
      body: { ...body, durability: 1, cloudEpoch: 1, issuedAt: world.wallMs() },
    })
    const acked: number[] = []
    const tap = tapOn(async (_, count) => {
      acked.push(a.node().ledger().ackedSeq(own))
      const version = count === 2 ? 2 ** 40 : 2 ** 32 + 1
      return { ...NOTHING, version, acks: count === 1 ? [ack] : [], certificates: [certificate.encoded] }
    })
    a.node().setUplinks([tap])
    await world.until(() => tap.pushes.length >= 4, 200_000)
    expect(acked.slice(0, 4)).toEqual([-1, body.seq, -1, body.seq])
  })

  it('survives an uplink that throws what no uplink should', async () => {
    const { world, a } = await oneNode('odd uplink')
    const tap = tapOn(async () => {
      throw new TypeError('no such thing')
    })
    a.node().setUplinks([tap])
    await world.until(() => tap.pushes.length >= 2, 120_000)
    expect(a.logged).toContain('error: uplink failed')
    expect((await a.tell(startMessage(world))).kind).toBe('started')
  })

  it.each([
    ['waits for the uplink of another node that ranks higher', false],
    ['does not wait for the uplink of a node that was revoked', true],
  ])('%s', async (_, isRevoked) => {
    const world = createWorld('live uplinks')
    const a = await world.member('a')
    const operator = await operatorOf(world, a)
    const other = world.site.device('other')
    const { deviceId, serial, hash: certHash, encoded } = other.certificate
    const alive = { deviceId, issuedAt: world.wallMs(), uplink: 'tap' }
    const signer = { certHash, logKey: other.keys.logKey, signatures: world.site.signatures }
    const objects = [signObject(signer, { kind: 'uplink', body: alive })]
    await a.node().submit({ certificates: [encoded], segments: [], objects })
    if (isRevoked)
      await operator.record(
        [{ name: 'device_revoke', body: { deviceId, serial, reason: 'stolen', cutoff: [] } }],
        a,
      )
    const tap = tapOn(async () => NOTHING)
    a.node().setUplinks([tap])
    const logs = Array.from({ length: 16 }, (_, i) => {
      const device = world.site.device(`device ${i}`)
      const log = world.site.openLog(device)
      log.append([sessionBodies({ chargerId: `CP-${i}` }).end])
      return { logId: log.logId, segments: log.segments(), certificates: [device.certificate.encoded] }
    })
    for (const { segments, certificates } of logs)
      await a.node().submit({ certificates, segments, objects: [] })
    await world.run(5000)
    const pushed = new Set(tap.pushes.flatMap(({ segments }) => segments.map(({ logId }) => logId)))
    const waiting = logs.filter(({ logId }) => !pushed.has(logId))
    if (isRevoked) expect(waiting).toEqual([])
    else expect(waiting.length).toBeGreaterThan(2)
  })

  it('keeps within the bounds of a request, however many small logs wait', async () => {
    const { world, a } = await oneNode('many logs')
    for (let i = 0; i < 300; i++) {
      const device = world.site.device(`device ${i}`)
      const { segments } = { segments: world.site.openLog(device).segments() }
      await a.node().submit({ certificates: [device.certificate.encoded], segments, objects: [] })
    }
    const tap = tapOn(async () => NOTHING)
    a.node().setUplinks([tap])
    await world.until(() => tap.pushes.length >= 1, 10_000)
    expect(tap.pushes[0]?.segments.length).toBeGreaterThan(100)
    for (const push of tap.pushes) {
      expect(push.segments.length).toBeLessThanOrEqual(MAX_PUSH_SEGMENTS)
      expect(push.certificates.length).toBeLessThanOrEqual(MAX_PUSH_CERTIFICATES)
    }
  })
})
