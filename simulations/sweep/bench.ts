// `--bench`: how fast worlds run on this machine, beside what was aimed at; and whether an event costs the same however much
// has happened before. Prints figures, judges nothing.

import type { Plan } from '../plan.ts'
import { runPlan } from '../run.ts'
import { drawPlan } from '../scenario/draw.ts'
import { findScenario } from '../scenario/scenario.ts'

export type Measured = {
  readonly name: string
  readonly nodes: number
  readonly virtualS: number
  readonly cpuS: number
  /** Virtual seconds a second of processor time. */
  readonly timesReal: number
  readonly aim: string
  readonly messages: number
  readonly events: number
  readonly convergedS?: number
  /** Processor seconds from the end of the last planned fault until all is whole. */
  readonly healS?: number
  readonly rssMb: number
  /** Processor microseconds for each event on each node, by tenths of the run. */
  readonly curve: readonly number[]
}

const BENCHES: readonly { readonly scenario: string; readonly aim: string }[] = [
  { scenario: 'bench-16', aim: '1000 times real time' },
  { scenario: 'bench-100', aim: '150 times real time' },
  { scenario: 'bench-1000', aim: 'whole within 300 s behind the split, and 4096 MB' },
]

const TENTHS = 10

export async function bench(only: string | undefined, onDone: (measured: Measured) => void): Promise<void> {
  for (const { scenario, aim } of BENCHES) {
    if (only !== undefined && only !== scenario) continue
    onDone(await measure(drawPlan(findScenario(scenario), 1), scenario, aim))
  }
}

async function measure(plan: Plan, name: string, aim: string): Promise<Measured> {
  const before = process.cpuUsage()
  const cpuS = (): number => {
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1e6
  }
  const marks: { readonly cpuS: number; readonly events: number }[] = []
  const everyMs = plan.durationMs / TENTHS
  const mendedMs = Math.max(...plan.faults.map(fault => fault.atMs + ('forMs' in fault ? fault.forMs : 0)))
  let mendedS: number | undefined
  const outcome = await runPlan(plan, {
    onSecond: (nowMs, events) => {
      if (nowMs >= mendedMs && plan.faults.length > 0) mendedS ??= cpuS()
      if (nowMs <= plan.durationMs && Math.floor(nowMs / everyMs) > marks.length - 1)
        marks.push({ cpuS: cpuS(), events: events() })
    },
  })
  const totalS = cpuS()
  const curve = marks.slice(1).map((mark, i) => {
    const [from, grown] = [marks[i] ?? mark, mark.events - (marks[i]?.events ?? 0)]
    return grown <= 0 ? 0 : Math.round(((mark.cpuS - from.cpuS) * 1e6) / grown / plan.nodes)
  })
  return {
    ...{ name, aim, nodes: plan.nodes, curve, messages: outcome.messages.sent, events: outcome.events },
    ...{ virtualS: Math.round(outcome.virtualMs / 1000), cpuS: Math.round(totalS * 10) / 10 },
    timesReal: Math.round(outcome.virtualMs / 1000 / totalS),
    ...(outcome.convergedMs !== undefined && { convergedS: outcome.convergedMs / 1000 }),
    ...(mendedS !== undefined && { healS: Math.round((totalS - mendedS) * 10) / 10 }),
    rssMb: Math.round(process.memoryUsage().rss / 2 ** 20),
  }
}

export function benchText(measured: Measured): string {
  const { name, nodes, virtualS, cpuS, timesReal, aim, messages, events, convergedS, healS, rssMb, curve } =
    measured
  const heal = healS === undefined ? '' : `, which took ${healS} s of processor from the end of the last one`
  return [
    `${name}: ${nodes} nodes, ${virtualS} virtual s in ${cpuS} s of processor: ${timesReal} times real time (aim: ${aim})`,
    `  ${messages} messages, ${events} events; whole ${convergedS ?? '?'} virtual s after the work${heal}; ${rssMb} MB`,
    `  processor µs for each event on each node, by tenths of the run: ${curve.join(' ')}`,
  ].join('\n')
}
