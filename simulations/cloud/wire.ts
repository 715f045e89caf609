// The Uplink port of a simulated node: a link to the cloud that opens and closes, takes its time, loses requests and
// answers, does pushes twice and is paid by the byte. What passes is encoded and decoded as in production, so bounds and
// sizes are real; bodies are counted uncompressed, because what gzip makes of them differs between versions of Node.
// Every chance of a push is thrown when it begins, so nothing that happens later changes the throws of the next.
import { MeshError } from '../../src/errors.ts'
import type { PushAnswer, Uplink } from '../../src/ports.ts'
import { decodeAnswer, decodePush, encodeAnswer, encodePush } from '../../src/uplink/request.ts'
import type { Dice } from '../dice.ts'
import type { UplinkPlan } from '../plan.ts'
import type { SimulatedCloud } from './cloud.ts'

/** From the start of a push to the end of patience. */
export const UPLINK_TIMEOUT_MS = 30_000
/** Request line, signed headers with a certificate; status line and headers of an answer or a refusal. */
const REQUEST_HEADER_BYTES = 1_100
const ANSWER_HEADER_BYTES = 200
const DAY_MS = 24 * 3600 * 1000

export type WireDeps = {
  readonly plan: UplinkPlan
  readonly dice: Dice
  /** Runs a task after so many virtual milliseconds. */
  readonly schedule: (delayMs: number, task: () => void) => void
  readonly nowMs: () => number
  /** UTC of its zero, for days. */
  readonly startsAt?: number
  /** What a fault adds to the plan's rates for now. */
  readonly lossy: () => { readonly lossRate: number; readonly duplicateRate: number }
  /** Each leg takes so much longer for now. */
  readonly slowMs?: () => number
}

export type Wire = Uplink & {
  /** Breaks the link, or mends it; it is up from the start, and passes within the plan's windows only. */
  readonly up: (on: boolean) => void
  /** Both ways, lost or not. */
  readonly bytes: () => number
  /** Of this day, without what was doubled or lost on the way back. */
  readonly spentBytes: () => number
  /** Whoever runs the virtual clock waits for this after each task: the cloud may need real time for its work. */
  readonly settled: () => Promise<void>
}

type Throws = {
  readonly thereMs: number
  readonly backMs: number
  readonly secondMs: number
  readonly isRequestLost: boolean
  readonly isAnswerLost: boolean
  readonly isDoubled: boolean
}

export function uplinkOver(cloud: Pick<SimulatedCloud, 'push'>, deps: WireDeps, name: string): Wire {
  const { plan, schedule, nowMs } = deps
  let isUp = true
  let bytes = 0
  let spent = { day: 0, bytes: 0 }
  let known = { day: 0, bytes: 0 }
  const today = (): number => Math.floor(((deps.startsAt ?? 0) + nowMs()) / DAY_MS)
  const noteKnown = (size: number): void => {
    known = { day: today(), bytes: (known.day === today() ? known.bytes : 0) + size }
  }
  const working = new Set<Promise<void>>()

  const isOpen = (): boolean =>
    isUp && plan.windows.some(([fromMs, untilMs]) => fromMs <= nowMs() && nowMs() < untilMs)

  /** Pays for a message; false when the day's budget does not hold it any more. */
  const pay = (size: number): boolean => {
    const day = Math.floor(nowMs() / DAY_MS)
    if (spent.day !== day) spent = { day, bytes: 0 }
    if (plan.bytesPerDay !== undefined && spent.bytes + size > plan.bytesPerDay) return false
    spent = { day, bytes: spent.bytes + size }
    bytes += size
    return true
  }

  const atCloud = (
    body: Uint8Array,
    answered: (answer: PushAnswer) => void,
    refused: (error: MeshError) => void,
  ): void => {
    const work: Promise<void> = cloud
      .push(decodePush(body))
      .then(answered, (error: unknown) => {
        // Anything else is a fault of ours, and must not pass for bad weather.
        if (!(error instanceof MeshError)) throw error
        refused(error)
      })
      .finally(() => working.delete(work))
    working.add(work)
  }

  const exchange = (body: Uint8Array, sides: Sides): void => {
    const thrown = throwsOf(deps)
    const startedMs = nowMs()
    const refuse = (reason: string): void => schedule(0, () => sides.reject(failed(reason)))
    const lose = (): void =>
      schedule(Math.max(0, startedMs + UPLINK_TIMEOUT_MS - nowMs()), () =>
        sides.reject(failed(`no answer in ${UPLINK_TIMEOUT_MS} ms`)),
      )
    const request = body.length + REQUEST_HEADER_BYTES
    if (!isOpen()) refuse('there is no way to it')
    else if (!pay(request)) refuse("the day's bytes are used up")
    else if (thrown.isRequestLost) lose()
    else {
      noteKnown(request)
      const isLate = thrown.thereMs + thrown.backMs >= UPLINK_TIMEOUT_MS
      if (isLate) lose()
      const comeBack = (size: number, end: () => void): void =>
        schedule(thrown.backMs, () => {
          const isHeard = isOpen() && pay(size) && !thrown.isAnswerLost
          if (isHeard && !isLate) noteKnown(size)
          if (!isLate) (isHeard ? end : lose)()
        })
      const answered = (given: PushAnswer): void => {
        const encoded = encodeAnswer(given)
        const size = encoded.length + ANSWER_HEADER_BYTES
        comeBack(size, () => sides.resolve({ ...decodeAnswer(encoded), wireBytes: request + size }))
      }
      schedule(thrown.thereMs, () => {
        if (isOpen())
          atCloud(body, answered, error => comeBack(ANSWER_HEADER_BYTES, () => sides.reject(error)))
        else if (!isLate) lose()
      })
      // A proxy or the link repeats the request: done twice, answered once.
      if (thrown.isDoubled)
        schedule(thrown.thereMs + thrown.secondMs, () => {
          if (isOpen() && pay(request)) atCloud(body, unheard, unheard)
        })
    }
  }

  return {
    name,
    ...(plan.terms && { terms: plan.terms }),
    push: async push => {
      const body = encodePush(push)
      return new Promise<PushAnswer>((resolve, reject) => exchange(body, { resolve, reject }))
    },
    up: on => {
      isUp = on
    },
    bytes: () => bytes,
    spentBytes: () => (known.day === today() ? known.bytes : 0),
    settled: async () => {
      while (working.size > 0) await Promise.all(working)
    },
  }
}

type Sides = {
  readonly resolve: (answer: PushAnswer) => void
  readonly reject: (error: MeshError) => void
}

/** The same number of throws for every push. */
function throwsOf({ plan, dice, lossy, slowMs = () => 0 }: WireDeps): Throws {
  const more = lossy()
  const [minMs, maxMs] = plan.delayMs
  const loss = either(plan.lossRate, more.lossRate)
  const [thereMs, backMs, secondMs] = [dice.share(), dice.share(), dice.share()].map(
    share => slowMs() + minMs + Math.floor(share * (maxMs - minMs + 1)),
  )
  const [isRequestLost, isAnswerLost] = [dice.share() < loss, dice.share() < loss]
  const isDoubled = dice.share() < either(plan.duplicateRate, more.duplicateRate)
  return {
    thereMs: thereMs ?? minMs,
    backMs: backMs ?? minMs,
    secondMs: secondMs ?? minMs,
    isRequestLost,
    isAnswerLost,
    isDoubled,
  }
}

function either(one: number, other: number): number {
  return 1 - (1 - one) * (1 - other)
}

function failed(reason: string): MeshError {
  return new MeshError('UPLINK_FAILED', `the cloud was not reached: ${reason}`)
}

function unheard(): void {
  // Nobody waits for the second answer.
}
