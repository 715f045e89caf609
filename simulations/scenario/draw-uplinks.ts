// Ways to the cloud and when they are open; and what the operator says when, to which node. Only honest nodes have either:
// a site whose only uplink is in hostile hands promises nothing.
import type { Dice } from '../dice.ts'
import type { CardPlan, OperatorStep, UplinkPlan } from '../plan.ts'
import type { Ground } from './draw-site.ts'
import { chosen } from './groups.ts'
import { drawn, drawnCount, drawnWhole } from './range.ts'
import { DAY, HOUR, MINUTE, type Often, SECOND } from './reading.ts'
import type { ScenarioForm } from './scenario-form.ts'
import type { When } from './uplinks-form.ts'

/** A theft is noticed at most so long behind it. */
const FOUND_OUT_WITHIN = 30 * MINUTE

type Open = readonly [fromMs: number, untilMs: number]
type Span = { readonly ground: Ground; readonly durationMs: number }

/** One a node, and one more for each entry with terms, in order of nodes. Where two entries name a node, its windows are those of both, its line that of the first. */
export function drawUplinks({ uplinks }: ScenarioForm, span: Span, dice: Dice): readonly UplinkPlan[] {
  const found = new Map<string, UplinkPlan>()
  for (const [i, entry] of uplinks.entries()) {
    const own = dice.fork(`uplink ${i + 1}`)
    const { honest } = span.ground
    const meant = chosen(entry.nodes, honest, own)
    const nodes = meant.length > 0 ? meant : [own.pick(honest)]
    const windows = drawWindows(entry, { nodes, durationMs: span.durationMs }, own)
    const loss = drawn(entry.loss, own)
    const duplicates = drawn(entry.duplicates, own)
    const bytesPerDay = entry.budget && drawnWhole(entry.budget, own)
    const terms = drawTerms(entry, own)
    for (const node of nodes) {
      const line = {
        ...{
          node,
          delayMs: [entry.delay.min, entry.delay.max] as const,
          lossRate: loss,
          duplicateRate: duplicates,
        },
        ...(bytesPerDay === undefined ? {} : { bytesPerDay }),
        ...(terms && { terms }),
      }
      const key = terms ? `${node}/${i}` : `${node}`
      const held = found.get(key)
      const merged = merge([...(held?.windows ?? []), ...(windows.get(node) ?? [])])
      found.set(key, { ...(held ?? line), windows: merged })
    }
  }
  return [...found.values()].sort((a, b) => a.node - b.node)
}

/** None, where the scenario says nothing of them. */
function drawTerms({ priority, allowance, hours }: ScenarioForm['uplinks'][number], dice: Dice) {
  if (priority === undefined && allowance === undefined && hours === undefined) return undefined
  return {
    priority: priority ? drawnWhole(priority, dice) : 1,
    ...(allowance && { budgetBytes: drawnWhole(allowance, dice) }),
    windows: hours ?? [],
  }
}

type Roads = { readonly nodes: readonly number[]; readonly durationMs: number }

function drawWindows(
  { when, roams }: ScenarioForm['uplinks'][number],
  { nodes, durationMs }: Roads,
  dice: Dice,
): ReadonlyMap<number, readonly Open[]> {
  const windows = new Map<number, Open[]>(nodes.map(node => [node, []]))
  if (roams) {
    for (const open of openings(when, durationMs, dice)) windows.get(dice.pick(nodes))?.push(open)
    return windows
  }
  for (const node of nodes) windows.set(node, [...openings(when, durationMs, dice.fork(`node ${node}`))])
  return windows
}

function openings(when: When, durationMs: number, dice: Dice): readonly Open[] {
  if (when.kind === 'windows') {
    return when.windows
      .map((one): Open => {
        if (one.kind === 'last') return [Math.max(0, durationMs - one.forMs), durationMs]
        return [one.fromMs, Math.min(one.untilMs, durationMs)]
      })
      .filter(([fromMs, untilMs]) => fromMs < untilMs)
  }
  const found: Open[] = []
  let fromMs = Math.floor(dice.between(0, drawnWhole(when.every, dice)))
  while (fromMs < durationMs) {
    found.push([fromMs, Math.min(durationMs, fromMs + drawnWhole(when.for, dice))])
    fromMs += drawnWhole(when.every, dice)
  }
  return found
}

/** Rising, without overlap. */
function merge(windows: readonly Open[]): readonly Open[] {
  const merged: Open[] = []
  for (const [fromMs, untilMs] of [...windows].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    const last = merged.at(-1)
    if (last && fromMs <= last[1]) merged[merged.length - 1] = [last[0], Math.max(last[1], untilMs)]
    else merged.push([fromMs, untilMs])
  }
  return merged
}

type Business = Span & {
  readonly cards: readonly CardPlan[]
  readonly uplinks: readonly UplinkPlan[]
}

/** In order of time. A card is revoked only while it is good, and granted only while it is revoked. */
export function drawOperator(
  { operator }: ScenarioForm,
  business: Business,
  dice: Dice,
): readonly OperatorStep[] {
  const { ground, durationMs, cards, uplinks } = business
  const meant = operator.nodes ? chosen(operator.nodes, ground.honest, dice.fork('nodes')) : []
  const near = uplinks.map(uplink => uplink.node)
  const nodes = meant.length > 0 ? meant : near.length > 0 ? near : ground.honest
  const at = dice.fork('at')
  const steps: OperatorStep[] = []
  const again = drawn(operator.grantedAgain, dice.fork('again'))
  const wanted = dice.fork('revocations')
  const count = occurrences(operator.revocations, business, wanted)
  const good = wanted.shuffled([...cards.keys()].filter(i => cards[i]?.kind === 'good'))
  for (const card of good.slice(0, count)) {
    const atMs = Math.floor(wanted.between(durationMs * 0.02, durationMs))
    steps.push({ kind: 'revoke', atMs, node: at.pick(nodes), card })
    const grantedAtMs = Math.floor(wanted.between(atMs + SECOND, durationMs * 1.5))
    if (wanted.chance(again) && grantedAtMs < durationMs)
      steps.push({ kind: 'grant', atMs: grantedAtMs, node: at.pick(nodes), card })
  }
  const found = dice.fork('devices')
  for (const { node: device } of found
    .shuffled([...ground.hostile])
    .slice(0, drawnWhole(operator.revokedNodes, found))) {
    const atMs = Math.floor(found.between(durationMs * 0.1, durationMs * 0.8))
    const sinceMs = atMs - Math.floor(found.between(0, FOUND_OUT_WITHIN))
    steps.push({ kind: 'revoke-device', atMs, node: found.pick(nodes), device, sinceMs })
  }
  const beacons = dice.fork('beacons')
  let atMs = Math.floor(beacons.between(0, drawnWhole(operator.beaconEvery, beacons)))
  for (; atMs < durationMs; atMs += drawnWhole(operator.beaconEvery, beacons))
    steps.push({ kind: 'beacon', atMs, node: at.pick(nodes) })
  for (const [i, tariff] of operator.tariffs.entries()) {
    const own = dice.fork(`tariff ${i + 1}`)
    const saidMs = drawnWhole(tariff.at, own)
    const fromMs = tariff.from ? Math.max(saidMs, drawnWhole(tariff.from, own)) : saidMs
    if (saidMs < durationMs)
      steps.push({ kind: 'tariff', atMs: saidMs, node: at.pick(nodes), pricePerKwh: tariff.price, fromMs })
  }
  const money = dice.fork('money')
  const moment = (): Pick<OperatorStep, 'atMs' | 'node'> => ({
    atMs: Math.floor(money.between(durationMs * 0.1, durationMs * 1.02)),
    node: money.pick(nodes),
  })
  const cents = (): string => (Math.floor(money.between(0, 400)) / 100).toFixed(2)
  for (let i = occurrences(operator.refunds, business, money); i > 0; i--)
    steps.push({ ...moment(), kind: 'refund', amount: cents() })
  for (let i = occurrences(operator.resolutions, business, money); i > 0; i--)
    steps.push({ ...moment(), kind: 'resolve', rule: money.pick(RULES), amount: cents() })
  return steps.sort((a, b) => a.atMs - b.atMs)
}

const RULES = ['bill-smaller', 'amount', 'waive'] as const

/** How many times something happens in the run. */
export function occurrences(often: Often, { ground, durationMs }: Span, dice: Dice): number {
  if (often.kind === 'count') return drawnWhole(often.times, dice)
  const [whose, period] = often.per.includes('-') ? often.per.split('-') : ['', often.per]
  const each = whose === 'node' ? ground.honest.length : whose === 'charger' ? ground.chargers.length : 1
  const periods = durationMs / (period === 'hour' ? HOUR : DAY)
  return drawnCount(drawn(often.times, dice) * periods * each, dice)
}
