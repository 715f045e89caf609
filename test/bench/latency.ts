// latency: one event each 200 ms, by turns; from its author's hand to the last node that holds it durable.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Kind, startFleet } from './drive.ts'
import { type Figures, quantile } from './figures.ts'

export type Latency = { readonly nodes: number; readonly seconds: number; readonly size: number }

const EVERY_MS = 200
type Traced = { readonly kept: readonly [author: number, seq: number, t: number][] }

export async function latency({ nodes, seconds, size }: Latency, kind: Kind, seed: number): Promise<Figures> {
  const fleet = await startFleet(kind, nodes)
  try {
    await Promise.all(fleet.nodes.map(node => node.call('trace')))
    const rounds = Math.floor((seconds * 1000) / EVERY_MS)
    const written: Promise<{ t: number }>[] = []
    const authored = new Map<number, number>()
    const keys: string[] = []
    for (let round = 0; round < rounds; round++) {
      const author = round % nodes
      const number = authored.get(author) ?? 0
      authored.set(author, number + 1)
      keys.push(`${author}/${number}`)
      written.push((fleet.nodes[author] as (typeof fleet.nodes)[number]).call('one', { size, seed, round }))
      await sleep(EVERY_MS)
    }
    const begun = await Promise.all(written)
    await Promise.all(fleet.nodes.map(node => node.call('wait', { total: rounds })))
    const traces = await Promise.all(fleet.nodes.map(node => node.call<Traced>('traced')))
    for (const { kept } of traces)
      if (kept.length !== rounds) throw new RangeError(`a node noted ${kept.length} of ${rounds} events`)
    const last = new Map<string, number>()
    for (const { kept } of traces)
      for (const [author, seq, t] of kept)
        last.set(`${author}/${seq}`, Math.max(t, last.get(`${author}/${seq}`) ?? 0))
    if (last.size !== rounds) throw new RangeError(`${last.size} events were noted, of ${rounds}`)
    const delays = keys.map((key, i) => (last.get(key) ?? Number.NaN) - (begun[i]?.t ?? Number.NaN))
    return { p50Ms: quantile(delays, 0.5), p99Ms: quantile(delays, 0.99), worstMs: Math.max(...delays) }
  } finally {
    await fleet.close()
  }
}
