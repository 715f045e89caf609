// How often the same event goes over several uplinks of one island: ranked, and without ranking ("push-all"). The
// figures beside PROTOCOL 3.3 are printed; asserted is only that ranking never costs more, and that everything arrives.
import { describe, expect, it } from 'vitest'
import type { DeviceId, LogId } from '../../src/units.ts'
import { emptyOutbox, type OutboxState, pushed, round, sent, type Unsent } from '../../src/uplink/outbox.ts'
import { diceOf } from './dice.ts'

const LOGS = 100
const SECONDS = 600
/** An event reaches every node, and an ack its pusher, in a second; the ack reaches the others in one more. */
const ACK_S = 1
const GOSSIP_S = 1
/** Each log grows about so often. */
const EVERY_S = 20

const id = <T extends string>(n: number): T => n.toString(16).padStart(32, '0') as T
const logs = Array.from({ length: LOGS }, (_, i) => id<LogId>(i + 1000))

type Pusher = { readonly self: DeviceId; outbox: OutboxState; readonly acked: number[] }
type Due = { readonly atS: number; readonly act: () => void }

function learn(node: Pusher, upTo: readonly number[]): void {
  upTo.forEach((seq, i) => {
    node.acked[i] = Math.max(node.acked[i] ?? -1, seq)
  })
}

function tellAll(nodes: readonly Pusher[], acks: readonly number[]): void {
  for (const node of nodes) learn(node, acks)
}

function copiesPerEvent(
  uplinks: number,
  ranked: boolean,
): { copies: number; arrived: number; written: number } {
  const dice = diceOf(uplinks)
  const nodes: Pusher[] = Array.from({ length: uplinks }, (_, i) => {
    return { self: id<DeviceId>(i + 1), outbox: emptyOutbox(0), acked: logs.map(() => -1) }
  })
  const alive = ranked ? nodes.map(node => node.self) : []
  const heads = logs.map(() => -1)
  const cloud = logs.map(() => -1)
  let carried = 0
  let due: Due[] = []
  for (let nowS = 0; nowS < SECONDS + 120; nowS++) {
    for (const one of due.filter(({ atS }) => atS <= nowS)) one.act()
    due = due.filter(({ atS }) => atS > nowS)
    if (nowS < SECONDS)
      logs.forEach((_, i) => {
        heads[i] = (heads[i] ?? -1) + (dice() < 1 / EVERY_S ? 1 : 0)
      })
    for (const node of nodes) {
      const unsent = logs.flatMap((logId, i): Unsent[] => {
        const [fromSeq, toSeq] = [(node.acked[i] ?? -1) + 1, heads[i] ?? -1]
        return toSeq < fromSeq ? [] : [{ logId, fromSeq, priority: toSeq % 5 === 0 ? 1 : 3 }]
      })
      const next = round(node.outbox, { unsent, self: node.self, alive, nowMs: nowS * 1000, dice })
      node.outbox = next.state
      if (!next.send) continue
      node.outbox = sent(node.outbox, next.send, nowS * 1000)
      const reached = next.send.map(log => ({
        ...log,
        i: logs.indexOf(log.logId),
        toSeq: heads[logs.indexOf(log.logId)] ?? -1,
      }))
      for (const log of reached) carried += log.toSeq - log.fromSeq + 1
      const answer = (): void => {
        for (const { i, toSeq } of reached) cloud[i] = Math.max(cloud[i] ?? -1, toSeq)
        const acks = [...cloud]
        learn(node, acks)
        node.outbox = pushed(node.outbox, (nowS + ACK_S) * 1000, false, dice)
        due.push({ atS: nowS + ACK_S + GOSSIP_S, act: () => tellAll(nodes, acks) })
      }
      due.push({ atS: nowS + ACK_S, act: answer })
    }
  }
  const written = heads.reduce((sum, head) => sum + head + 1, 0)
  return { copies: carried / written, arrived: cloud.reduce((sum, head) => sum + head + 1, 0), written }
}

describe('the same event over several uplinks', () => {
  it.each([2, 5, 10])(
    'with %d uplinks goes out no more often than if all pushed all, and arrives',
    uplinks => {
      const ranked = copiesPerEvent(uplinks, true)
      const all = copiesPerEvent(uplinks, false)
      console.info(
        `${uplinks} uplinks: ${ranked.copies.toFixed(2)} copies ranked, ${all.copies.toFixed(2)} push-all` +
          ' (PROTOCOL 3.3: 1.00-1.03 ranked; 1.65, 4.0 and 8.1 push-all)',
      )
      expect(ranked.arrived).toBe(ranked.written)
      expect(all.arrived).toBe(all.written)
      expect(ranked.copies).toBeLessThanOrEqual(all.copies)
    },
  )
})
