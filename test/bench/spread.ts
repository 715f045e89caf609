// spread: from the operator's word at one node until every node decides by it, under virtual time: production nodes over
// simulated ports. Beside it the bound of rounds of anti-entropy alone, and the floor that no message can go below.
import { drawPlan } from '../../simulations/scenario/draw.ts'
import { readScenario } from '../../simulations/scenario/scenario.ts'
import type { Observer, Shown } from '../../simulations/world/observer.ts'
import { runWorld } from '../../simulations/world/world.ts'
import type { Kind } from './drive.ts'
import { type Figures, median, quantile } from './figures.ts'

export type Spread = { readonly most: number; readonly loss: number; readonly revocations: number }

const NODES = [10, 100, 300]
/** How long the world runs; the revocations fall anywhere in it. */
const HOURS = 1
const [MIN_DELAY_MS, MAX_DELAY_MS] = [1, 20]
/** A digest goes out so often, as src/replica/sync.ts has it. */
const ROUND_S = 10

export async function spread({ most, loss, revocations }: Spread, _kind: Kind): Promise<Figures> {
  const figures: Record<string, number> = {}
  for (const nodes of NODES.filter(one => one <= most)) {
    const measured = await measure(nodes, loss / 100, revocations)
    for (const [name, value] of Object.entries(measured)) figures[`${name}, ${nodes} nodes`] = value
    process.stderr.write(`${JSON.stringify({ nodes, ...measured })}\n`)
  }
  return figures
}

function scenarioOf(nodes: number, loss: number, revocations: number): string {
  return `
shows: Revocations at a site where hardly anybody charges.
duration: ${HOURS}h
quiet: 10m
signer: keyed-hash
cloud: memory
site: { nodes: ${nodes}, neighbours: 8, chargers: 1 }
network: { delay: ${MIN_DELAY_MS}ms..${MAX_DELAY_MS}ms, tail: 0%, loss: ${loss * 100}% }
cards: { count: ${revocations * 2}, revoked: 0%, expired: 0%, unknown: 0% }
visits: { perHour: 1 }
operator: { revocations: ${revocations}, grantedAgain: 0%, beaconEvery: 15m, nodes: any }
uplinks: []
`
}

async function measure(nodes: number, loss: number, revocations: number): Promise<Figures> {
  const plan = drawPlan(readScenario(scenarioOf(nodes, loss, revocations), 'spread.yaml'), 1)
  const lasted: number[] = []
  let watch: ReturnType<typeof watchRevocations> | undefined
  await runWorld(plan, {
    observers: shown => {
      watch = watchRevocations(shown, ms => lasted.push(ms))
      return [watch]
    },
    object: (invariant, _, atMs, detail) => {
      throw new RangeError(`${invariant} at ${atMs}: ${detail}`)
    },
    enough: () => false,
  })
  const waiting = watch?.waiting() ?? 0
  if (waiting > 0 || lasted.length < revocations)
    throw new RangeError(`${waiting} of ${revocations} revocations did not reach everybody`)
  const rounds = Math.log(nodes) / Math.log(3) / (1 - loss) + Math.log(Math.log(nodes)) + 3
  return {
    ...{
      p50Ms: median(lasted),
      p99Ms: quantile(lasted, 0.99),
      mostMs: Math.max(...lasted),
      count: lasted.length,
    },
    ...{ boundMs: rounds * ROUND_S * 1000, floorMs: hopsAcross(plan.links, nodes) * MIN_DELAY_MS },
  }
}

type Watched = { readonly knowing: Set<number>; readonly atMs: number; readonly tokenRef: string }

/** Who has begun to refuse each card; it is looked at behind each step of a node, while anybody does not. */
function watchRevocations(
  shown: Shown,
  onAll: (ms: number) => void,
): Observer & { readonly waiting: () => number } {
  let open: Watched[] = []
  let seen = 0
  return {
    name: 'spread',
    waiting: () => open.length,
    stepped: member => {
      const all = shown.operator.revocations()
      for (const { tokenRef, atMs } of all.slice(seen)) open.push({ knowing: new Set(), atMs, tokenRef })
      seen = all.length
      const policy = open.length > 0 ? member.node()?.ledger().view().policy : undefined
      for (const one of policy ? open : []) {
        if (policy?.token(one.tokenRef as never).kind !== 'revoked') continue
        one.knowing.add(member.number)
        if (one.knowing.size === shown.members().length) onAll(shown.nowMs() - one.atMs)
      }
      open = open.filter(one => one.knowing.size < shown.members().length)
    },
  }
}

/** The greatest number of hops between two nodes. */
function hopsAcross(links: readonly (readonly [number, number])[], nodes: number): number {
  const next = new Map<number, number[]>()
  for (const [a, b] of links.flatMap(([a, b]) => [[a, b] as const, [b, a] as const]))
    next.set(a, [...(next.get(a) ?? []), b])
  let most = 0
  for (let from = 1; from <= nodes; from++) {
    const hops = new Map([[from, 0]])
    for (const [at, count] of hops)
      for (const to of next.get(at) ?? []) if (!hops.has(to)) hops.set(to, count + 1)
    most = Math.max(most, ...hops.values())
  }
  return most
}
