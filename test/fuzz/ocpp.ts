// Cases from a seed, played one after another; one that fails is made as short as it will fail.
import type { ChargerId } from '../../src/units.ts'
import { type ChargingNode, campus, carry, gist, referenceOf } from '../serve/charging.ts'
import { diceOf } from './dice.ts'
import { type Case, type Frame, spoil } from './mutate.ts'
import { type Played, playCase } from './play.ts'
import { storyOf } from './story.ts'

/** So many chargers has a node before another one takes over: its log would grow for ever. */
const CASES_A_NODE = 100
const CARDS = ['CARD-1', 'CARD-2']

export type Failure = {
  readonly seed: number
  readonly number: number
  readonly fault: string
  /** A line for test/fixtures/fuzz-found.jsonl. */
  readonly line: string
}

export type Fuzzed = {
  readonly cases: number
  readonly frames: number
  readonly recorded: number
  readonly refused: number
  readonly slowestMs: number
  readonly failures: readonly Failure[]
}

/** The frames of one case; the same seed and number give the same. */
export function caseOf(seed: number, number: number, chargerId: ChargerId): Case {
  const dice = diceOf((Math.imul(seed, 0x9e3779b1) + number) >>> 0)
  return spoil(dice, storyOf(dice, chargerId))
}

/** A node of a new site, and another that has heard nothing yet. */
function freshNodes(): { node: ChargingNode; other: ChargingNode } {
  const site = campus('fuzz')
  for (const card of CARDS) site.grant({ tokenRef: referenceOf(card) })
  const [node, other] = [site.node('a'), site.node('b')]
  site.publish(node)
  return { node, other }
}

/** Whether a node that hears of everything at once, and later, believes the same. */
function agree(node: ChargingNode, other: ChargingNode): boolean {
  carry(node, other)
  const told = (one: ChargingNode): string =>
    JSON.stringify(
      chargers().map(id => gist(one.of(id))),
      (_, value) => (typeof value === 'bigint' ? String(value) : value),
    )
  return told(node) === told(other)
}

function chargers(): readonly ChargerId[] {
  return Array.from({ length: CASES_A_NODE }, (_, i) => `CP-${i}` as ChargerId)
}

/** Until `isOver`, or the first failures. */
export async function fuzzOcpp(
  seed: number,
  isOver: (cases: number) => boolean,
  maxFailures = 5,
): Promise<Fuzzed> {
  const sum = { cases: 0, frames: 0, recorded: 0, refused: 0, slowestMs: 0 }
  const failures: Failure[] = []
  let { node, other } = freshNodes()
  for (; !isOver(sum.cases) && failures.length < maxFailures; sum.cases++) {
    if (sum.cases % CASES_A_NODE === 0) {
      if (!agree(node, other))
        failures.push({ seed, number: sum.cases - CASES_A_NODE, fault: 'two nodes differ', line: '' })
      ;({ node, other } = freshNodes())
    }
    const chargerId = `CP-${sum.cases % CASES_A_NODE}` as ChargerId
    const one = caseOf(seed, sum.cases, chargerId)
    const played = await playCase(node, chargerId, one)
    sum.frames += played.frames
    sum.recorded += played.recorded
    sum.refused += played.refused
    sum.slowestMs = Math.max(sum.slowestMs, played.slowestMs)
    if (played.fault !== undefined)
      failures.push(await failureOf(seed, sum.cases, { one, chargerId, fault: played.fault }))
    // Whoever waits for a signal or a timer is let in.
    if (sum.cases % 64 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  return { ...sum, failures }
}

type Failed = { readonly one: Case; readonly chargerId: ChargerId; readonly fault: string }

async function failureOf(seed: number, number: number, { one, chargerId, fault }: Failed): Promise<Failure> {
  const frames = await shrunk(one, chargerId)
  const line = JSON.stringify({ name: `seed ${seed}, case ${number}`, chargerId, ...one, frames })
  return { seed, number, fault, line }
}

/** Without each frame that it fails without. */
async function shrunk(one: Case, chargerId: ChargerId): Promise<readonly Frame[]> {
  let frames = one.frames
  for (let i = frames.length - 1; i >= 0; i--) {
    const fewer = frames.filter((_, at) => at !== i)
    const { fault } = await replay({ ...one, frames: fewer }, chargerId)
    if (fault !== undefined) frames = fewer
  }
  return frames
}

/** To a node that has heard of nothing. */
export function replay(one: Case, chargerId: ChargerId): Promise<Played> {
  return playCase(freshNodes().node, chargerId, one)
}
