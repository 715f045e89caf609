// A production node tells a central system of sessions: over simulated ports, on a virtual clock. The central systems here have
// the habits of OCPP.md's two: one knows a StartTransaction again, one draws a new id for each.
import { describe, expect, it } from 'vitest'
import type { AnyBody } from '../../src/log/body.ts'
import type { ChargerId } from '../../src/units.ts'
import type { CentralSystem, ForwardTerms, UpstreamCall, UpstreamOutcome } from '../../src/upstream.ts'
import {
  createWorld,
  type Member,
  meterMessage,
  type OperatorLog,
  operatorOf,
  startMessage,
  stopMessage,
  type World,
} from './world.ts'

const TERMS: ForwardTerms = {
  ...{ protocol: 'ocpp1.6', lostAnswers: 'hold', shadow: false, live: false, unknownCard: 'STRANGER' },
}

type Fake = CentralSystem & {
  readonly said: UpstreamCall[]
  readonly of: (action: string) => readonly UpstreamCall[]
  /** Transactions as it has them, by its own ids. */
  readonly transactions: Map<number, { start: UpstreamCall; stop?: UpstreamCall }>
  /** What becomes of the next calls of an action, before all others. */
  readonly next: (action: string, outcome: 'lost-before' | 'lost-after' | 'unsent' | 'refused') => void
  isUp: boolean
  hungUp: number
  /** The central system takes its time: answers wait for this. */
  slow: Promise<void> | undefined
}

function fakeOf(terms: Partial<ForwardTerms> = {}, knowsAgain = false): Fake {
  const said: UpstreamCall[] = []
  const transactions: Fake['transactions'] = new Map()
  const faults: { action: string; outcome: string }[] = []
  const lines = new Set<ChargerId>()
  let lastId = 100
  const take = (call: UpstreamCall): unknown => {
    if (call.action === 'BootNotification') return { status: 'Accepted', interval: 300 }
    if (call.action === 'StartTransaction') {
      const again = [...transactions].find(([, one]) => same(one.start, call))
      if (again && knowsAgain) return { transactionId: again[0], idTagInfo: { status: 'Invalid' } }
      lastId += 1
      transactions.set(lastId, { start: call })
      return { transactionId: lastId, idTagInfo: { status: 'Invalid' } }
    }
    const { transactionId } = call.payload
    const held = transactions.get(Number(transactionId))
    if (call.action === 'StopTransaction' && held) held.stop = call
    return {}
  }
  const fake: Fake = {
    ...{
      name: 'steve',
      terms: { ...TERMS, ...terms },
      said,
      transactions,
      isUp: true,
      hungUp: 0,
      slow: undefined,
    },
    of: action => said.filter(call => call.action === action),
    next: (action, outcome) => void faults.push({ action, outcome }),
    open: async chargerId => {
      if (!fake.isUp) return { kind: 'closed', reason: 'ECONNREFUSED' }
      const isNew = !lines.has(chargerId)
      lines.add(chargerId)
      return { kind: 'open', isNew }
    },
    call: async (chargerId, call): Promise<UpstreamOutcome> => {
      const i = faults.findIndex(({ action }) => action === call.action)
      const fault = i < 0 ? undefined : faults.splice(i, 1)[0]?.outcome
      if (!lines.has(chargerId) || fault === 'unsent') return { kind: 'unsent', reason: 'closed' }
      if (fault === 'lost-before') return { kind: 'lost', reason: 'the line was lost' }
      said.push(call)
      if (fault === 'refused') return { kind: 'refused', code: 'InternalError' }
      const payload = take(call)
      if (call.action === 'StartTransaction') await fake.slow
      return fault === 'lost-after'
        ? { kind: 'lost', reason: 'the line was lost' }
        : { kind: 'answered', payload }
    },
    isOpen: chargerId => lines.has(chargerId),
    hangUp: chargerId => {
      lines.delete(chargerId)
      fake.hungUp += 1
    },
  }
  return fake
}

function same(a: UpstreamCall, b: UpstreamCall): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function orderOf(...members: readonly Member[]): AnyBody {
  return { name: 'policy', body: { name: 'forwarders', value: members.map(one => one.deviceId).join(',') } }
}

async function siteOf(seed: string, ...names: readonly string[]): Promise<Site> {
  const world = createWorld(seed)
  const members: Member[] = []
  for (const name of names) members.push(await world.member(name))
  const [a] = members as [Member]
  const operator = await operatorOf(world, a)
  await world.run(3000)
  return { world, members, operator }
}
type Site = { readonly world: World; readonly members: readonly Member[]; readonly operator: OperatorLog }

/** A session of a minute, from its start to its stop; `meterStartWh` tells it from others. */
async function charge(world: World, at: Member, meterStartWh: number, connectorId = 1): Promise<void> {
  const started = await at.tell(startMessage(world, { meterStartWh, connectorId }))
  if (started.kind !== 'started') throw new Error(started.kind)
  await world.run(30_000)
  await at.tell(meterMessage(world, started.transactionId, meterStartWh + 700))
  await world.run(30_000)
  await at.tell(stopMessage(world, started.transactionId, meterStartWh + 1500))
}

async function forwarding(seed: string, fake: Fake): Promise<{ readonly world: World; readonly a: Member }> {
  const { world, members, operator } = await siteOf(seed, 'a')
  const [a] = members as [Member]
  await operator.record([orderOf(a)], a)
  a.node().forwarder.set([fake])
  return { world, a }
}

function reportOf(member: Member) {
  const [report] = member.node().forwarder.report(member.node().ledger(), { wallMs: 0, monotonicMs: 0 })
  if (!report) throw new Error('no central system')
  return report
}

describe('forwarding', () => {
  it('tells a session that is over: boot and status, start, readings, stop, with the words of the charger', async () => {
    const fake = fakeOf()
    const { world, a } = await forwarding('one session', fake)
    const startedAt = new Date(world.wallMs()).toISOString()
    await charge(world, a, 1000)
    await world.run(5000)
    expect(fake.said.map(({ action }) => action)).toEqual([
      ...['BootNotification', 'StatusNotification', 'StatusNotification'],
      ...['StartTransaction', 'MeterValues', 'StopTransaction'],
    ])
    expect(fake.of('StartTransaction')[0]?.payload).toEqual({
      ...{ connectorId: 1, idTag: 'STRANGER', meterStart: 1000, timestamp: startedAt },
    })
    const stop = fake.of('StopTransaction')[0]?.payload
    expect(stop).toMatchObject({ transactionId: 101, meterStop: 2500, reason: 'Local' })
    expect(JSON.stringify(fake.of('MeterValues')[0]?.payload)).toContain('"value":"1700"')
    expect(reportOf(a)).toMatchObject({ state: 'forwarding', waiting: { sessions: 0, held: 0 } })
  })

  it('says nothing while a session runs, and nothing twice after a crash at any moment', async () => {
    const fake = fakeOf()
    const { world, a } = await forwarding('crashes', fake)
    const started = await a.tell(startMessage(world))
    await world.run(10_000)
    expect(fake.said).toEqual([])
    if (started.kind === 'started') await a.tell(stopMessage(world, started.transactionId, 2000))
    for (let i = 0; i < 8; i++) {
      await world.run(500)
      a.crash()
      await a.boot()
      a.node().forwarder.set([fake])
    }
    await world.run(600_000)
    expect(fake.of('StartTransaction').length).toBeLessThanOrEqual(1)
    const [one] = fake.transactions.values()
    // Either it is there to its end, or a person is asked.
    if (one?.stop === undefined) expect(reportOf(a).waiting.held).toBe(1)
    else expect(reportOf(a).waiting.sessions).toBe(0)
  })

  it('goes on with the journalled id after a crash between start and stop', async () => {
    const fake = fakeOf()
    const { world, a } = await forwarding('crash between', fake)
    fake.next('StopTransaction', 'lost-before')
    await charge(world, a, 1000)
    await world.until(() => reportOf(a).chargers[0]?.state === 'failing', 10_000)
    expect(fake.of('StopTransaction')).toEqual([])
    a.crash()
    await a.boot()
    a.node().forwarder.set([fake])
    await world.run(60_000)
    expect(fake.of('StartTransaction')).toHaveLength(1)
    expect(fake.of('StopTransaction').map(({ payload }) => payload.transactionId)).toEqual([101])
  })

  it('repeats a stop whose answer was lost byte for byte', async () => {
    const fake = fakeOf()
    const { world, a } = await forwarding('lost stop', fake)
    fake.next('StopTransaction', 'lost-after')
    await charge(world, a, 1000)
    await world.run(60_000)
    const [first, second, ...more] = fake.of('StopTransaction')
    expect(more).toEqual([])
    expect(JSON.stringify(second)).toBe(JSON.stringify(first))
  })

  it('never asks again for a start whose answer was lost, until a person says so; others go on', async () => {
    const fake = fakeOf()
    const { world, a } = await forwarding('lost start', fake)
    fake.next('StartTransaction', 'lost-after')
    await charge(world, a, 1000)
    await charge(world, a, 4000)
    await world.run(600_000)
    expect(fake.of('StartTransaction').map(({ payload }) => payload.meterStart)).toEqual([1000, 4000])
    const { waiting, sessions } = reportOf(a)
    expect(waiting.held).toBe(1)
    expect(sessions[0]).toMatchObject({ stage: 'asked', isHeld: true })
    expect(sessions[0]?.reason).toContain('asked, unanswered')
    await decide(a, 'retry')
    await world.run(60_000)
    expect(fake.of('StartTransaction').map(({ payload }) => payload.meterStart)).toEqual([1000, 4000, 1000])
    expect(reportOf(a).waiting.sessions).toBe(0)
  })

  it('asks again byte for byte where the central system knows a start again: one transaction', async () => {
    const fake = fakeOf({ lostAnswers: 'retry' }, true)
    const { world, a } = await forwarding('known again', fake)
    for (let i = 0; i < 3; i++) fake.next('StartTransaction', 'lost-after')
    await charge(world, a, 1000)
    await world.run(120_000)
    const starts = fake.of('StartTransaction').map(call => JSON.stringify(call))
    expect(starts).toHaveLength(4)
    expect(new Set(starts).size).toBe(1)
    expect([...fake.transactions.values()].map(({ stop }) => stop?.payload.meterStop)).toEqual([2500])
  })

  it('sends again what surely never left', async () => {
    const fake = fakeOf()
    const { world, a } = await forwarding('unsent', fake)
    fake.next('StartTransaction', 'unsent')
    await charge(world, a, 1000)
    await world.run(60_000)
    expect(fake.transactions.size).toBe(1)
    expect(reportOf(a).waiting.sessions).toBe(0)
  })

  it('is skipped where a person says that it is there', async () => {
    const fake = fakeOf()
    const { world, a } = await forwarding('skipped', fake)
    fake.next('StartTransaction', 'refused')
    await charge(world, a, 1000)
    await world.run(600_000)
    expect(reportOf(a).sessions[0]?.reason).toContain('answered InternalError')
    await decide(a, 'skip')
    await world.run(60_000)
    expect(reportOf(a).waiting.sessions).toBe(0)
    expect(fake.of('StartTransaction')).toHaveLength(1)
  })

  it('waits longer and longer for a central system that is away, and speaks for few chargers at once', async () => {
    const fake = fakeOf()
    const { world, a } = await forwarding('away', fake)
    fake.isUp = false
    for (let i = 0; i < 20; i++) {
      const charger = `CP-${i}`
      const started = await a.tell(startMessage(world, { meterStartWh: i }), charger)
      if (started.kind === 'started')
        await a.tell(stopMessage(world, started.transactionId, i + 100), charger)
    }
    await world.run(120_000)
    expect(reportOf(a)).toMatchObject({ state: 'failing', waiting: { sessions: 20 }, why: 'ECONNREFUSED' })
    fake.isUp = true
    await world.run(600_000)
    expect(fake.transactions.size).toBe(20)
    expect([...fake.transactions.values()].every(({ stop }) => stop !== undefined)).toBe(true)
    expect(fake.hungUp).toBeGreaterThanOrEqual(20)
  })

  it('holds a session whose card nobody can read, and says why; never tells its own id to a log', async () => {
    const { unknownCard: _, ...rest } = fakeOf().terms
    const fake: Fake = { ...fakeOf(), terms: rest }
    const { world, a } = await forwarding('no card', fake)
    await charge(world, a, 1000)
    await world.run(10_000)
    expect(fake.said).toEqual([])
    expect(reportOf(a)).toMatchObject({ waiting: { held: 1 } })
    expect(reportOf(a).sessions[0]?.reason).toContain('sealed nowhere')
  })

  it('in shadow says nothing and writes nothing, and shows what it would say', async () => {
    const fake = fakeOf({ shadow: true })
    const { world, a } = await forwarding('shadow', fake)
    await charge(world, a, 1000)
    await world.run(60_000)
    expect(fake.said).toEqual([])
    const { sessions, state } = reportOf(a)
    expect(state).toBe('shadow')
    expect(sessions[0]).toMatchObject({ stage: 'unsaid', isHeld: false })
    const id = sessions[0]?.sessionId as never
    const [shown] = a.node().forwarder.calls(a.node().ledger(), id)
    expect(shown?.calls.map(({ action }) => action)).toEqual([
      'StartTransaction',
      'MeterValues',
      'StopTransaction',
    ])
    expect(JSON.stringify(shown)).toContain('%card%')
  })

  it('looks through a long queue of what it cannot say now and then only, and when it hears something', async () => {
    let looks = 0
    const held = fakeOf()
    const { unknownCard: _, ...rest } = held.terms
    const terms = Object.defineProperty({ ...rest }, 'unknownCard', {
      get: () => {
        looks += 1
        return undefined
      },
    })
    const fake: Fake = { ...held, terms }
    const { world, a } = await forwarding('long queue', fake)
    for (let i = 0; i < 100; i++) {
      const started = await a.tell(startMessage(world, { meterStartWh: 10_000 * i }))
      if (started.kind === 'started') await a.tell(stopMessage(world, started.transactionId, 10_000 * i + 50))
      await world.run(100)
    }
    await world.run(60_000)
    expect(fake.said).toEqual([])
    looks = 0
    await world.run(60_000)
    expect(looks).toBeGreaterThan(0)
    expect(looks / 100, 'times that all was looked through in a minute').toBeLessThan(8)
    looks = 0
    const started = await a.tell(startMessage(world, { meterStartWh: 2_000_000 }))
    if (started.kind === 'started') await a.tell(stopMessage(world, started.transactionId, 2_000_100))
    await world.run(2000)
    expect(looks, 'news of the charger are looked at at once').toBeGreaterThan(100)
  })

  it('ends with the name that stood in at the start, also where no name is set any more', async () => {
    const fake = fakeOf()
    const { world, a } = await forwarding('name gone', fake)
    fake.next('MeterValues', 'lost-before')
    await charge(world, a, 1000)
    await world.until(() => reportOf(a).chargers[0]?.state === 'failing', 10_000)
    const { unknownCard: _, ...rest } = fake.terms
    a.node().forwarder.set([{ ...fake, terms: rest }])
    await world.run(60_000)
    expect(reportOf(a).waiting.sessions).toBe(0)
  })

  it('begins while a session runs where that is wanted, and ends it when it is over', async () => {
    const fake = fakeOf({ live: true })
    const { world, a } = await forwarding('live', fake)
    const started = await a.tell(startMessage(world))
    await world.run(10_000)
    expect(fake.of('StartTransaction')).toHaveLength(1)
    if (started.kind !== 'started') return
    await a.tell(meterMessage(world, started.transactionId, 1400))
    await world.run(10_000)
    await a.tell(meterMessage(world, started.transactionId, 1800))
    await world.run(60_000)
    expect(fake.of('MeterValues')).toHaveLength(2)
    await a.tell(stopMessage(world, started.transactionId, 2000))
    await world.run(10_000)
    expect(fake.of('StopTransaction')).toHaveLength(1)
    expect(fake.of('StartTransaction')).toHaveLength(1)
  })
})

async function decide(member: Member, verdict: 'retry' | 'skip'): Promise<void> {
  const { sessionId } = reportOf(member).sessions[0] ?? { sessionId: '' as never }
  const { forwarder, ledger, record } = member.node()
  await record([forwarder.decide(ledger(), { name: 'steve', sessionId, verdict })])
}

describe('whose turn it is', () => {
  it('is nobody’s while the operator has named nobody', async () => {
    const fake = fakeOf()
    const { world, members } = await siteOf('nobody', 'a')
    const [a] = members as [Member]
    a.node().forwarder.set([fake])
    await charge(world, a, 1000)
    await world.run(60_000)
    expect(fake.said).toEqual([])
    expect(reportOf(a)).toMatchObject({ state: 'waiting', waiting: { sessions: 1 } })
    expect(reportOf(a).why).toContain('policy set forwarders')
  })

  it('goes to another node only by a word of who holds it; that one goes on where the first stopped', async () => {
    const fake = fakeOf()
    const { world, members, operator } = await siteOf('two nodes', 'a', 'b')
    const [a, b] = members as [Member, Member]
    await operator.record([orderOf(a, b)], a)
    a.node().forwarder.set([fake])
    b.node().forwarder.set([fake])
    await charge(world, a, 1000)
    fake.next('StopTransaction', 'lost-before')
    await world.run(5000)
    expect(reportOf(b)).toMatchObject({ state: 'waiting' })
    expect(reportOf(b).why).toContain('which holds the central system since')
    await expect(b.node().forwarder.handOver('steve', b.deviceId)).rejects.toThrow('does not hold it')
    fake.isUp = false
    const handed = a.node().forwarder.handOver('steve', b.deviceId)
    await world.run(10_000)
    await handed
    fake.isUp = true
    await world.run(60_000)
    expect(reportOf(a).why).toContain('waits for')
    expect(fake.of('StartTransaction')).toHaveLength(1)
    expect([...fake.transactions.values()][0]?.stop?.payload).toMatchObject({ meterStop: 2500 })
    await charge(world, a, 5000)
    await world.run(60_000)
    expect(fake.transactions.size, 'told by the one that has it now').toBe(2)
    expect(reportOf(b).waiting.sessions).toBe(0)
  })

  it('goes with the id that was answered while it was being handed over', async () => {
    const fake = fakeOf()
    const { world, members, operator } = await siteOf('answered late', 'a', 'b')
    const [a, b] = members as [Member, Member]
    await operator.record([orderOf(a, b)], a)
    for (const one of [a, b]) one.node().forwarder.set([fake])
    const slow = Promise.withResolvers<void>()
    fake.slow = slow.promise
    await charge(world, a, 1000)
    await world.until(() => fake.of('StartTransaction').length === 1, 10_000)
    const handed = a.node().forwarder.handOver('steve', b.deviceId)
    await world.run(5000)
    slow.resolve()
    await world.run(60_000)
    await handed
    expect(reportOf(b)).toMatchObject({ state: 'forwarding', waiting: { sessions: 0 } })
    expect([...fake.transactions].map(([id, { stop }]) => [id, stop?.payload.meterStop])).toEqual([
      [101, 2500],
    ])
  })

  it('an answer is written down though the uplink was taken away meanwhile', async () => {
    const fake = fakeOf()
    const { world, a } = await forwarding('taken away', fake)
    const slow = Promise.withResolvers<void>()
    fake.slow = slow.promise
    await charge(world, a, 1000)
    await world.until(() => fake.of('StartTransaction').length === 1, 10_000)
    a.node().forwarder.set([])
    slow.resolve()
    await world.run(5000)
    const again: Fake = { ...fake }
    a.node().forwarder.set([again])
    await world.run(60_000)
    expect(fake.transactions.size).toBe(1)
    expect(reportOf(a).waiting.sessions).toBe(0)
  })

  it('is decided upon where words count: at a node that the operator ever named', async () => {
    const fake = fakeOf()
    const { world, members, operator } = await siteOf('unnamed', 'a', 'b')
    const [a, b] = members as [Member, Member]
    await operator.record([orderOf(a)], a)
    b.node().forwarder.set([fake])
    await charge(world, b, 1000)
    await world.run(20_000)
    await expect(decide(b, 'skip')).rejects.toThrow('not one of the site’s forwarders')
  })

  it('is handed over once, to another, and not where the uplink is taken away', async () => {
    const fake = fakeOf()
    const { world, members, operator } = await siteOf('refusals', 'a', 'b')
    const [a, b] = members as [Member, Member]
    await operator.record([orderOf(a, b)], a)
    a.node().forwarder.set([fake])
    const slow = Promise.withResolvers<void>()
    fake.slow = slow.promise
    await charge(world, a, 1000)
    await world.until(() => fake.of('StartTransaction').length === 1, 10_000)
    const { forwarder } = a.node()
    await expect(forwarder.handOver('steve', a.deviceId)).rejects.toThrow('holds it already')
    const first = expect(forwarder.handOver('steve', b.deviceId)).rejects.toThrow('was taken away')
    await expect(forwarder.handOver('steve', b.deviceId)).rejects.toThrow('just being handed to b')
    forwarder.set([])
    await first
    slow.resolve()
    await world.run(1000)
  })

  it('is never two islands’: each waits or forwards, not both', async () => {
    const [one, other] = [fakeOf(), fakeOf()]
    const { world, members, operator } = await siteOf('islands', 'a', 'b')
    const [a, b] = members as [Member, Member]
    await operator.record([orderOf(a, b)], a)
    await world.run(20_000)
    world.network.cut(a.deviceId, b.deviceId)
    a.node().forwarder.set([one])
    b.node().forwarder.set([other])
    await charge(world, a, 1000)
    await charge(world, b, 9000)
    await world.run(600_000)
    expect(one.transactions.size).toBe(1)
    expect(other.said).toEqual([])
  })

  it('taken by the operator from a node that is gone: what that one may have told is asked about first', async () => {
    const fake = fakeOf()
    const { world, members, operator } = await siteOf('taken over', 'a', 'b')
    const [a, b] = members as [Member, Member]
    await operator.record([orderOf(a, b)], a)
    fake.isUp = false
    a.node().forwarder.set([fake])
    await charge(world, a, 1000)
    await world.run(20_000)
    a.crash()
    await operator.record([orderOf(b)], b)
    fake.isUp = true
    b.node().forwarder.set([fake])
    await world.run(60_000)
    await charge(world, b, 9000)
    await world.run(60_000)
    expect(fake.of('StartTransaction').map(({ payload }) => payload.meterStart)).toEqual([9000])
    expect(reportOf(b).sessions[0]?.reason).toContain('may have been told already')
    await decide(b, 'retry')
    await world.run(60_000)
    expect(fake.transactions.size).toBe(2)
  })
})
