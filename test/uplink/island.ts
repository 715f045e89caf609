// An island of nodes with uplinks, as the outbox alone decides it: every event reaches every node, acks go round, and some
// uplinks are dead. What is counted is how often each event was carried to the cloud, and how long it took.
import type { DeviceId, LogId } from '../../src/units.ts'
import {
  emptyOutbox,
  failed,
  type OutboxState,
  pushed,
  round,
  sent,
  type Unsent,
} from '../../src/uplink/outbox.ts'
import { diceOf } from './dice.ts'

/** An event reaches every node, and an ack its pusher, in a second; the ack reaches the others in one more. */
const ACK_S = 1
const GOSSIP_S = 1
/** Each log grows about so often; every fifth event is one that goes at once. */
const EVERY_S = 20
/** Behind the last event, until every node has tried. */
const CALM_S = 300
const VIEW_S = 60

export type Island = {
  readonly uplinks: number
  readonly logs: number
  readonly seconds: number
  /** Of the uplinks that work. */
  readonly aliveShare: number
  /** Ranked by a view of who is alive that is right about so many; undefined: everybody pushes everything. */
  readonly viewShare: number | undefined
  readonly seed: number
}

export type Carried = {
  readonly copies: number
  readonly arrived: number
  readonly written: number
  /** From an event until the cloud has it, in s, by event. */
  readonly delaysS: readonly number[]
}

type Pusher = {
  readonly self: DeviceId
  readonly works: boolean
  outbox: OutboxState
  view: readonly DeviceId[]
  readonly acked: number[]
}
type Due = { readonly atS: number; readonly act: () => void }

const id = <T extends string>(n: number): T => n.toString(16).padStart(32, '0') as T

export function carry({ uplinks, logs: count, seconds, aliveShare, viewShare, seed }: Island): Carried {
  const dice = diceOf(Math.imul(seed, 0x9e3779b1))
  const works = Array.from({ length: uplinks }, () => dice() < aliveShare)
  if (!works.includes(true)) works[0] = true
  const logs = Array.from({ length: count }, (_, i) => id<LogId>(i + 1000))
  const indexOf = new Map(logs.map((logId, i) => [logId, i]))
  const nodes: Pusher[] = Array.from({ length: uplinks }, (_, i) => ({
    ...{ self: id<DeviceId>(i + 1), works: works[i] === true, outbox: emptyOutbox(0) },
    ...{ view: [], acked: logs.map(() => -1) },
  }))
  const [heads, cloud] = [logs.map(() => -1), logs.map(() => -1)]
  const writtenAtS = logs.map((): number[] => [])
  const delaysS: number[] = []
  let carried = 0
  let due: Due[] = []
  const learn = (node: Pusher, upTo: readonly number[]): void =>
    upTo.forEach((seq, i) => {
      node.acked[i] = Math.max(node.acked[i] ?? -1, seq)
    })

  const tick = (node: Pusher, nowS: number): void => {
    const unsent = logs.flatMap((logId, i): Unsent[] => {
      const [fromSeq, toSeq] = [(node.acked[i] ?? -1) + 1, heads[i] ?? -1]
      return toSeq < fromSeq ? [] : [{ logId, fromSeq, priority: toSeq % 5 === 0 ? 1 : 3 }]
    })
    const next = round(node.outbox, { unsent, self: node.self, alive: node.view, nowMs: nowS * 1000, dice })
    node.outbox = next.state
    if (!next.send) return
    node.outbox = sent(node.outbox, next.send, nowS * 1000)
    const answerAtMs = (nowS + ACK_S) * 1000
    if (!node.works) {
      due.push({
        atS: nowS + ACK_S,
        act: () => {
          node.outbox = failed(node.outbox, answerAtMs, dice, undefined)
        },
      })
      return
    }
    const reached = next.send.map(({ logId, fromSeq }) => {
      const i = indexOf.get(logId) ?? -1
      return { i, fromSeq, toSeq: heads[i] ?? -1 }
    })
    for (const { fromSeq, toSeq } of reached) carried += toSeq - fromSeq + 1
    const answer = (): void => {
      for (const { i, toSeq } of reached) {
        for (let seq = (cloud[i] ?? -1) + 1; seq <= toSeq; seq++)
          delaysS.push(nowS + ACK_S - (writtenAtS[i]?.[seq] ?? 0))
        cloud[i] = Math.max(cloud[i] ?? -1, toSeq)
      }
      const acks = [...cloud]
      learn(node, acks)
      node.outbox = pushed(node.outbox, answerAtMs, false, dice)
      due.push({ atS: nowS + ACK_S + GOSSIP_S, act: () => nodes.forEach(one => void learn(one, acks)) })
    }
    due.push({ atS: nowS + ACK_S, act: answer })
  }

  for (let nowS = 0; nowS < seconds + CALM_S; nowS++) {
    if (viewShare !== undefined && nowS % VIEW_S === 0)
      for (const node of nodes)
        node.view = nodes.filter(one => one.works === dice() < viewShare).map(one => one.self)
    for (const one of due.filter(({ atS }) => atS <= nowS)) one.act()
    due = due.filter(({ atS }) => atS > nowS)
    for (const i of nowS < seconds ? logs.keys() : []) {
      if (dice() >= 1 / EVERY_S) continue
      heads[i] = (heads[i] ?? -1) + 1
      writtenAtS[i]?.push(nowS)
    }
    for (const node of nodes) tick(node, nowS)
  }
  const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one + 1, 0)
  return { copies: carried / sum(heads), arrived: sum(cloud), written: sum(heads), delaysS }
}
