// The smallest plan that still breaks the same promise: pieces are taken out of a concrete plan, in halves first and then one
// by one, and whatever the violation does not need stays out. What is left is a scenario of its own, to be kept.
import type { Plan } from '../plan.ts'

export type Breaks = (plan: Plan) => Promise<boolean>

export type ShrinkOptions = {
  readonly breaks: Breaks
  /** True: time is up, what was found so far is the answer. */
  readonly enough: () => boolean
  readonly onStep: (what: string, plan: Plan) => void
}

/** The violation needs at most so long behind the instant at which it was seen. */
const AFTERMATH_MS = 60_000

export async function shrink(plan: Plan, seenAtMs: number, options: ShrinkOptions): Promise<Plan> {
  let best = plan
  const attempt = async (what: string, smaller: Plan): Promise<boolean> => {
    if (smaller === best || options.enough() || !(await options.breaks(smaller))) return false
    best = smaller
    options.onStep(what, best)
    return true
  }
  if (seenAtMs < plan.durationMs) await attempt('shorter', shortened(plan, seenAtMs + AFTERMATH_MS))
  for (let before = -1; before !== sizeOf(best) && !options.enough(); ) {
    before = sizeOf(best)
    for (const list of LISTS)
      await fewer<unknown>(best[list], async kept => attempt(`fewer ${list}`, { ...best, [list]: kept }))
    await attempt('without idle chargers', withoutIdleChargers(best))
    await attempt('without habits', withoutHabits(best))
    await attempt('on good links', best.quality === GOOD ? best : { ...best, quality: GOOD })
    while (best.nodes > 1 && (await attempt('fewer nodes', withoutLastNode(best))));
  }
  return best
}

/** In the order in which they cost time. */
const LISTS = ['visits', 'faults', 'hostile', 'operator', 'uplinks'] as const
const GOOD: Plan['quality'] = {
  ...{ minDelayMs: 1, maxDelayMs: 5, heavyTailRate: 0, lossRate: 0, duplicateRate: 0 },
}

function sizeOf(plan: Plan): number {
  return LISTS.reduce((sum, list) => sum + plan[list].length, plan.nodes + plan.chargers.length)
}

/** Tries to leave out ever smaller parts; `keep` says whether the rest is enough. */
async function fewer<T>(all: readonly T[], keep: (rest: readonly T[]) => Promise<boolean>): Promise<void> {
  let rest = all
  for (let size = Math.ceil(all.length / 2); size >= 1 && rest.length > 0; size = Math.floor(size / 2)) {
    for (let from = 0; from < rest.length; ) {
      const without = [...rest.slice(0, from), ...rest.slice(from + size)]
      if (await keep(without)) rest = without
      else from += size
    }
  }
}

function shortened(plan: Plan, durationMs: number): Plan {
  const before = <S extends { readonly atMs: number }>(steps: readonly S[]): readonly S[] =>
    steps.filter(step => step.atMs < durationMs)
  return {
    ...plan,
    durationMs: Math.min(plan.durationMs, durationMs),
    ...{ visits: before(plan.visits), operator: before(plan.operator), faults: before(plan.faults) },
  }
}

function withoutHabits(plan: Plan): Plan {
  if (plan.chargers.every(one => one.quirks.length === 0)) return plan
  return { ...plan, chargers: plan.chargers.map(one => ({ ...one, quirks: [] })) }
}

/** Chargers are named by number: the ones behind a gap move up. */
function withoutIdleChargers(plan: Plan): Plan {
  const used = new Set<number>(plan.visits.map(visit => visit.charger))
  for (const fault of plan.faults) if ('charger' in fault) used.add(fault.charger)
  const kept = plan.chargers.map((_, i) => i + 1).filter(number => used.has(number))
  if (kept.length === plan.chargers.length) return plan
  const moved = (charger: number): number => kept.indexOf(charger) + 1
  return {
    ...plan,
    chargers: plan.chargers.filter((_, i) => used.has(i + 1)),
    visits: plan.visits.map(visit => ({ ...visit, charger: moved(visit.charger) })),
    faults: plan.faults.map(fault =>
      'charger' in fault ? { ...fault, charger: moved(fault.charger) } : fault,
    ),
  }
}

/** Who had only this node's address has none left, and is left out too. */
function withoutLastNode(plan: Plan): Plan {
  const last = plan.nodes
  const chargers = plan.chargers.map(one => ({ ...one, nodes: one.nodes.filter(node => node !== last) }))
  const orphans = new Set(chargers.flatMap((one, i) => (one.nodes.length === 0 ? [i + 1] : [])))
  const groups = (all: readonly (readonly number[])[]): readonly (readonly number[])[] =>
    all.map(group => group.filter(node => node !== last)).filter(group => group.length > 0)
  return {
    ...plan,
    nodes: last - 1,
    links: plan.links.filter(pair => !pair.includes(last)),
    chargers: chargers.map((one, i) => (orphans.has(i + 1) ? { ...one, nodes: [1] } : one)),
    visits: plan.visits.filter(visit => !orphans.has(visit.charger)),
    operator: plan.operator.filter(step => step.node !== last),
    uplinks: plan.uplinks.filter(uplink => uplink.node !== last),
    hostile: plan.hostile.filter(one => one.node !== last),
    faults: plan.faults
      .filter(fault => !('node' in fault) || fault.node !== last)
      .filter(fault => fault.kind !== 'one-way' || (fault.from !== last && fault.to !== last))
      .filter(fault => fault.kind !== 'quality' || !fault.pair?.includes(last))
      .map(fault => {
        if (fault.kind === 'split' || fault.kind === 'flap') return { ...fault, groups: groups(fault.groups) }
        if (fault.kind !== 'swizzle') return fault
        const [out, back] = [fault.out, fault.back].map(list => list.filter(node => node !== last))
        return { ...fault, out: out ?? [], back: back ?? [] }
      }),
  }
}
