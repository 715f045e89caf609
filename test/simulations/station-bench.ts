// One charge point before nodes that a test scripts: a heap for the time, an answer for each message, and the record of
// all that was heard. A node that is down is not there; one that is stalled hears and never answers.
import type { Battery } from '../../simulations/charger/battery.ts'
import { seededRandom } from '../../simulations/dice.ts'
import type { ChargerPlan, Quirk, Visit } from '../../simulations/plan.ts'
import { createStation, type Ears, type Line, type Station } from '../../simulations/station/station.ts'
import { createHeap } from '../../simulations/world/heap.ts'
import type { ChargerAnswer, ChargerMessage } from '../../src/ports.ts'
import type { TokenRef } from '../../src/units.ts'

export const STARTS_AT = Date.UTC(2025, 5, 1)
export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
const ANSWER_MS = 20
const MAX_TASKS = 200_000

export type Heard = {
  readonly atMs: number
  readonly node: number
  readonly message: ChargerMessage
  readonly repairs: readonly string[]
}
export type Answering = (heard: Heard) => ChargerAnswer | 'never' | 'closed'
export type Bench = {
  readonly station: Station
  readonly heard: readonly Heard[]
  readonly of: <K extends ChargerMessage['kind']>(kind: K) => readonly Extract<ChargerMessage, { kind: K }>[]
  /** Runs until this time. */
  readonly run: (untilMs: number) => Promise<void>
  readonly visit: (change?: Partial<Visit>) => Visit
  readonly down: Set<number>
  /** Replaced by tests that want other answers. */
  answer: Answering
  /** Breaks the line at the node's end. */
  readonly breakLine: () => void
  readonly openLines: () => number
  readonly dials: readonly { readonly atMs: number; readonly node: number }[]
  readonly tasks: () => number
}

export const BATTERY: Battery = { capacityWh: 60_000, startSoc: 0.2, maxPowerW: 11_000, taperFromSoc: 0.8 }
/** 11 kW for so long, below the taper. */
export function whFor(ms: number): number {
  return Math.floor((ms / HOUR) * 11_000)
}

export function tokenOf(idTag: string): TokenRef {
  return `ref-${idTag}` as TokenRef
}

export function accepting({ message }: Heard): ChargerAnswer {
  switch (message.kind) {
    case 'boot':
      return { kind: 'booted', nowAt: STARTS_AT + 7 * MINUTE, heartbeatS: 300 }
    case 'authorize':
      return { kind: 'authorized', allowed: 'ALLOWED' }
    case 'start':
      return { kind: 'started', transactionId: message.meterStartWh + 1, allowed: 'ALLOWED' }
    case 'stop':
      return { kind: 'stopped' }
    default:
      return { kind: 'noted' }
  }
}

export function bench(quirks: readonly Quirk[] = [], change: Partial<ChargerPlan> = {}, seed = 1): Bench {
  const heap = createHeap()
  const heard: Heard[] = []
  const dials: { atMs: number; node: number }[] = []
  const lines = new Set<() => void>()
  const down = new Set<number>()
  let nowMs = 0
  let tasks = 0
  const schedule = (delayMs: number, task: () => void): void => heap.push(nowMs + delayMs, task)
  const connect = (node: number, { onClosed }: Ears): Line | undefined => {
    dials.push({ atMs: nowMs, node })
    if (down.has(node)) return undefined
    const waiting = new Set<(answer: 'closed') => void>()
    const close = (): void => {
      if (!lines.delete(close)) return
      for (const resolve of waiting) resolve('closed')
      onClosed()
    }
    lines.add(close)
    const call: Line['call'] = (message, repairs) =>
      new Promise(resolve => {
        const words = { atMs: nowMs, node, message, repairs }
        heard.push(words)
        waiting.add(resolve)
        const answer = made.answer(words)
        if (answer === 'closed') schedule(ANSWER_MS, close)
        else if (answer !== 'never') schedule(ANSWER_MS, () => resolve(answer))
      })
    return { call, close }
  }
  const plan: ChargerPlan = {
    ...{ id: 'CP-1', connectors: 2, nodes: [1, 2, 3], meterEveryMs: 5 * MINUTE, registerWh: 1000, quirks },
    ...change,
  }
  const station = createStation({
    ...{ plan, startsAt: STARTS_AT, nowMs: () => nowMs, schedule, connect },
    ...{ dice: seededRandom(seed), tokenRef: tokenOf, idTagOf: card => `CARD${card}` },
  })
  const made: Bench = {
    ...{ station, heard, down, dials, answer: accepting },
    of: kind => heard.flatMap(({ message }) => (message.kind === kind ? [message as never] : [])),
    tasks: () => tasks,
    openLines: () => lines.size,
    breakLine: () => {
      for (const close of [...lines]) close()
    },
    visit: changes => {
      const visit = {
        atMs: nowMs,
        charger: 1,
        connector: 1,
        card: 0,
        stayMs: HOUR,
        battery: BATTERY,
        ...changes,
      }
      station.arrive(visit)
      return visit
    },
    run: async untilMs => {
      for (let next = heap.pop(untilMs); next; next = heap.pop(untilMs)) {
        if (++tasks > MAX_TASKS) throw new Error('the station never rests')
        nowMs = next.atMs
        next.task()
        for (let turn = 0; turn < 8; turn++) await Promise.resolve()
      }
      nowMs = untilMs
    },
  }
  return made
}
