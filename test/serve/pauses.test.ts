// Pauses as chargers of both versions tell them, at once or late, and how they are written down.
import { describe, expect, it } from 'vitest'
import { usageOf } from '../../src/billing/usage.ts'
import type { BodyOf } from '../../src/log/body.ts'
import { translate } from '../../src/ocpp/v16.ts'
import { translate201 } from '../../src/ocpp/v201.ts'
import type { ChargerMessage, PauseState } from '../../src/ports.ts'
import { MAX_STATES } from '../../src/serving.ts'
import { type ChargingNode, campus, HOUR_MS, iso, MINUTE_MS, meet } from './charging.ts'

const TX = { stationTransactionId: 'b2a1-77' }

function open(...names: readonly string[]): readonly ChargingNode[] {
  const made = campus()
  const nodes = names.map(name => made.node(name))
  made.publish(...nodes)
  return nodes
}

function one(): ChargingNode & { readonly from: number } {
  const [node] = open('a')
  if (!node) throw new Error('a node')
  return { ...node, from: node.clock.at }
}

/** A message as its CALL says it. */
function heard(drafts: readonly unknown[]): ChargerMessage {
  return drafts[0] as ChargerMessage
}

function status(said: string, timestamp?: string): ChargerMessage {
  const params = { connectorId: 1, errorCode: 'NoError', status: said, ...(timestamp && { timestamp }) }
  const translation = translate('StatusNotification', params, () => undefined)
  if (translation.kind !== 'message') throw new Error(translation.kind)
  return translation.draft as ChargerMessage
}

function updated(chargingState: string, at: number, register?: number): ChargerMessage {
  const timestamp = new Date(at).toISOString()
  const meterValue = [{ timestamp, sampledValue: [{ value: register ?? 0, unitOfMeasure: { unit: 'Wh' } }] }]
  const params = {
    ...{ eventType: 'Updated', timestamp, triggerReason: 'ChargingStateChanged', seqNo: 1 },
    ...{ transactionInfo: { transactionId: TX.stationTransactionId, chargingState } },
    ...(register !== undefined && { meterValue }),
  }
  const translation = translate201('TransactionEvent', params, () => undefined)
  return translation.kind === 'message' ? heard(translation.drafts) : { kind: 'heartbeat' }
}

function begin(node: ChargingNode, at = node.clock.at): void {
  const words = { connectorId: 1, tokenRef: 'aa'.repeat(16) as never, meterStartWh: 1000 }
  node.say({ kind: 'start', ...TX, ...words, startedAt: iso(at) })
}

function finish(node: ChargingNode, at = node.clock.at): void {
  const words = { transactionId: 0, meterStopWh: 6000, reason: 'Local', readings: [] }
  node.say({ kind: 'stop', ...TX, ...words, stoppedAt: iso(at) })
}

/** In minutes since then. */
function idle(node: ChargingNode, from: number): unknown {
  const session = node.only()
  return usageOf(session, session.energyWh ?? 0).idle.map(({ fromAt, toAt, kind }) => [
    Math.round((fromAt * 1000 - from) / MINUTE_MS),
    Math.round((toAt * 1000 - from) / MINUTE_MS),
    kind,
  ])
}

function states(node: ChargingNode): readonly BodyOf<'session_state'>['state'][] {
  return node.wrote('session_state').map(({ state }) => state)
}

describe('a pause', () => {
  it('of OCPP 1.6 is written with the charger’s time, where it names one', () => {
    const { from, ...node } = one()
    node.say(status('Available'))
    const { transactionId } = node.start()
    node.clock.at = from + 20 * MINUTE_MS
    node.say(status('SuspendedEV', iso(from + 10 * MINUTE_MS).raw))
    expect(node.wrote('session_state')).toMatchObject([
      { state: 'suspendedEv', chargerStatus: 'SuspendedEV', changedAt: iso(from + 10 * MINUTE_MS) },
    ])
    node.clock.at = from + 30 * MINUTE_MS
    node.say(status('Charging'))
    node.clock.at = from + HOUR_MS
    node.stop({ transactionId })
    expect(node.wrote('session_state')[1]).not.toHaveProperty('changedAt')
    expect(idle(node, from)).toEqual([[10, 30, 'parked']])
  })

  it('that the vehicle and then the charger makes is two', () => {
    const { from, ...node } = one()
    begin(node)
    for (const [minute, state] of [
      [5, 'Charging'],
      [10, 'SuspendedEV'],
      [15, 'SuspendedEV'],
      [20, 'SuspendedEVSE'],
      [30, 'Charging'],
    ] as const) {
      node.clock.at = from + minute * MINUTE_MS
      node.say(updated(state, node.clock.at))
    }
    expect(states(node)).toEqual(['suspendedEv', 'suspendedEvse', 'charging'])
    node.clock.at = from + HOUR_MS
    finish(node)
    expect(idle(node, from)).toEqual([
      [10, 20, 'parked'],
      [20, 30, 'withheld'],
    ])
  })

  it('that a station tells hours later, with all that it queued, is where it was', () => {
    const { from, ...node } = one()
    node.clock.at = from + 5 * HOUR_MS
    const at = (minute: number): number => from + minute * MINUTE_MS
    begin(node, from)
    node.say(updated('Charging', at(1), 1100))
    node.say(updated('SuspendedEV', at(20), 5900))
    node.say(updated('SuspendedEV', at(25), 5950))
    node.say(updated('Charging', at(40), 5950))
    finish(node, at(60))
    expect(idle(node, from)).toEqual([[20, 40, 'parked']])
  })

  it('that a station tells to two nodes is one', () => {
    const [a, b] = open('a', 'b')
    if (!a || !b) throw new Error('two nodes')
    const from = a.clock.at
    begin(a)
    meet(a, b)
    a.clock.at = from + 10 * MINUTE_MS
    a.say(updated('SuspendedEV', from + 10 * MINUTE_MS))
    b.clock.at = from + 11 * MINUTE_MS
    b.say(updated('SuspendedEV', from + 10 * MINUTE_MS))
    b.clock.at = from + 30 * MINUTE_MS
    b.say(updated('Charging', b.clock.at))
    b.clock.at = from + HOUR_MS
    finish(b)
    meet(a, b)
    expect(a.only().states.map(({ body }) => body.state)).toEqual(['suspendedEv', 'suspendedEv', 'charging'])
    for (const node of [a, b]) expect(idle(node, from)).toEqual([[10, 30, 'parked']])
  })

  it('with a time that no event can hold, or of the future, is from when it was heard', () => {
    const { from, ...node } = one()
    begin(node)
    node.clock.at = from + 10 * MINUTE_MS
    const year9 = { raw: '+275760-09-13T00:00:00.000Z', at: 8.64e15 }
    const odd = { raw: 'x'.repeat(100), at: -1 }
    const say = (state: PauseState, changedAt: { raw: string; at: number }): unknown =>
      node.say({ kind: 'meter', ...TX, connectorId: 0, readings: [], state, changedAt })
    say('suspendedEv', odd)
    node.clock.at = from + 20 * MINUTE_MS
    say('suspendedEvse', year9)
    expect(node.wrote('session_state').map(({ changedAt }) => changedAt?.raw.length)).toEqual([64, 27])
    node.clock.at = from + HOUR_MS
    finish(node)
    expect(idle(node, from)).toEqual([
      [10, 20, 'parked'],
      [20, 60, 'withheld'],
    ])
  })

  it('and the next, a thousand times, no longer fills the log; it charges then', () => {
    const { from, ...node } = one()
    begin(node)
    for (let n = 0; n < MAX_STATES + 200; n++) {
      node.clock.at = from + n * 1000
      node.say(
        updated(n % 2 === 0 ? 'SuspendedEV' : n % 3 === 0 ? 'SuspendedEVSE' : 'Charging', node.clock.at),
      )
    }
    expect(states(node)).toHaveLength(MAX_STATES + (states(node).at(-1) === 'charging' ? 1 : 0))
    node.clock.at = from + HOUR_MS
    node.say(updated('Charging', node.clock.at))
    expect(states(node)).toHaveLength(MAX_STATES + 1)
    expect(states(node).at(-1)).toBe('charging')
    node.say(updated('SuspendedEV', node.clock.at + 1000))
    expect(states(node)).toHaveLength(MAX_STATES + 1)
  })
})
