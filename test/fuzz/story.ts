// What a charger says in an ordinary day: a few sessions on its connectors, in the frames of OCPP 1.6 or 2.0.1, with one of
// the clocks that chargers have. Everything in it is true; mutate.ts spoils it.
import { sessionIdOf, transactionIdOf } from '../../src/session/id.ts'
import type { ChargerId } from '../../src/units.ts'
import { HOUR_MS, MINUTE_MS } from '../serve/charging.ts'
import { SITE_OPENED_AT } from '../site.ts'
import type { Dice } from './dice.ts'

export type Version = '1.6' | '2.0.1'
/** A frame before it is written, and when the node hears it. */
export type Call = {
  readonly id: string
  readonly action: string
  readonly payload: unknown
  readonly atMs: number
}
export type Story = {
  readonly version: Version
  readonly calls: readonly Call[]
  /** What all connectors together have delivered, in Wh. */
  readonly deliveredWh: number
}

const CARDS = ['CARD-1', 'CARD-2', 'STRANGER']
const CLOCKS = ['right', 'unset', 'ahead', 'zoneless'] as const

type Telling = {
  readonly dice: Dice
  readonly chargerId: ChargerId
  readonly clock: (typeof CLOCKS)[number]
  readonly calls: Call[]
  readonly registers: number[]
  atMs: number
}

export function storyOf(dice: Dice, chargerId: ChargerId): Story {
  const version: Version = dice.chance(0.5) ? '1.6' : '2.0.1'
  const clock = dice.chance(0.6) ? 'right' : dice.pick(CLOCKS)
  const registers = [dice.below(3) * 1000, 500_000 + dice.below(1000)]
  const telling: Telling = {
    dice,
    chargerId,
    clock,
    calls: [],
    registers,
    atMs: SITE_OPENED_AT + 2 * HOUR_MS,
  }
  const began = [...registers]
  if (dice.chance(0.5)) say(telling, 'BootNotification', { chargePointVendor: 'V', chargePointModel: 'M' })
  const sessions = 1 + dice.below(3)
  for (let i = 0; i < sessions; i++) (version === '1.6' ? session16 : session201)(telling, i)
  const deliveredWh = registers.reduce((sum, register, i) => sum + register - (began[i] ?? 0), 0)
  // A day offline is told at once, weeks later.
  const calls = dice.chance(0.2)
    ? telling.calls.map(call => ({ ...call, atMs: telling.atMs + 20 * 24 * HOUR_MS }))
    : telling.calls
  return { version, calls, deliveredWh }
}

function say(telling: Telling, action: string, payload: unknown): void {
  const { calls, dice } = telling
  calls.push({ id: `m${calls.length + 1}`, action, payload, atMs: telling.atMs })
  telling.atMs += 1 + dice.below(10 * MINUTE_MS)
}

function stamp({ clock, atMs }: Telling): string {
  const shown = clock === 'unset' ? atMs - SITE_OPENED_AT : clock === 'ahead' ? atMs + 3 * HOUR_MS : atMs
  const text = new Date(shown).toISOString()
  return clock === 'zoneless' ? text.slice(0, 19) : text
}

/** The connector of a session, and how its register goes up. */
function place({ dice, registers }: Telling): {
  connectorId: number
  register: () => number
  draw: () => number
} {
  const index = dice.below(registers.length)
  const register = (): number => registers[index] ?? 0
  return {
    connectorId: index + 1,
    register,
    draw: () => {
      registers[index] = register() + dice.below(5000)
      return register()
    },
  }
}

function session16(telling: Telling): void {
  const { dice, chargerId } = telling
  const { connectorId, register, draw } = place(telling)
  const idTag = dice.pick(CARDS)
  const words = { connectorId, idTag, meterStart: register(), timestamp: stamp(telling) }
  const { meterStart: meterStartWh, timestamp: startedAtRaw } = words
  const sessionId = sessionIdOf({ chargerId, connectorId, meterStartWh, startedAtRaw })
  const transactionId = transactionIdOf(sessionId, () => false)
  if (dice.chance(0.3)) say(telling, 'Authorize', { idTag })
  say(telling, 'StartTransaction', words)
  for (let i = dice.below(4); i > 0; i--) {
    const sampledValue = [{ value: String(draw()), unit: 'Wh' }]
    say(telling, 'MeterValues', {
      connectorId,
      transactionId,
      meterValue: [{ timestamp: stamp(telling), sampledValue }],
    })
    if (dice.chance(0.2))
      say(telling, 'StatusNotification', { connectorId, status: 'SuspendedEV', errorCode: 'NoError' })
  }
  const card = dice.chance(0.5) ? { idTag } : {}
  if (dice.chance(0.9))
    say(telling, 'StopTransaction', { transactionId, meterStop: draw(), timestamp: stamp(telling), ...card })
}

function session201(telling: Telling, index: number): void {
  const { dice } = telling
  const { connectorId, register, draw } = place(telling)
  const transactionInfo = { transactionId: `${telling.atMs}-${index}` }
  let seqNo = 0
  const event = (eventType: string, value: number, more: object = {}): void => {
    const meterValue = [
      { timestamp: stamp(telling), sampledValue: [{ value, unitOfMeasure: { unit: 'Wh' } }] },
    ]
    const triggerReason = 'MeterValuePeriodic'
    const fields = {
      eventType,
      timestamp: stamp(telling),
      triggerReason,
      seqNo: seqNo++,
      transactionInfo,
      meterValue,
    }
    say(telling, 'TransactionEvent', { ...fields, ...more })
  }
  const idToken = { idToken: dice.pick(CARDS), type: 'ISO14443' }
  const isLate = dice.chance(0.3)
  event('Started', register(), { evse: { id: connectorId, connectorId: 1 }, ...(isLate ? {} : { idToken }) })
  if (isLate) event('Updated', register(), { idToken })
  for (let i = dice.below(4); i > 0; i--) event('Updated', draw())
  if (dice.chance(0.9)) event('Ended', draw(), dice.chance(0.5) ? { idToken } : {})
}
