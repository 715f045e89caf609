// What a busy site says: sessions at a steady rate, and a storm in which every charger lost its node and comes back with a
// session that nobody has heard of.
import { setTimeout as sleep } from 'node:timers/promises'
import { accepted, type Charger, openCharger, type Payload } from './charge-point.ts'

export type Steady = { readonly seconds: number; readonly everyS: number }
export type Said = {
  readonly ms: number
  readonly sessions: number
  readonly calls: number
  readonly startsMs: readonly number[]
  readonly stopsMs: readonly number[]
  /** How far the load itself was behind its plan. */
  readonly lateMs: readonly number[]
}

/** Parts of a session's time at which its messages are due. */
const METER_AT = 0.3
const STOP_AT = 0.7
const SESSION_WH = 1000
/** A charger that was not let in tries again, as firmware does. */
const RETRY_MS = 1000
const MOST_TRIES = 60

/**
 * A session each `everyS` of every charger, none at the same time as another: Authorize, Start, the connector's status, a meter
 * value, Stop, the status again. A session that was begun is ended.
 */
export async function steady(chargers: readonly Charger[], { seconds, everyS }: Steady): Promise<Said> {
  const [startsMs, stopsMs, lateMs]: [number[], number[], number[]] = [[], [], []]
  const sessionsEach = Math.floor(seconds / everyS)
  const fromMs = performance.now()
  let calls = 0
  const due = async (atMs: number): Promise<void> => {
    if (atMs > performance.now()) await sleep(atMs - performance.now())
    lateMs.push(performance.now() - atMs)
  }
  const timed = async (charger: Charger, action: string, payload: Payload): Promise<[Payload, number]> => {
    const askedMs = performance.now()
    calls += 1
    const answer = await charger.call(action, payload)
    return [answer, performance.now() - askedMs]
  }
  const charge = async (charger: Charger, i: number): Promise<void> => {
    for (let n = 0; n < sessionsEach; n++) {
      const beginsMs = fromMs + (n + i / chargers.length) * everyS * 1000
      await due(beginsMs)
      const { card: idTag } = charger
      accepted((await timed(charger, 'Authorize', { idTag }))[0])
      const [started, startMs] = await timed(charger, 'StartTransaction', startOf(charger, n))
      accepted(started)
      startsMs.push(startMs)
      const { transactionId } = started
      await timed(charger, 'StatusNotification', statusOf('Charging'))
      await due(beginsMs + METER_AT * everyS * 1000)
      await timed(charger, 'MeterValues', meterOf(transactionId, n))
      await due(beginsMs + STOP_AT * everyS * 1000)
      stopsMs.push((await timed(charger, 'StopTransaction', stopOf(transactionId, n)))[1])
      await timed(charger, 'StatusNotification', statusOf('Available'))
    }
  }
  await Promise.all(chargers.map(charge))
  const ms = performance.now() - fromMs
  return { ms, sessions: startsMs.length, calls, startsMs, stopsMs, lateMs }
}

export type Storm = { readonly url: string; readonly withinMs: number }
export type Stormed = {
  /** From the first try of all until the last answer. */
  readonly ms: number
  /** Of each charger, from its first try until it was in, and until its queue was empty. */
  readonly inMs: readonly number[]
  readonly servedMs: readonly number[]
  readonly refused: number
  readonly chargers: readonly Charger[]
}

/** Nobody boots: a charger that only lost its line does not. The new connections come along. */
export async function storm(chargers: readonly Charger[], { url, withinMs }: Storm): Promise<Stormed> {
  const [inMs, servedMs, back]: [number[], number[], Charger[]] = [[], [], []]
  const fromMs = performance.now()
  let refused = 0
  const comeBack = async (charger: Charger, i: number): Promise<void> => {
    await sleep((i * withinMs) / chargers.length)
    const firstMs = performance.now()
    let again = await openCharger(url, charger).catch(() => undefined)
    for (let tries = 1; again === undefined; tries++) {
      if (tries === MOST_TRIES) throw new Error(`${charger.identity} was not let in ${tries} times`)
      refused += 1
      await sleep(RETRY_MS)
      again = await openCharger(url, charger).catch(() => undefined)
    }
    back.push(again)
    inMs.push(performance.now() - firstMs)
    const started = await again.call('StartTransaction', startOf(charger, OFFLINE))
    accepted(started)
    const { transactionId } = started
    await again.call('MeterValues', meterOf(transactionId, OFFLINE))
    await again.call('StopTransaction', stopOf(transactionId, OFFLINE))
    servedMs.push(performance.now() - firstMs)
  }
  await Promise.all(chargers.map(comeBack))
  return { ms: performance.now() - fromMs, inMs, servedMs, refused, chargers: back }
}

/** Behind all sessions that a charger had before. */
const OFFLINE = 10_000
const connectorId = 1

function startOf({ card }: Charger, n: number): Payload {
  return { connectorId, idTag: card, meterStart: n * SESSION_WH, timestamp: new Date().toISOString() }
}

function meterOf(transactionId: unknown, n: number): Payload {
  const measurand = { measurand: 'Energy.Active.Import.Register', unit: 'Wh' }
  const sampledValue = [{ value: String(n * SESSION_WH + SESSION_WH / 2), ...measurand }]
  return { connectorId, transactionId, meterValue: [{ timestamp: new Date().toISOString(), sampledValue }] }
}

function stopOf(transactionId: unknown, n: number): Payload {
  const meterStop = (n + 1) * SESSION_WH
  return { transactionId, meterStop, timestamp: new Date().toISOString(), reason: 'Local' }
}

function statusOf(status: string): Payload {
  return { connectorId, errorCode: 'NoError', status, timestamp: new Date().toISOString() }
}
