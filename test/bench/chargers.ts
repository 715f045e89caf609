// The load of the charging benchmarks, in a process of its own: many chargers that speak OCPP 1.6J, the same to ours and to the
// floor. A charger has one call at a time, as OCPP wants it. Whatever is not accepted ends the benchmark. JSON lines, see
// lines.ts.
import { setTimeout as sleep } from 'node:timers/promises'
import '../../src/runtime.ts'
import { accepted, type Charger, openCharger } from './charge-point.ts'
import type { ChargerAccount } from './charging-site.ts'
import { type Args, serveLines, text, uint } from './lines.ts'
import { steady, storm } from './traffic.ts'

/** Each handshake costs a node that checks passwords some milliseconds. */
const CONNECTING_AT_ONCE = 50
const MINUTE_MS = 60_000
const METER_STEP_WH = 100

const chargers: Charger[] = []

async function connect(args: Args): Promise<unknown> {
  const url = text(args, 'url')
  const from = performance.now()
  const left = [...(args.accounts as readonly ChargerAccount[])]
  const worker = async (): Promise<void> => {
    for (let account = left.shift(); account; account = left.shift()) {
      const charger = await openCharger(url, account)
      await charger.call('BootNotification', { chargePointVendor: 'Bench', chargePointModel: 'B1' })
      chargers.push(charger)
    }
  }
  await Promise.all(Array.from({ length: CONNECTING_AT_ONCE }, worker))
  return { ms: performance.now() - from }
}

/** Every card is used once, so that nobody measures the first tap of a card. */
async function warm(): Promise<unknown> {
  for (const charger of chargers) await tap(charger, charger.card)
  return {}
}

/** Milliseconds until the answer, any earlier call of this charger included. */
async function tap(charger: Charger, idTag: string): Promise<number> {
  const from = performance.now()
  accepted(await charger.call('Authorize', { idTag }))
  return performance.now() - from
}

/** So many taps a second, whether or not the earlier ones are answered; charger after charger, each round other cards. */
async function authorize(args: Args): Promise<unknown> {
  const [rate, seconds] = [uint(args, 'rate'), uint(args, 'seconds')]
  const taps: Promise<number>[] = []
  const lateMs: number[] = []
  const from = performance.now()
  for (let n = 0; n < rate * seconds; n++) {
    const dueMs = from + (n * 1000) / rate
    if (dueMs > performance.now()) await sleep(dueMs - performance.now())
    lateMs.push(performance.now() - dueMs)
    const charger = chargers[n % chargers.length] as Charger
    const card = chargers[(n + Math.floor(n / chargers.length)) % chargers.length] as Charger
    const answered = tap(charger, card.card)
    // Heard of below; until then it is no unhandled one.
    answered.catch(() => undefined)
    taps.push(answered)
  }
  return { delaysMs: await Promise.all(taps), lateMs }
}

/** One session of every charger, all at once, each as fast as it is answered. */
async function sessions(args: Args): Promise<unknown> {
  const meterValues = uint(args, 'meterValues')
  const from = performance.now()
  const startsMs = await Promise.all(chargers.map(charger => session(charger, meterValues)))
  return { ms: performance.now() - from, startsMs }
}

/** Milliseconds until the start was answered. */
async function session(charger: Charger, meterValues: number): Promise<number> {
  const startedAt = Date.now() - (meterValues + 1) * MINUTE_MS
  const at = (minute: number): string => new Date(startedAt + minute * MINUTE_MS).toISOString()
  const connectorId = 1
  const from = performance.now()
  const started = await charger.call('StartTransaction', {
    ...{ connectorId, idTag: charger.card, meterStart: 0, timestamp: at(0) },
  })
  const startMs = performance.now() - from
  accepted(started)
  const { transactionId } = started
  for (let minute = 1; minute <= meterValues; minute++) {
    const measurand = { measurand: 'Energy.Active.Import.Register', unit: 'Wh' }
    const sampledValue = [{ value: String(minute * METER_STEP_WH), ...measurand }]
    const meterValue = [{ timestamp: at(minute), sampledValue }]
    await charger.call('MeterValues', { connectorId, transactionId, meterValue })
  }
  const meterStop = (meterValues + 1) * METER_STEP_WH
  const stopped = { transactionId, idTag: charger.card, meterStop, timestamp: at(meterValues + 1) }
  await charger.call('StopTransaction', { ...stopped, reason: 'Local' })
  return startMs
}

serveLines({
  connect,
  warm,
  authorize,
  sessions,
  steady: args => steady(chargers, { seconds: uint(args, 'seconds'), everyS: uint(args, 'everyS') }),
  storm: async args => {
    const { chargers: back, ...said } = await storm(chargers, {
      url: text(args, 'url'),
      withinMs: uint(args, 'withinMs'),
    })
    chargers.splice(0, chargers.length, ...back)
    return said
  },
  close: () => {
    for (const charger of chargers) charger.close()
    return {}
  },
})
