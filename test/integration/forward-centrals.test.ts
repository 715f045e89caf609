// A production node on a virtual clock tells central systems of differing habits over real WebSockets, with answers that are
// lost, sockets that are cut at each place, forwarders that die between a call and its answer, and hand-overs in mid-queue.
import { afterEach, describe, expect, it } from 'vitest'
import type { AnyBody } from '../../src/log/body.ts'
import type { ChargerId } from '../../src/units.ts'
import { type OpenCsms, openCsms } from '../../src/uplink/csms.ts'
import type { ForwardTerms } from '../../src/upstream.ts'
import { until } from '../deadline.ts'
import {
  createWorld,
  type Member,
  meterMessage,
  operatorOf,
  startMessage,
  stopMessage,
  type World,
} from '../node/world.ts'
import { openDeduplicating } from './central-deduplicating.ts'
import { openEventCentral } from './central-events.ts'
import { openNumbering } from './central-numbering.ts'
import type { Fault, Upstream } from './central-upstream.ts'
import { quiet } from './cloud-bench.ts'

const CHARGER = 'CP-1' as ChargerId
const PASSWORD = 'of the station'
const PASSWORDS = { [CHARGER]: PASSWORD }
/** The card's own id is nobody's to read in a simulated world; this name stands for it. */
const CARD = 'GUEST'
const TERMS: ForwardTerms = {
  ...{ protocol: 'ocpp1.6', lostAnswers: 'hold', shadow: false, live: false, unknownCard: CARD },
}
/** An answer that does not come is waited for so long. */
const CALL_MS = 80

const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

type Site = { readonly world: World; readonly a: Member; readonly others: readonly Member[] }

async function siteOf(seed: string, ...names: readonly string[]): Promise<Site> {
  const world = createWorld(seed)
  const a = await world.member('a')
  const others: Member[] = []
  for (const name of names) others.push(await world.member(name))
  const operator = await operatorOf(world, a)
  const value = [a, ...others].map(({ deviceId }) => deviceId).join(',')
  const order: AnyBody = { name: 'policy', body: { name: 'forwarders', value } }
  await operator.record([order], a)
  await world.run(5000)
  return { world, a, others }
}

function speak(member: Member, central: Upstream, terms: Partial<ForwardTerms> = {}): OpenCsms {
  const system = openCsms({
    ...{ name: 'office', terms: { ...TERMS, ...terms }, url: central.url(), logger: quiet },
    ...{ password: () => PASSWORD, callTimeoutMs: CALL_MS },
  })
  closing.push(() => system.close())
  member.node().forwarder.set([system])
  return system
}

async function charge(world: World, at: Member, meterStartWh: number): Promise<void> {
  const started = await at.tell(startMessage(world, { meterStartWh }))
  if (started.kind !== 'started') throw new Error(started.kind)
  await world.run(30_000)
  await at.tell(meterMessage(world, started.transactionId, meterStartWh + 700))
  await world.run(30_000)
  await at.tell(stopMessage(world, started.transactionId, meterStartWh + 1500))
}

/** What waits for a while has waited by then. */
const LATER = { wallMs: 0, monotonicMs: Number.MAX_SAFE_INTEGER }

function reportOf(member: Member) {
  const [report] = member.node().forwarder.report(member.node().ledger(), LATER)
  if (!report) throw new Error('no central system')
  return report
}

/** Virtual seconds pass, and real milliseconds in which the sockets have their turn. */
async function lasts({ world }: Pick<Site, 'world'>, what: string, holds: () => boolean): Promise<void> {
  await until(
    async () => {
      await world.run(1000)
      return holds()
    },
    { withinMs: 15_000, what },
  )
}

const isDone = (member: Member) => (): boolean => {
  const { waiting, chargers } = reportOf(member)
  return waiting.sessions === waiting.held && chargers.every(({ state }) => state !== 'talking')
}

/** What a system with transactions was told, as [first register, last register]. */
type Told = readonly (readonly [number, number | undefined])[]
const registersOf = (booked: readonly { readonly meterStart: number; readonly meterStop?: number }[]): Told =>
  booked.map(({ meterStart, meterStop }) => [meterStart, meterStop])
const ALL: Told = [
  [1000, 2500],
  [4000, 5500],
  [7000, 8500],
]

const FAULTS: readonly Fault[] = [
  { kind: 'loses-answer' },
  { kind: 'cuts-after' },
  { kind: 'cuts-before' },
  { kind: 'error-after', code: 'InternalError' },
]
const PLACES = [
  'BootNotification',
  'StatusNotification',
  'StartTransaction',
  'MeterValues',
  'StopTransaction',
]

describe('a central system that knows a start again', () => {
  it('has each session once, in order, whatever fails at any place', async () => {
    const central = await openDeduplicating({ passwords: PASSWORDS })
    closing.push(central.stop)
    const site = await siteOf('again')
    speak(site.a, central, { lostAnswers: 'retry' })
    const truth: (readonly [number, number])[] = []
    for (const action of PLACES)
      for (const fault of FAULTS) {
        const meterStartWh = 3000 * truth.length
        await charge(site.world, site.a, meterStartWh)
        truth.push([meterStartWh, meterStartWh + 1500])
        central.fail(action, 1, fault)
        await lasts(site, `${action} ${fault.kind}`, isDone(site.a))
      }
    expect(registersOf(central.booked())).toEqual(truth)
    expect(reportOf(site.a)).toMatchObject({ waiting: { sessions: 0, held: 0 } })
  })

  it('has each session once when the forwarder dies between a call and its answer, at each call in turn', async () => {
    const central = await openDeduplicating({ passwords: PASSWORDS })
    closing.push(central.stop)
    const site = await siteOf('dies')
    for (const meterStartWh of [1000, 4000, 7000]) await charge(site.world, site.a, meterStartWh)
    for (const action of ['StartTransaction', 'MeterValues', 'StopTransaction', 'StartTransaction']) {
      central.fail(action, 1, { kind: 'loses-answer' })
      const system = speak(site.a, central, { lostAnswers: 'retry' })
      const before = central.saidOf(action).length
      await lasts(site, action, () => central.saidOf(action).length > before)
      site.a.crash()
      system.close()
      await site.a.boot()
    }
    speak(site.a, central, { lostAnswers: 'retry' })
    await lasts(site, 'all sessions', isDone(site.a))
    expect(registersOf(central.booked())).toEqual(ALL)
  })

  it('has each session once after a hand-over in the middle of the queue, from one node at a time', async () => {
    const central = await openDeduplicating({ passwords: PASSWORDS })
    closing.push(central.stop)
    const site = await siteOf('handed over', 'b')
    const [b] = site.others as [Member]
    for (const meterStartWh of [1000, 4000, 7000]) await charge(site.world, site.a, meterStartWh)
    central.fail('StopTransaction', 2, { kind: 'loses-answer' })
    speak(site.a, central, { lostAnswers: 'retry' })
    speak(b, central, { lostAnswers: 'retry' })
    await lasts(site, 'the second stop', () => central.saidOf('StopTransaction').length === 2)
    const handed = site.a.node().forwarder.handOver('office', b.deviceId)
    await lasts(site, 'the rest', isDone(b))
    await handed
    expect(registersOf(central.booked())).toEqual(ALL)
    expect(central.overlaps()).toBe(0)
    expect(reportOf(site.a).why).toContain('waits for')
  })

  it('is told on where it was restarted, and waits for a station that it does not want yet', async () => {
    const central = await openDeduplicating({ passwords: PASSWORDS })
    closing.push(central.stop)
    const site = await siteOf('restarted')
    await charge(site.world, site.a, 1000)
    central.boots.answer = 'Pending'
    speak(site.a, central, { lostAnswers: 'retry' })
    await lasts(site, 'a boot', () => central.saidOf('BootNotification').length > 0)
    await lasts(site, 'patience', () => reportOf(site.a).state === 'failing')
    expect(central.booked()).toEqual([])
    await central.restart()
    central.boots.answer = 'Accepted'
    await lasts(site, 'the session', isDone(site.a))
    expect(registersOf(central.booked())).toEqual([[1000, 2500]])
  })
})

describe('a central system that numbers every start', () => {
  it('has no session twice, whatever fails at any place; what may be missing is listed', async () => {
    const central = await openNumbering({ passwords: PASSWORDS })
    closing.push(central.stop)
    const site = await siteOf('numbers')
    speak(site.a, central)
    const truth: (readonly [number, number])[] = []
    let doubtful = 0
    for (const action of PLACES)
      for (const fault of FAULTS) {
        const meterStartWh = 3000 * (truth.length + doubtful)
        await charge(site.world, site.a, meterStartWh)
        if (action === 'StartTransaction') doubtful += 1
        else truth.push([meterStartWh, meterStartWh + 1500])
        central.fail(action, 1, fault)
        await lasts(site, `${action} ${fault.kind}`, isDone(site.a))
      }
    const booked = registersOf(central.booked())
    expect(booked.filter(([, stop]) => stop !== undefined)).toEqual(truth)
    expect(new Set(booked.map(([start]) => start)).size).toBe(booked.length)
    expect(central.droppedStops()).toEqual([])
    const { sessions, waiting } = reportOf(site.a)
    expect(waiting.held).toBe(doubtful)
    expect(new Set(sessions.map(({ stage }) => stage))).toEqual(new Set(['asked']))
  })

  it('is asked by a person: what is not there is told then, and once', async () => {
    const central = await openNumbering({ passwords: PASSWORDS })
    closing.push(central.stop)
    const site = await siteOf('decided')
    await charge(site.world, site.a, 1000)
    central.fail('StartTransaction', 1, { kind: 'cuts-before' })
    speak(site.a, central)
    await lasts(site, 'a question', () => reportOf(site.a).waiting.held === 1)
    const [held] = reportOf(site.a).sessions
    if (!held) throw new Error('nothing is held')
    const decision = { name: 'office', sessionId: held.sessionId, verdict: 'retry' } as const
    const node = site.a.node()
    await node.record([node.forwarder.decide(node.ledger(), decision)])
    await lasts(site, 'the session', () => reportOf(site.a).waiting.sessions === 0)
    expect(registersOf(central.booked())).toEqual([[1000, 2500]])
  })

  it('has no session twice when the forwarder dies between a start and its answer', async () => {
    const central = await openNumbering({ passwords: PASSWORDS })
    closing.push(central.stop)
    const site = await siteOf('numbers dies')
    for (const meterStartWh of [1000, 4000]) await charge(site.world, site.a, meterStartWh)
    central.fail('StartTransaction', 1, { kind: 'loses-answer' })
    const system = speak(site.a, central)
    await lasts(site, 'a start', () => central.saidOf('StartTransaction').length > 0)
    site.a.crash()
    system.close()
    await site.a.boot()
    speak(site.a, central)
    await lasts(site, 'the other', isDone(site.a))
    expect(registersOf(central.booked())).toEqual([
      [1000, undefined],
      [4000, 5500],
    ])
    expect(reportOf(site.a)).toMatchObject({ waiting: { sessions: 1, held: 1 } })
  })

  it('that takes no session of a card that it does not know: a person hears of it, nothing is told of id 0', async () => {
    const central = await openNumbering({ passwords: PASSWORDS, unknownCard: 'id-0' })
    closing.push(central.stop)
    const site = await siteOf('id 0')
    await charge(site.world, site.a, 1000)
    speak(site.a, central)
    await lasts(site, 'an answer', () => central.saidOf('StartTransaction').length > 0)
    await lasts(site, 'what it means', isDone(site.a))
    expect(central.booked()).toEqual([])
    expect(central.droppedStops()).toEqual([])
    expect(reportOf(site.a)).toMatchObject({ waiting: { held: 1 } })
    expect(reportOf(site.a).sessions[0]?.reason).toContain('Invalid')
  })
})

describe('a central system of OCPP 2.0.1', () => {
  it('has every event once, in order and without a gap, whatever fails at any place', async () => {
    const central = await openEventCentral({ passwords: PASSWORDS })
    closing.push(central.stop)
    const site = await siteOf('events')
    speak(site.a, central, { protocol: 'ocpp2.0.1', lostAnswers: 'retry' })
    const truth: unknown[] = []
    // The third place is the start, the next one the reading, the last the end.
    for (const [action, nth] of [...EVENT_PLACES])
      for (const fault of FAULTS) {
        const meterStartWh = 3000 * truth.length
        await charge(site.world, site.a, meterStartWh)
        truth.push([meterStartWh, meterStartWh + 1500, true, []])
        central.fail(action, nth, fault)
        await lasts(site, `${action} ${nth} ${fault.kind}`, isDone(site.a))
      }
    const told = central.booked().map(one => [one.meterStartWh, one.meterStopWh, one.hasEnded, one.gaps])
    expect(told).toEqual(truth)
    expect(central.complaints()).toEqual([])
    expect(central.repeated().length).toBeGreaterThan(0)
  })
})

const EVENT_PLACES = [
  ['BootNotification', 1],
  ['StatusNotification', 1],
  ['TransactionEvent', 1],
  ['TransactionEvent', 2],
  ['TransactionEvent', 3],
] as const
