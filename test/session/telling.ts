// Random tellings of what happened at a charger, as facts of several nodes: starts sent twice, stops under foreign
// ids, late ticks, clocks that were never set. Small domains, so that the facts meet one another.
import fc from 'fast-check'
import type { AnyBody, BodyOf, EventRef } from '../../src/log/body.ts'
import type { LogEvent } from '../../src/log/event.ts'
import { hlcOf } from '../../src/log/hlc.ts'
import { addFact, emptyFacts, type FactSet } from '../../src/session/facts.ts'
import { type ChargerSessions, foldCharger } from '../../src/session/fold.ts'
import { sessionIdOf, transactionIdOf } from '../../src/session/id.ts'
import type { ChargerId, DeviceId, EventHash, LogId, SessionId, TokenRef } from '../../src/units.ts'

const OPENED_AT = Date.UTC(2026, 5, 1)
const CHARGERS = ['CP-1', 'CP-2'] as ChargerId[]

export type Told = { readonly node: number; readonly atMs: number; readonly body: AnyBody }

type Words = {
  readonly chargerId: ChargerId
  readonly connectorId: number
  readonly meterStartWh: number
  readonly startedAt: Clock
}

type Clock = { raw: string; at: number }

function clockOf(at: number): Clock {
  return { raw: new Date(at).toISOString(), at }
}

const clocks = fc.constantFrom(0, 5_000, OPENED_AT, OPENED_AT + 60_000, OPENED_AT + 120_000).map(clockOf)
/** How many of what a charger can say; few, and its facts meet one another, many, and most sessions stand alone. */
type Vocabulary = {
  readonly clocks: fc.Arbitrary<Clock>
  readonly registers: readonly number[]
  /** Whether a node that tells a stop or tick knows its session. */
  readonly knowing: fc.Arbitrary<boolean>
}

const FEW: Vocabulary = { clocks, registers: [0, 1000, 2000], knowing: fc.boolean() }
/** All know the session, so that sessions meet through their starts alone. */
const FEWER: Vocabulary = { ...FEW, registers: [0, 1000], knowing: fc.constant(true) }
const MANY: Vocabulary = {
  clocks: fc.nat(40).map(n => clockOf(OPENED_AT + n * 3_600_000)),
  registers: [...Array(20).keys()].map(n => n * 1000),
  knowing: fc.boolean(),
}
const cards = fc.constantFrom('aa', 'bb').map(text => text.repeat(16) as TokenRef)

export function idsOf(said: Words): { sessionId: SessionId; transactionId: number } {
  const sessionId = sessionIdOf({ ...said, startedAtRaw: said.startedAt.raw })
  return { sessionId, transactionId: transactionIdOf(sessionId, () => false) }
}

const REF: EventRef = { logId: '11'.repeat(16) as LogId, seq: 1, hash: '22'.repeat(32) as EventHash }

/** What one node says, once. */
function saidIn({ clocks, registers, knowing }: Vocabulary): fc.Arbitrary<AnyBody> {
  const words: fc.Arbitrary<Words> = fc.record({
    chargerId: fc.constantFrom(CHARGERS[0] as ChargerId),
    connectorId: fc.constantFrom(1, 2),
    meterStartWh: fc.constantFrom(...registers),
    startedAt: clocks,
  })
  const meters = fc.constantFrom(...registers.flatMap(register => [register + 500, register + 500]), 2500)
  const start = fc.tuple(words, cards, fc.constantFrom('ALLOWED', 'BLOCKED')).map(
    ([said, tokenRef, allowed]): AnyBody => ({
      name: 'session_start',
      body: {
        ...{ ...said, ...idsOf(said), tokenRef, allowed: allowed as 'ALLOWED', reason: '', policyHead: [] },
        ...{ tier: 'FULL', connectionId: 1, clock: 'rtc' },
      },
    }),
  )
  const transactionIds = fc.oneof(
    words.map(said => idsOf(said).transactionId),
    fc.constantFrom(-1, 0, 77),
  )
  const end = fc.tuple(words, knowing, transactionIds, meters, clocks).map(
    ([said, knew, foreign, meterStopWh, stoppedAt]): AnyBody => ({
      name: 'session_end',
      body: {
        ...(knew && { sessionId: idsOf(said).sessionId }),
        ...{ chargerId: said.chargerId, transactionId: knew ? idsOf(said).transactionId : foreign },
        ...{ meterStopWh, stoppedAt, reason: 'Local', connectionId: 1, clock: 'rtc' },
      },
    }),
  )
  const tick = fc.tuple(words, knowing, meters, clocks).map(
    ([said, knew, energyWh, sampledAt]): AnyBody => ({
      name: 'meter_tick',
      body: {
        ...(knew && { sessionId: idsOf(said).sessionId }),
        ...{ chargerId: said.chargerId, connectorId: said.connectorId, energyWh, sampledAt, connectionId: 1 },
        transactionId: idsOf(said).transactionId,
      },
    }),
  )
  const adoption = words.map(
    (said): AnyBody => ({
      name: 'adoption',
      body: {
        ...{ sessionId: idsOf(said).sessionId, chargerId: said.chargerId, from: REF },
        ...{ chargerState: '', connectionId: 1 },
      },
    }),
  )
  return fc.oneof(start, start, end, end, tick, asideOf(words), adoption)
}

/** Often of a stop that is there: the second or third thing that a node said. */
const stops = fc
  .record({ node: fc.nat(2), seq: fc.integer({ min: 1, max: 4 }) })
  .map(({ node, seq }): EventRef => ({ ...REF, logId: logIdOf(node), seq }))

function asideOf(words: fc.Arbitrary<Words>): fc.Arbitrary<AnyBody> {
  return fc
    .tuple(words, fc.constantFrom('0.25', '0.50'), fc.nat(3), stops)
    .map(([said, pricePerKwh, kind, end]): AnyBody => {
      const { sessionId } = idsOf(said)
      if (kind === 0)
        return { name: 'pricing', body: { sessionId, tariff: REF, currency: 'EUR', pricePerKwh } }
      if (kind === 1)
        return { name: 'session_state', body: { sessionId, state: 'suspendedEv', chargerStatus: '' } }
      if (kind === 2)
        return { name: 'session_state', body: { sessionId, state: 'charging', chargerStatus: '' } }
      return { name: 'reconciliation_mark', body: { sessionId, end, cloudEpoch: 1, ackedAt: 1 } }
    })
}

function toldIn(vocabulary: Vocabulary): fc.Arbitrary<Told> {
  return fc.record({
    node: fc.nat(2),
    atMs: fc.nat(4).map(n => OPENED_AT + n * 30_000),
    body: saidIn(vocabulary),
  })
}

const told = toldIn(FEW)
/** What a node claims of a session that belongs to another charger. */
const lie = told.map(one => {
  if (!('chargerId' in one.body.body)) return one
  const body = { ...one.body.body, chargerId: CHARGERS[1] }
  return { ...one, body: { ...one.body, body } as AnyBody }
})

export const tellings: fc.Arbitrary<readonly Told[]> = fc.array(told, { maxLength: 14 })
export const namedTellings: fc.Arbitrary<readonly Told[]> = fc.array(toldIn(FEWER), { maxLength: 20 })
export const tellingsWithLies: fc.Arbitrary<readonly Told[]> = fc.array(fc.oneof(told, told, lie), {
  maxLength: 14,
})

/**
 * A busy charger: sessions that mostly stand alone, and now and then one that meets another. Everything that is told
 * of a session is drawn from those that were begun, or it would seldom meet a start.
 */
export const busyTellings: fc.Arbitrary<readonly Told[]> = fc
  .tuple(
    fc.array(fc.tuple(toldIn(MANY), fc.nat(30), fc.boolean()), { minLength: 5, maxLength: 40 }),
    fc.array(fc.oneof({ arbitrary: told, weight: 1 }, { arbitrary: lie, weight: 1 }), { maxLength: 2 }),
  )
  .map(([many, few]) => [...aboutBegun(many), ...few])

function aboutBegun(many: readonly (readonly [Told, number, boolean])[]): readonly Told[] {
  const begun: BodyOf<'session_start'>[] = []
  return many.map(([one, pick, stray]) => {
    if (one.body.name === 'session_start') begun.push(one.body.body)
    const of = begun[pick % Math.max(1, begun.length)]
    if (!of || one.body.name === 'session_start' || (stray && pick === 0)) return one
    const { sessionId, transactionId } = of
    const body = { ...one.body.body, sessionId, ...('transactionId' in one.body.body && { transactionId }) }
    return { ...one, body: { ...one.body, body } as AnyBody }
  })
}

function logIdOf(node: number): LogId {
  return `${node}`.repeat(32) as LogId
}

export type Placed = { readonly event: LogEvent; readonly body: AnyBody; readonly deviceId: DeviceId }

/** Puts what was told into the logs of its nodes, in the order told. */
export function placed(telling: readonly Told[]): readonly Placed[] {
  const seqs = new Map<number, number>()
  const clocksOf = new Map<number, bigint>()
  return telling.map(({ node, atMs, body }) => {
    const seq = (seqs.get(node) ?? 0) + 1
    seqs.set(node, seq)
    const last = clocksOf.get(node) ?? 0n
    const hlc = hlcOf(atMs) > last ? hlcOf(atMs) : last + 1n
    clocksOf.set(node, hlc)
    const logId = logIdOf(node)
    const hash = `${node}${seq}`.padStart(64, '0') as EventHash
    const event = { logId, seq, hlc, monoMs: 0, type: 0, prev: hash, hash, body: new Uint8Array() }
    return { event, body, deviceId: `${node}`.repeat(32) as DeviceId }
  })
}

export function factsOf(events: readonly Placed[]): FactSet {
  const facts = emptyFacts()
  for (const { event, body, deviceId } of events) addFact(facts, event, body, deviceId)
  return facts
}

/** Every charger's sessions. */
export function sessionsOf(events: readonly Placed[]): Readonly<Record<string, ChargerSessions>> {
  const { chargers } = factsOf(events)
  return Object.fromEntries([...chargers].sort().map(([id, facts]) => [id, foldCharger(facts)]))
}
