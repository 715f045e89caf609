// A card that is revoked while it charges: the node with the charger ends the session, as the site wants it.
import { expect, it } from 'vitest'
import type { Acting } from '../../src/acting.ts'
import { createPolicy } from '../../src/authorization/policy.ts'
import { createSitePolicy } from '../../src/authorization/site-policy.ts'
import type { Aliases } from '../../src/card.ts'
import type { CommandOutcome } from '../../src/ports.ts'
import { createStops } from '../../src/stops.ts'
import type { ChargerId, TokenRef } from '../../src/units.ts'
import {
  createWorld,
  type Member,
  operatorOf,
  revokeOf,
  startMessage,
  stopMessage,
  TOKEN,
  type World,
} from './world.ts'

type Site = {
  readonly world: World
  readonly a: Member
  readonly operator: Awaited<ReturnType<typeof operatorOf>>
  readonly transactionId: number
  /** Virtual seconds since the revocation at which the charger was asked. */
  readonly asked: number[]
  readonly revoke: () => Promise<void>
}

async function charging(outcome: CommandOutcome, chargerId = 'at-a'): Promise<Site> {
  const world = createWorld('revoked while charging')
  const a = await world.member('a')
  const operator = await operatorOf(world, a)
  const answer = await a.tell(startMessage(world), chargerId)
  if (answer.kind !== 'started') throw new Error('not started')
  const asked: number[] = []
  let revokedAtMs = 0
  a.command = (id, command) => {
    expect([id, command]).toEqual([chargerId, { kind: 'remoteStop', transactionId: answer.transactionId }])
    asked.push(Math.round((world.nowMs() - revokedAtMs) / 1000))
    return outcome
  }
  const revoke = async (): Promise<void> => {
    revokedAtMs = world.nowMs()
    await operator.record([revokeOf(TOKEN)], a)
  }
  return { world, a, operator, transactionId: answer.transactionId, asked, revoke }
}

function notesOf(a: Member): readonly string[] {
  const notes = a.node().ledger().view().diagnostics()
  return notes.flatMap(({ body }) => (body.code === 'stopped-revoked' ? [body.detail] : []))
}

it('ends it within a tick, once, and writes that down', async () => {
  const { world, a, transactionId, asked, revoke } = await charging({ kind: 'accepted' })
  await world.run(5000)
  expect(asked).toEqual([])
  await revoke()
  await world.run(2000)
  expect(asked).toEqual([1])
  await a.tell(stopMessage(world, transactionId, 2000), 'at-a')
  await world.run(600_000)
  expect(asked).toEqual([1])
  expect(notesOf(a)).toEqual(['try 1 of 5: the charger ends the session'])
})

it('asks a charger that refuses again, ever more rarely, and then leaves it', async () => {
  const { world, a, asked, revoke } = await charging({ kind: 'rejected', status: 'Rejected' })
  await revoke()
  await world.run(3600_000)
  expect(asked).toEqual([1, 31, 91, 211, 451])
  expect(notesOf(a).at(-1)).toBe('try 5 of 5: the charger refuses, Rejected')
})

it('leaves it running where the site lets sessions finish', async () => {
  const { world, a, operator, asked, revoke } = await charging({ kind: 'accepted' })
  await operator.record([{ name: 'policy', body: { name: 'revoked-while-charging', value: 'finish' } }], a)
  await revoke()
  await world.run(60_000)
  expect(asked).toEqual([])
})

it('is left to the node that the charger is connected to', async () => {
  const { world, asked, revoke } = await charging({ kind: 'accepted' }, 'elsewhere')
  await revoke()
  await world.run(60_000)
  expect(asked).toEqual([])
})

/** A site with one open session, a revocation of `revoked`, and a charger that is connected or not. */
function oneTick(revoked: string, aliases?: Aliases, connected: readonly string[] = ['at-a']) {
  const policy = createPolicy()
  const body = revokeOf(revoked).body as never
  policy.addRevocation({ ref: { logId: 'aa', seq: 1, hash: 'bb' } as never, hlc: 1n, by: 'x', body })
  const session = {
    tokenRef: TOKEN,
    chargerId: 'at-a',
    sessionId: 's',
    transactionIds: [7],
    start: { body: {} },
  }
  const lookedAt: string[] = []
  const sessionsOf = (chargerId: string) => ({
    sessions: [session].filter(one => one.chargerId === chargerId),
  })
  const ofCharger = (chargerId: string) => {
    lookedAt.push(chargerId)
    return sessionsOf(chargerId)
  }
  let asked = 0
  const command = async (): Promise<CommandOutcome> => {
    asked += 1
    return { kind: 'accepted' }
  }
  const chargePoints = { connected: () => connected as ChargerId[], command, disconnect: () => undefined }
  const view = () => {
    lookedAt.push('view')
    return { policy, sitePolicy: createSitePolicy(), ofCharger }
  }
  createStops({ chargePoints, aliases }).tick({
    ...{ ledger: { view }, times: { monotonicMs: 0 }, record: () => undefined },
    afterwards: (run: () => void) => run(),
  } as unknown as Acting)
  return { asked, lookedAt }
}

it('counts a revocation of any reference of the card', () => {
  const OLD = 'ab'.repeat(16) as TokenRef
  expect(oneTick(OLD).asked).toBe(0)
  expect(oneTick(OLD, tokenRef => [tokenRef, OLD]).asked).toBe(1)
})

it('looks at the chargers that are connected here, and at nothing where there are none', () => {
  expect(oneTick(TOKEN)).toEqual({ asked: 1, lookedAt: ['view', 'at-a'] })
  expect(oneTick(TOKEN, undefined, [])).toEqual({ asked: 0, lookedAt: [] })
})

const policyOf = (name: string, value: string) => ({ name: 'policy' as const, body: { name, value } })
const MINUTE_MS = 60_000

it('ends a session that lasts longer than the site allows, and writes that down', async () => {
  const { world, a, operator, asked } = await charging({ kind: 'accepted' })
  await world.run(30 * MINUTE_MS)
  expect(asked).toEqual([])
  await operator.record([policyOf('max-session-minutes', '40')], a)
  await world.run(9 * MINUTE_MS)
  expect(asked).toEqual([])
  await world.run(2 * MINUTE_MS)
  expect(asked.length).toBeGreaterThan(0)
  const notes = a.node().ledger().view().diagnostics()
  expect(notes.filter(({ body }) => body.code === 'stopped-overlong')).toMatchObject([
    { body: { detail: 'try 1 of 5: the charger ends the session' } },
    ...asked.slice(1).map(() => expect.anything()),
  ])
})

it('does not end every session when a clock is set forward', async () => {
  const { world, a, operator, asked } = await charging({ kind: 'accepted' })
  await operator.record([policyOf('max-session-minutes', '40')], a)
  await world.run(2000)
  a.wallOffsetMs = 24 * 60 * MINUTE_MS
  await world.run(10 * MINUTE_MS)
  expect(asked).toEqual([])
  await world.run(31 * MINUTE_MS)
  expect(asked.length).toBeGreaterThan(0)
})
