// What must hold of every plan, written down a second time, apart from the code that draws: order, bounds, nothing on top of
// something else, and an honest part that stays whole.
import type { FaultKind, FaultStep, Plan } from '../../simulations/plan.ts'

export function isRising(numbers: readonly number[]): boolean {
  return numbers.every((number, i) => number >= (numbers[i - 1] ?? number))
}

/** [from, until) of one thing each, none inside another. */
function overlaps(spans: readonly { readonly of: string; readonly from: number; readonly until: number }[]) {
  const last = new Map<string, number>()
  const sorted = [...spans].sort((a, b) => a.from - b.from)
  return sorted.filter(({ of, from, until }) => {
    const isInside = from < (last.get(of) ?? Number.NEGATIVE_INFINITY)
    last.set(of, Math.max(until, last.get(of) ?? until))
    return isInside
  })
}

function reachable(from: number, links: Plan['links']): ReadonlySet<number> {
  const seen = new Set([from])
  for (const node of seen)
    for (const [a, b] of links) {
      if (a === node) seen.add(b)
      if (b === node) seen.add(a)
    }
  return seen
}

function untilMs(step: FaultStep): number {
  if (step.kind === 'crash-loop') return step.atMs + step.times * step.everyMs
  if ('forMs' in step) return step.atMs + step.forMs
  return 'downMs' in step ? step.atMs + step.downMs : step.atMs
}

const ON_PROCESS: readonly FaultKind[] = [
  ...(['kill', 'power-cut', 'power-cut-at', 'crash-loop', 'wipe'] as const),
  ...(['restore', 'clone', 'stall', 'clock-back'] as const),
]
const DESTROYING: readonly FaultKind[] = ['wipe', 'restore', 'clone']

/** What does not hold, in words; one comparison for thousands of facts. */
type Need = (holds: boolean, what: string) => void

export function checkSite(plan: Plan, need: Need): void {
  const hostile = plan.hostile.map(one => one.node)
  const honest = Array.from({ length: plan.nodes }, (_, i) => i + 1).filter(node => !hostile.includes(node))
  need(honest.length > 0, 'an honest node')
  need(new Set(plan.links.map(String)).size === plan.links.length, 'links once')
  for (const [a, b] of plan.links) need(a >= 1 && a < b && b <= plan.nodes, `link ${a}-${b}`)
  const amongHonest = plan.links.filter(pair => pair.every(node => honest.includes(node)))
  need(reachable(honest[0] ?? 0, amongHonest).size === honest.length, 'the honest connected')
  need(reachable(honest[0] ?? 0, plan.links).size === plan.nodes, 'everybody connected')
  need(new Set(plan.chargers.map(one => one.id)).size === plan.chargers.length, 'charger ids once')
  const near = new Set(plan.links.flatMap(([a, b]) => [`${a} ${b}`, `${b} ${a}`]))
  for (const { id, nodes } of plan.chargers) {
    const [first = 0, ...fallbacks] = nodes
    need(
      nodes.every(node => honest.includes(node)),
      `${id} at honest nodes`,
    )
    need(new Set(nodes).size === nodes.length && fallbacks.length <= 2, `${id} at different nodes`)
    need(honest.length < 2 || fallbacks.length > 0, `${id} with a fallback`)
    need(
      fallbacks.every(node => near.has(`${first} ${node}`)),
      `${id} with neighbours as fallback`,
    )
  }
  need(new Set(plan.cards.map(card => card.idTag)).size === plan.cards.length, 'cards once')
}

export function checkVisits(plan: Plan, need: Need): void {
  need(isRising(plan.visits.map(visit => visit.atMs)), 'visits in order')
  for (const { atMs, charger, connector, card, stayMs, battery } of plan.visits) {
    const where = `visit at ${atMs}`
    need(atMs >= 0 && atMs < plan.durationMs && stayMs > 0, where)
    need(connector >= 1 && connector <= (plan.chargers[charger - 1]?.connectors ?? 0), `${where}: connector`)
    need(plan.cards[card] !== undefined, `${where}: card`)
    need(battery.startSoc >= 0 && battery.startSoc <= 1 && battery.maxPowerW > 0, `${where}: battery`)
  }
  const spans = plan.visits.map(visit => ({ visit, from: visit.atMs, until: visit.atMs + visit.stayMs }))
  const atPlace = spans.map(one => ({ ...one, of: `${one.visit.charger}/${one.visit.connector}` }))
  need(overlaps(atPlace).length === 0, 'one car at a connector')
  need(
    overlaps(spans.map(one => ({ ...one, of: String(one.visit.card) }))).length === 0,
    'a card in one place',
  )
}

export function checkNews(plan: Plan, need: Need): void {
  const hostile = plan.hostile.map(one => one.node)
  need(isRising(plan.operator.map(step => step.atMs)), 'operator in order')
  const revoked = new Set<number>()
  for (const step of plan.operator) {
    need(step.atMs >= 0 && step.atMs < plan.durationMs, `${step.kind} within the run`)
    need(!hostile.includes(step.node), `${step.kind} to an honest node`)
    if (step.kind === 'revoke') {
      need(
        plan.cards[step.card]?.kind === 'good' && !revoked.has(step.card),
        `card ${step.card} revoked once`,
      )
      revoked.add(step.card)
    }
    if (step.kind === 'grant')
      need(revoked.delete(step.card), `card ${step.card} granted after it was revoked`)
  }
  const plain = plan.uplinks.filter(one => !one.terms)
  need(
    new Set(plain.map(one => one.node)).size === plain.length,
    'one uplink a node, apart from those on terms',
  )
  for (const { node, windows } of plan.uplinks) {
    need(!hostile.includes(node), `uplink ${node} honest`)
    need(
      windows.every(([from, until]) => from < until && until <= plan.durationMs),
      `uplink ${node} in the run`,
    )
    need(isRising(windows.flat()), `uplink ${node} in order`)
  }
}

function checkFault(step: FaultStep, plan: Plan, need: Need): void {
  const text = JSON.stringify(step)
  need(step.atMs >= 0 && untilMs(step) < plan.durationMs, `${text}: over before the run is`)
  const spans = ['forMs', 'downMs', 'everyMs'].map(name => Reflect.get(step, name))
  need(
    spans.every(ms => ms === undefined || (ms > 0 && Number.isInteger(ms))),
    `${text}: whole milliseconds`,
  )
  if ('node' in step) {
    need(step.node >= 1 && step.node <= plan.nodes, `${text}: a node`)
    const isHostile = plan.hostile.some(one => one.node === step.node)
    need(!isHostile || step.kind === 'slow-reader', `${text}: of an honest node`)
  }
  if ('charger' in step) need(plan.chargers[step.charger - 1] !== undefined, `${text}: a charger`)
  if (step.kind === 'uplink-flaps')
    need(
      plan.uplinks.some(one => one.node === step.node),
      `${text}: an uplink`,
    )
  if ('ageMs' in step) need(step.ageMs <= step.atMs, `${text}: not before the start`)
  if ('groups' in step) {
    need(
      step.groups.flat().every(node => node >= 1 && node <= plan.nodes),
      `${text}: nodes`,
    )
    need(
      step.groups.every(group => group.length > 0 && group.length < plan.nodes),
      `${text}: apart`,
    )
  }
  const pair =
    step.kind === 'one-way' ? [step.from, step.to] : step.kind === 'quality' ? step.pair : undefined
  if (pair)
    need(
      plan.links.some(link => pair.every(node => link.includes(node))),
      `${text}: a link`,
    )
  if (step.kind === 'quality') need(Object.keys(step.quality).length > 0, `${text}: bad at something`)
  if (step.kind === 'swizzle')
    need(String([...step.out].sort()) === String([...step.back].sort()), `${text}: all back`)
}

export function checkFaults(plan: Plan, need: Need): void {
  const { faults } = plan
  need(isRising(faults.map(step => step.atMs)), 'faults in order')
  for (const step of faults) checkFault(step, plan, need)
  const apart = (what: string, laneOf: (step: FaultStep) => string | undefined): void => {
    const spans = faults.flatMap(step => {
      const of = laneOf(step)
      return of === undefined ? [] : [{ of, step, from: step.atMs, until: untilMs(step) + 1 }]
    })
    need(overlaps(spans).length === 0, `${what}: ${JSON.stringify(overlaps(spans)[0])}`)
  }
  apart('one trouble of a process', step =>
    'node' in step && ON_PROCESS.includes(step.kind) ? `${step.node}` : undefined,
  )
  apart('one trouble of a clock', step =>
    'node' in step && step.kind.startsWith('clock-') ? `${step.node}` : undefined,
  )
  apart('one trouble of a charger', step => ('charger' in step ? `${step.charger}` : undefined))
  apart('one split', step => ('groups' in step ? 'split' : undefined))
  const ofWords: readonly FaultKind[] = ['cloud-lies', 'cloud-errs']
  apart('one lie of the cloud', step => (ofWords.includes(step.kind) ? 'words' : undefined))
  apart('one trouble of the cloud', step =>
    step.kind.startsWith('cloud-') && !ofWords.includes(step.kind) ? 'cloud' : undefined,
  )
  const gone = faults.flatMap(step => ('node' in step && DESTROYING.includes(step.kind) ? [step.node] : []))
  const spoilt = new Set([...gone, ...plan.hostile.map(one => one.node)])
  need(spoilt.size < plan.nodes, 'an honest node that keeps its disk')
}

export function flawsOf(plans: readonly Plan[], check: (plan: Plan, need: Need) => void): readonly string[] {
  const flaws: string[] = []
  for (const plan of plans)
    check(plan, (holds, what) => {
      if (!holds) flaws.push(`seed ${plan.seed}: ${what}`)
    })
  return flaws.slice(0, 5)
}
