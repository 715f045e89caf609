// Which places of a site's network reach one another, and when: splits, cuts and lonely nodes of a plan as plain data.
// Generous to whoever needs a path: a path may lead over any number of places, whether or not a process lives there, and
// over places that do not know one another; delay, loss and slow readers break none. Both ways of a link must be open.
import type { Plan } from '../plan.ts'
import { holdsAt, lastNotAfter, type Span, type Spans, spansOf } from './spans.ts'

type Groups = readonly (readonly number[])[]
type Pulse = { readonly atMs: number; readonly untilMs: number; readonly groups: Groups }
type Cut = { readonly pair: readonly [number, number]; readonly spans: Spans }

export type Paths = {
  /** Instants at which something changes. */
  readonly changes: readonly number[]
  /** `atMs` is one of the changes, or any time behind the last one before it: nothing changes in between. */
  readonly reaches: (a: number, b: number, atMs: number) => boolean
}

export function createPaths(plan: Plan): Paths {
  const pulses = pulsesOf(plan)
  const alone = aloneIn(plan)
  const cuts = cutsIn(plan)
  const changes = [
    ...pulses.flatMap(({ atMs, untilMs }) => [atMs, untilMs]),
    ...[...alone.values(), ...cuts.map(cut => cut.spans)].flat(2),
    ...[0, plan.durationMs],
  ]
  const rising = [...new Set(changes)].toSorted((a, b) => a - b)
  const starts = pulses.map(pulse => pulse.atMs)
  const known = new Map<number, Int32Array>()

  /** The number of each node's island, from 1; index 0 is nobody. */
  const islands = (atMs: number): Int32Array => {
    const index = lastNotAfter(rising, atMs)
    const held = known.get(index)
    if (held) return held
    const last = pulses[lastNotAfter(starts, atMs)]
    const groups = last && atMs < last.untilMs ? last.groups : undefined
    const lonely = new Set([...alone].flatMap(([node, spans]) => (holdsAt(spans, atMs) ? [node] : [])))
    const cut = cuts.flatMap(one => (holdsAt(one.spans, atMs) ? [one.pair] : []))
    const made = islandsOf({ nodes: plan.nodes, groups, lonely, cut })
    known.set(index, made)
    return made
  }
  return {
    changes: rising,
    reaches: (a, b, atMs) => {
      const found = islands(atMs)
      return a === b || (found[a] !== undefined && found[a] === found[b])
    },
  }
}

type Weather = {
  readonly nodes: number
  readonly groups: Groups | undefined
  readonly lonely: ReadonlySet<number>
  readonly cut: readonly (readonly [number, number])[]
}

function islandsOf({ nodes, groups, lonely, cut }: Weather): Int32Array {
  const member = new Map<number, Set<number>>()
  for (const [i, group] of (groups ?? []).entries())
    for (const node of group) member.set(node, (member.get(node) ?? new Set()).add(i))
  const isCut = new Set(cut.flatMap(([a, b]) => [`${a}-${b}`, `${b}-${a}`]))
  const hears = (a: number, b: number): boolean => {
    if (lonely.has(a) || lonely.has(b) || isCut.has(`${a}-${b}`)) return false
    if (!groups) return true
    const other = member.get(b)
    return [...(member.get(a) ?? [])].some(group => other?.has(group))
  }
  const islands = new Int32Array(nodes + 1)
  let unseen = Array.from({ length: nodes }, (_, i) => i + 1)
  for (let island = 1; unseen.length > 0; island++) {
    const [first = 0] = unseen
    const queue = [first]
    unseen = unseen.slice(1)
    for (let at = queue.shift(); at !== undefined; at = queue.shift()) {
      const here = at
      islands[here] = island
      queue.push(...unseen.filter(other => hears(here, other)))
      unseen = unseen.filter(other => !hears(here, other))
    }
  }
  return islands
}

/** Each split replaces the one before, and the end of one that was replaced ends nothing, as in the simulated network. */
function pulsesOf({ faults, durationMs }: Plan): readonly Pulse[] {
  const pulses: Pulse[] = []
  for (const fault of faults) {
    const { atMs } = fault
    if (fault.kind === 'split') pulses.push({ atMs, untilMs: atMs + fault.forMs, groups: fault.groups })
    if (fault.kind === 'flap')
      for (let fromMs = 0; fromMs < fault.forMs; fromMs += 2 * fault.everyMs)
        pulses.push({
          ...{ atMs: atMs + fromMs, untilMs: atMs + fromMs + fault.everyMs, groups: fault.groups },
        })
  }
  return pulses
    .filter(pulse => pulse.atMs < durationMs)
    .map(pulse => ({ ...pulse, untilMs: Math.min(pulse.untilMs, durationMs) }))
    .toSorted((a, b) => a.atMs - b.atMs)
}

function aloneIn({ faults, durationMs }: Plan): ReadonlyMap<number, Spans> {
  const spans = new Map<number, Span[]>()
  for (const fault of faults) {
    if (fault.kind !== 'swizzle') continue
    const { atMs, out, back } = fault
    const stepMs = fault.forMs / (out.length + back.length)
    for (const [i, node] of out.entries()) {
      const turn = back.indexOf(node)
      const untilMs = turn < 0 ? durationMs : atMs + (out.length + turn) * stepMs
      spans.set(node, [...(spans.get(node) ?? []), [atMs + i * stepMs, untilMs]])
    }
  }
  return new Map([...spans].map(([node, all]) => [node, spansOf(all, durationMs)]))
}

function cutsIn({ faults, durationMs }: Plan): readonly Cut[] {
  return faults.flatMap(fault =>
    fault.kind === 'one-way'
      ? [
          {
            pair: [fault.from, fault.to] as const,
            spans: spansOf([[fault.atMs, fault.atMs + fault.forMs]], durationMs),
          },
        ]
      : [],
  )
}
