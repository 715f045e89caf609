// Two production nodes on a virtual clock, and a receiver at which they agree whose turn it is; a central system that numbers
// every start, so that nothing may be said twice.
import { describe, expect, it } from 'vitest'
import { type Asker, answerOf, judge, type TermRow } from '../../src/cloud/terms.ts'
import type { AnyBody } from '../../src/log/body.ts'
import { type ChargerId, hex } from '../../src/units.ts'
import { createAgreeing } from '../../src/uplink/agreeing.ts'
import { decodeAgreementRequest, encodeAgreementAnswer } from '../../src/uplink/agreement.ts'
import { LEASE_TERMS } from '../../src/uplink/lease.ts'
import type { CentralSystem, ForwardTerms, UpstreamOutcome } from '../../src/upstream.ts'
import { createWorld, type Member, operatorOf, startMessage, stopMessage, type World } from './world.ts'

const NAME = 'office'
const TERMS: ForwardTerms = {
  ...{ protocol: 'ocpp1.6', lostAnswers: 'hold', shadow: false, live: false, unknownCard: 'GUEST' },
}
const silent = (): undefined => undefined
const QUIET = { debug: silent, info: silent, warn: silent, error: silent }

/** Who said it, and with what register. */
type Start = { readonly by: string; readonly meterStart: unknown; readonly atMs: number }

function office(world: World) {
  let row: TermRow | undefined
  const starts: Start[] = []
  const stops: unknown[] = []
  const seesReceiver = new Set(['a', 'b'])
  /** They are heard, and do not hear the answer. */
  const deaf = new Set<string>()
  const faults = { next: undefined as UpstreamOutcome['kind'] | undefined }
  const forNode = (name: string, member: Member): CentralSystem => {
    const lines = new Set<ChargerId>()
    const turn = createAgreeing({
      ...{ uplink: NAME, random: world.random, logger: QUIET },
      clock: { monotonicMs: world.nowMs, wallMs: world.wallMs },
      ask: () => async (_path, body) => {
        if (!seesReceiver.has(name)) throw new Error('no way')
        const { life, leaseMs, claims } = decodeAgreementRequest(body)
        const asker: Asker = { life: hex(life), leaseMs, deviceId: member.deviceId, cloudEpoch: 1 }
        const rows = claims.flatMap(claim => {
          row = judge(row, claim, asker)
          return row ? [answerOf(claim.uplink, row, asker)] : []
        })
        if (deaf.has(name)) throw new Error('no answer')
        return encodeAgreementAnswer({ rows })
      },
    })
    return {
      ...{ name: NAME, terms: TERMS, turn },
      open: async chargerId => {
        const isNew = !lines.has(chargerId)
        lines.add(chargerId)
        return { kind: 'open', isNew }
      },
      call: async (_, { action, payload }): Promise<UpstreamOutcome> => {
        if (action === 'BootNotification') return { kind: 'answered', payload: { status: 'Accepted' } }
        if (action === 'StopTransaction') stops.push(payload.meterStop)
        if (action !== 'StartTransaction') return { kind: 'answered', payload: {} }
        starts.push({ by: name, meterStart: payload.meterStart, atMs: world.nowMs() })
        const fault = faults.next
        faults.next = undefined
        if (fault === 'lost') return { kind: 'lost', reason: 'cut' }
        return {
          kind: 'answered',
          payload: { transactionId: 100 + starts.length, idTagInfo: { status: 'Accepted' } },
        }
      },
      isOpen: chargerId => lines.has(chargerId),
      hangUp: chargerId => void lines.delete(chargerId),
    }
  }
  return { forNode, starts, stops, seesReceiver, deaf, faults }
}

async function siteOf(seed: string, by: 'agreement' | 'order only' = 'agreement') {
  const world = createWorld(seed)
  const [a, b] = [await world.member('a'), await world.member('b')]
  const operator = await operatorOf(world, a)
  const value = `${a.deviceId},${b.deviceId}`
  const order: AnyBody = { name: 'policy', body: { name: 'forwarders', value } }
  await operator.record([order], a)
  await world.run(20_000)
  const central = office(world)
  const systems = { a: central.forNode('a', a), b: central.forNode('b', b) }
  const { turn: _, ...ordered } = systems.a
  a.node().forwarder.set([by === 'agreement' ? systems.a : ordered])
  if (by === 'agreement') b.node().forwarder.set([systems.b])
  await world.run(25_000)
  return { world, a, b, central, systems, operator }
}

async function charge(world: World, at: Member, meterStartWh: number): Promise<void> {
  const started = await at.tell(startMessage(world, { meterStartWh }))
  if (started.kind !== 'started') throw new Error(started.kind)
  await world.run(30_000)
  await at.tell(stopMessage(world, started.transactionId, meterStartWh + 1500))
  await world.run(10_000)
}

/** What waits for a while has waited by then. */
const LATER = { wallMs: 0, monotonicMs: Number.MAX_SAFE_INTEGER }

function reportOf(member: Member) {
  const [report] = member.node().forwarder.report(member.node().ledger(), LATER)
  if (!report) throw new Error('no central system')
  return report
}

const said = (starts: readonly Start[]): readonly string[] =>
  starts.map(({ by, meterStart }) => `${by} ${meterStart}`)

describe('forwarders that agree at the receiver', () => {
  it('let the one speak whose turn it is by the order; the other waits and says for whom', async () => {
    const { world, a, b, central } = await siteOf('agree')
    await charge(world, a, 1000)
    await charge(world, b, 4000)
    expect(said(central.starts)).toEqual(['a 1000', 'a 4000'])
    expect(reportOf(b)).toMatchObject({ state: 'waiting' })
    expect(reportOf(b).why).toContain('waits for a, which has the turn at the receiver')
  })

  it('follow one that died; what it may have told unheard is asked about, and new sessions are told', async () => {
    const { world, a, b, central } = await siteOf('died')
    await charge(world, a, 1000)
    world.network.cut(a.deviceId, b.deviceId)
    await charge(world, b, 4000)
    a.crash()
    await world.run(LEASE_TERMS.leaseMs + 60_000)
    expect(reportOf(b)).toMatchObject({ state: 'forwarding', waiting: { sessions: 1, held: 1 } })
    expect(reportOf(b).sessions[0]?.reason).toContain('may have been told already')
    await charge(world, b, 7000)
    expect(said(central.starts)).toEqual(['a 1000', 'b 7000'])
  })

  it('stop where the receiver is out of sight, before another begins; and say why', async () => {
    const { world, a, central } = await siteOf('unseen')
    central.seesReceiver.delete('a')
    await world.run(LEASE_TERMS.leaseMs - LEASE_TERMS.marginMs)
    expect(reportOf(a).state).toBe('waiting')
    await charge(world, a, 1000)
    expect(reportOf(a).why).toContain('no turn is agreed upon at the receiver: no way')
    await world.run(60_000)
    expect(said(central.starts)).toEqual(['b 1000'])
    central.seesReceiver.add('a')
    await world.run(60_000)
    expect(reportOf(a).why).toContain('waits for b')
  })

  it('hand it back by who has it by agreement alone; where the receiver does not hear of it, that is said', async () => {
    const { world, a, b, central, systems } = await siteOf('handed back')
    a.crash()
    await world.run(LEASE_TERMS.leaseMs + 60_000)
    await a.boot()
    a.node().forwarder.set([systems.a])
    await world.run(60_000)
    expect(reportOf(b).state).toBe('forwarding')
    central.seesReceiver.delete('b')
    const failed = expect(b.node().forwarder.handOver(NAME, a.deviceId)).rejects.toThrow(
      'did not say that it',
    )
    await world.run(5000)
    await failed
    central.seesReceiver.add('b')
    await world.run(30_000)
    expect(reportOf(b).state, 'goes on until it is heard').toBe('forwarding')
    const handed = b.node().forwarder.handOver(NAME, a.deviceId)
    await world.run(30_000)
    await handed
    expect([reportOf(a).state, reportOf(b).state]).toEqual(['forwarding', 'waiting'])
    await charge(world, b, 4000)
    expect(said(central.starts)).toEqual(['a 4000'])
  })

  it('hand over also after an answer of the receiver was lost', async () => {
    const { world, a, b, central } = await siteOf('stale mark')
    central.deaf.add('a')
    await world.run(LEASE_TERMS.renewEveryMs)
    central.deaf.delete('a')
    const handed = a.node().forwarder.handOver(NAME, b.deviceId)
    await world.run(1500)
    await handed
    await world.run(LEASE_TERMS.renewEveryMs)
    expect([reportOf(a).state, reportOf(b).state]).toEqual(['waiting', 'forwarding'])
  })

  it('ask about what was told before there was an agreement by a node that the order then left out', async () => {
    const { world, a, b, central, systems, operator } = await siteOf('no agreement yet', 'order only')
    world.network.cut(a.deviceId, b.deviceId)
    await charge(world, a, 1000)
    expect(said(central.starts)).toEqual(['a 1000'])
    a.crash()
    await charge(world, b, 4000)
    await operator.record([{ name: 'policy', body: { name: 'forwarders', value: `${b.deviceId}` } }], b)
    b.node().forwarder.set([systems.b])
    await world.run(60_000)
    expect(reportOf(b)).toMatchObject({ state: 'forwarding', waiting: { sessions: 1, held: 1 } })
    expect(reportOf(b).sessions[0]?.reason).toContain('may have been told already')
  })

  it('hand over at once, with what was said; whoever follows waits until it has heard that', async () => {
    const { world, a, b, central } = await siteOf('handed')
    await charge(world, a, 1000)
    world.network.cut(a.deviceId, b.deviceId)
    await charge(world, a, 4000)
    const handed = a.node().forwarder.handOver(NAME, b.deviceId)
    await world.run(30_000)
    await handed
    expect(reportOf(b).why).toContain('waits for words of the node before')
    world.network.heal()
    await world.run(30_000)
    await charge(world, b, 7000)
    expect(said(central.starts)).toEqual(['a 1000', 'a 4000', 'b 7000'])
    expect(central.stops).toEqual([2500, 5500, 8500])
    expect(reportOf(b)).toMatchObject({ state: 'forwarding', waiting: { sessions: 0 } })
  })
})
