// A node at a cloud that lies, forgets, errs or says everything twice: for so long no word of it does harm, and when it is itself
// again everything is there once and acknowledged. Each lie by itself; all together, with crashes and lost messages between,
// are the simulator's (scenario uplinks).
import { describe, expect, it } from 'vitest'
import { memoryCloud, type SimulatedCloud } from '../../simulations/cloud/cloud.ts'
import { lyingCloud } from '../../simulations/cloud/liar.ts'
import { seededRandom } from '../../simulations/dice.ts'
import { CLOUD_LIES } from '../../simulations/plan.ts'
import type { Push } from '../../src/ports.ts'
import { quiet } from '../integration/cloud-bench.ts'
import { SITE_OPENED_AT, type TestSite } from '../site.ts'
import { chainsOf, createWorld, type Member, operatorOf, startMessage, type World } from './world.ts'

const DAY_MS = 24 * 3600 * 1000
/** Of a certificate that ran out long ago. */
const GONE = { fromAt: SITE_OPENED_AT - 800 * DAY_MS, toAt: SITE_OPENED_AT - 400 * DAY_MS }

type Setting = {
  readonly world: World
  readonly a: Member
  readonly cloud: SimulatedCloud
  readonly says: ReturnType<typeof lyingCloud>['says']
  readonly pushes: Push[]
  /** Asked for each push, ahead of it. */
  before: (push: Push) => void | Promise<void>
}

function certificatesOf({ issuer, cloud }: TestSite): readonly Uint8Array[] {
  return [issuer.certificate.encoded, cloud.certificate.encoded]
}

async function setting(seed: string): Promise<Setting> {
  const world = createWorld(seed)
  const { site } = world
  const { siteId, rootKey, signatures } = site
  const clock = { wallMs: world.wallMs, monotonicMs: world.nowMs }
  const cloud = memoryCloud({
    ...{ siteId, rootKey, signatures, clock, logger: quiet, certificates: certificatesOf(site) },
    cloud: { certificate: site.cloud.certificate.encoded, logKey: site.cloud.keys.logKey },
  })
  const a = await world.member('a')
  const operator = await operatorOf(world, a)
  await operator.record([], a).catch(() => undefined)
  const devices = [a.device, site.device('b')]
  const seen = {
    ...site,
    formerCloud: site.device('former', ['cloud'], GONE),
    devices,
    roster: () => site.roster([...devices, site.cloud]),
  }
  const liar = lyingCloud({ cloud, site: seen as never, clock, dice: seededRandom(7) })
  const made: Setting = { world, a, cloud, says: liar.says, pushes: [], before: () => undefined }
  a.node().setUplinks([
    {
      name: 'way',
      push: async push => {
        made.pushes.push(push)
        await made.before(push)
        return await liar.push(push)
      },
    },
  ])
  return made
}

async function charge({ world, a }: Setting, connectorId: number): Promise<void> {
  expect((await a.tell(startMessage(world, { connectorId }))).kind).toBe('started')
  await world.run(2000)
}

/** Everything is there, once, and known to be there. */
async function whole({ world, a, cloud }: Setting): Promise<void> {
  const node = a.node()
  await world.until(() => node.uplinks().unsentEvents(node.ledger()) === 0, 1_200_000)
  const heads = await cloud.heads()
  for (const { logId, head } of node.ledger().logs.all()) {
    expect(heads.get(logId), logId).toEqual({ seq: head.seq, hash: head.hash })
    expect(node.ledger().ackedSeq(logId)).toBe(head.seq)
  }
  expect(a.banned).toEqual([])
}

describe('a cloud', () => {
  it.each([...CLOUD_LIES, 'error' as const])(
    'that lies (%s) is not believed, and does no harm',
    async lie => {
      const made = await setting(`lies ${lie}`)
      const { world, a, cloud, says } = made
      await charge(made, 1)
      const before = chainsOf(a.node())
      says(lie)
      for (let second = 0; second < 60; second++) {
        if (second === 20) await charge(made, 2)
        await world.run(1000)
        const heads = await cloud.heads()
        for (const { logId } of a.node().ledger().logs.all())
          expect(a.node().ledger().ackedSeq(logId), `${logId} at ${second} s`).toBeLessThanOrEqual(
            heads.get(logId)?.seq ?? -1,
          )
      }
      const held = chainsOf(a.node())
      expect([...held.keys()].toSorted(), 'no log that nobody wrote').toEqual([...before.keys()].toSorted())
      for (const [logId, chain] of before) expect(held.get(logId)?.slice(0, chain.length)).toEqual(chain)
      expect(made.pushes.length, 'and it is not hammered').toBeLessThan(40)
      says(undefined)
      await whole(made)
      expect(await cloud.sessions()).toHaveLength(2)
    },
  )

  it('that is asked everything twice, and answers twice, has everything once', async () => {
    const made = await setting('twice')
    made.before = async push => void (await made.cloud.push(push))
    await charge(made, 1)
    await charge(made, 2)
    await whole(made)
    expect(await made.cloud.sessions()).toHaveLength(2)
  })

  it.each(['failover', 'restore', 'forget'] as const)(
    'that lost commits (%s) is given them again',
    async kind => {
      const made = await setting(`lost ${kind}`)
      await charge(made, 1)
      await whole(made)
      await made.world.run(60_000)
      await charge(made, 2)
      await whole(made)
      const epoch = made.cloud.epoch()
      await made.cloud[kind](30_000)
      await made.world.run(60_000)
      await whole(made)
      expect(made.cloud.epoch()).toBe(epoch + 1)
      expect(await made.cloud.sessions()).toHaveLength(2)
    },
  )

  it.each([-366, 366])(
    'is pushed to by a node whose clock is %s days off, and bills by what it can know',
    async days => {
      const made = await setting(`clock ${days}`)
      made.a.wallOffsetMs = days * DAY_MS
      await charge(made, 1)
      await whole(made)
      expect(await made.cloud.sessions()).toHaveLength(1)
      made.a.wallOffsetMs = 0
      await charge(made, 2)
      await whole(made)
      expect(await made.cloud.sessions()).toHaveLength(2)
    },
  )
})
