// Two laptops of one operator, offline and with clocks of their own: a revocation on one wins over every grant of the
// other that has not seen it, on every node and in any order (PROTOCOL 2.2).
import { expect, it } from 'vitest'
import type { AnyBody } from '../../src/log/body.ts'
import type { EventHash } from '../../src/units.ts'
import type { TestDevice, TestLog } from '../site.ts'
import { createWorld, grantOf, type Member, operatorOf, revokeOf, TOKEN, type World } from './world.ts'

const HOUR_MS = 3600_000

type Laptop = { readonly log: TestLog; readonly say: (body: AnyBody, aheadMs?: number) => EventHash }

function laptop(world: World, device: TestDevice): Laptop {
  const log = world.site.openLog(device)
  const say = (body: AnyBody, aheadMs = 0): EventHash => {
    log.append([body], world.wallMs() + aheadMs)
    return log.ref().hash
  }
  return { log, say }
}

async function plugIn(world: World, { log }: Laptop, device: TestDevice, node: Member): Promise<void> {
  const { issuer } = world.site
  const certificates = [issuer.certificate.encoded, device.certificate.encoded]
  const { refused } = await node.node().submit({ certificates, segments: log.segments(), objects: [] })
  expect(refused).toEqual([])
}

function stateAt(node: Member): string {
  return node.node().ledger().view().policy.token(TOKEN).kind
}

it('lets a revocation win over a later grant that has not seen it, and only a grant that cites it undo it', async () => {
  const world = createWorld('two issuers')
  const [a, b] = [await world.member('a'), await world.member('b')]
  const { deviceId } = b
  const operator = await operatorOf(world, a)
  const devices = [world.site.device('laptop-1', ['issuer']), world.site.device('laptop-2', ['issuer'])]
  const [first, second] = devices as [TestDevice, TestDevice]
  // The root has certified them, and the operator's log carries that to every node.
  const enrolled = devices.map(({ certificate }): AnyBody => {
    return { name: 'device_cert', body: { certificate: certificate.encoded } }
  })
  await operator.record(enrolled, a)
  await world.run(30_000)
  expect(stateAt(b)).toBe('granted')
  world.network.split([[a.deviceId], [deviceId]])
  const [revokes, grants] = [laptop(world, first), laptop(world, second)]
  // The one that revokes is an hour behind; the one that grants an hour ahead, and knows nothing of it.
  const revocation = revokes.say(revokeOf(TOKEN), -HOUR_MS)
  grants.say(grantOf(TOKEN), HOUR_MS)
  await plugIn(world, revokes, first, a)
  await plugIn(world, grants, second, b)
  expect([stateAt(a), stateAt(b)]).toEqual(['revoked', 'granted'])
  world.network.heal()
  await world.until(() => stateAt(b) === 'revoked', 30_000)
  await world.run(30_000)
  expect(stateAt(a)).toBe('revoked')

  const again = grantOf(TOKEN)
  if (again.name !== 'grant') throw new Error('no grant')
  grants.say({ name: 'grant', body: { ...again.body, supersedes: [revocation] } })
  await plugIn(world, grants, second, b)
  await world.until(() => stateAt(a) === 'granted', 30_000)
  expect(stateAt(b)).toBe('granted')
})

it('says who revoked, and since when it is known here, as far as this start goes', async () => {
  const world = createWorld('who revoked')
  const a = await world.member('a')
  await operatorOf(world, a)
  const device = world.site.device('Night Watch', ['issuer'])
  const watch = laptop(world, device)
  watch.say(revokeOf(TOKEN))
  await world.run(60_000)
  await plugIn(world, watch, device, a)
  const refusals = (): readonly string[] =>
    a
      .node()
      .ledger()
      .view()
      .diagnostics()
      .map(({ body }) => body.detail)
  await a.tell({ kind: 'authorize', tokenRef: TOKEN })
  const why = 'BLOCKED: revoked at 2026-06-01 08:00 UTC by issuer Night Watch, known here'
  expect(refusals()).toEqual([`${why} since 2026-06-01 08:01 UTC`])
  a.crash()
  await a.boot()
  await a.tell({ kind: 'authorize', tokenRef: TOKEN })
  expect(refusals()).toContain(`${why} before this start`)
  expect(a.logged).toContain('info: card decided')
})
