// The ground on which every other design stands, read from the same plan that our site runs under: who has power, which
// machine is up, who reaches whom, who has a way to the cloud, and what the operator said when. No design is simulated here.
// Where the plan leaves it open (a power cut at the n-th disk operation, the length of each crash in a loop), it happens at
// once and is as short as the simulator ever draws it. At the end of `durationMs` everything is mended, as for our site.
import type { Fault, Plan } from '../plan.ts'
import { isGoodAt } from '../tally/tally.ts'
import { createPaths } from './paths.ts'
import { holdsAt, type Span, type Spans, spansOf } from './spans.ts'

/** The shortest crash of a loop, as a share of its period (simulations/weather.ts). */
const CRASH_SHARE = 0.05
/** A reboot with the clock at 1970 (simulations/weather.ts). */
const REBOOT_MS = 1000
/** A kernel writes back what nobody synced after about so long (vm.dirty_expire_centisecs). */
const WRITE_BACK_MS = 30_000

/** At `atMs` a disk lost what was written to it behind `sinceMs`. */
export type DiskLoss = { readonly atMs: number; readonly sinceMs: number }

export type Ground = {
  readonly plan: Plan
  /** Rising, from 0 to `durationMs`. Between two of them nothing of all this changes. */
  readonly changes: readonly number[]
  readonly reaches: (a: number, b: number, atMs: number) => boolean
  readonly isUp: (node: number, atMs: number) => boolean
  readonly canWrite: (node: number, atMs: number) => boolean
  readonly losses: (node: number) => readonly DiskLoss[]
  /** Of the node itself, and the cloud is there. The modem is no part of the node: it works while the node is down. */
  readonly hasUplink: (node: number, atMs: number) => boolean
  /** All that ever may have one. */
  readonly uplinkNodes: readonly number[]
  /** Share of requests and answers that get lost on its way to the cloud. */
  readonly uplinkLoss: (node: number, atMs: number) => number
  readonly isPowered: (charger: number, atMs: number) => boolean
  /** Its cable to the site's network works. */
  readonly isWired: (charger: number, atMs: number) => boolean
  /** By what the operator had said by then. */
  readonly isGood: (card: number, atMs: number) => boolean
}

export function groundOf(plan: Plan): Ground {
  const { durationMs } = plan
  const paths = createPaths(plan)
  const collect = (spanOf: (fault: Fault, atMs: number) => Pointed | undefined): ReadonlyMap<number, Spans> =>
    collected(plan, spanOf)
  const down = collect(downSpan)
  const full = collect(
    (fault, atMs) => fault.kind === 'disk-full' && [fault.node, [[atMs, atMs + fault.forMs]]],
  )
  const dark = collect(
    (fault, atMs) => fault.kind === 'charger-power-cut' && [fault.charger, [[atMs, atMs + fault.forMs]]],
  )
  const unwired = collect(
    (fault, atMs) => fault.kind === 'charger-offline' && [fault.charger, [[atMs, atMs + fault.forMs]]],
  )
  const noCloud =
    collect((fault, atMs) => fault.kind === 'cloud-down' && [0, [[atMs, atMs + fault.forMs]]]).get(0) ?? []
  const ways = waysOf(plan)
  const lossy = plan.faults.flatMap(fault => (fault.kind === 'uplink-lossy' ? [fault] : []))
  const is = (spans: ReadonlyMap<number, Spans>, one: number, atMs: number): boolean =>
    holdsAt(spans.get(one) ?? [], atMs)
  const instants = [
    ...paths.changes,
    ...[...down.values(), ...full.values(), ...dark.values(), ...unwired.values(), noCloud].flat(2),
    ...[...ways.values()].flat(2),
    ...plan.operator.map(step => step.atMs),
    ...plan.faults.flatMap(fault => (fault.kind === 'charger-replays' ? [fault.atMs] : [])),
  ]
  return {
    plan,
    changes: [...new Set(instants.filter(atMs => atMs <= durationMs))].toSorted((a, b) => a - b),
    reaches: paths.reaches,
    isUp: (node, atMs) => !is(down, node, atMs),
    canWrite: (node, atMs) => !is(down, node, atMs) && !is(full, node, atMs),
    losses: node => lossesOf(plan, node),
    hasUplink: (node, atMs) => {
      if (atMs >= durationMs)
        return plan.uplinks.length === 0 || plan.uplinks.some(uplink => uplink.node === node)
      return is(ways, node, atMs) && !holdsAt(noCloud, atMs)
    },
    // A person can plug one in anywhere at the end.
    uplinkNodes: [...new Set([...ways.keys(), ...(plan.uplinks.length === 0 ? [1] : [])])].toSorted(
      (a, b) => a - b,
    ),
    uplinkLoss: (node, atMs) => {
      if (atMs >= durationMs) return 0
      const weather = lossy.findLast(one => one.atMs <= atMs && atMs < one.atMs + one.forMs)
      const planned = plan.uplinks.filter(uplink => uplink.node === node).map(uplink => uplink.lossRate)
      return Math.max(weather?.lossRate ?? 0, planned.length > 0 ? Math.min(...planned) : 0)
    },
    isPowered: (charger, atMs) => !is(dark, charger, atMs),
    isWired: (charger, atMs) => !is(unwired, charger, atMs),
    isGood: (card, atMs) => isGoodAt({ plan }, card, atMs),
  }
}

type Pointed = false | readonly [number, readonly Span[]]

function collected(
  { faults, durationMs }: Plan,
  spanOf: (fault: Fault, atMs: number) => Pointed | undefined,
): ReadonlyMap<number, Spans> {
  const spans = new Map<number, Span[]>()
  for (const fault of faults) {
    const pointed = spanOf(fault, fault.atMs)
    if (pointed) spans.set(pointed[0], [...(spans.get(pointed[0]) ?? []), ...pointed[1]])
  }
  return new Map([...spans].map(([one, all]) => [one, spansOf(all, durationMs)]))
}

function downSpan(fault: Fault, atMs: number): Pointed | undefined {
  switch (fault.kind) {
    case 'kill':
    case 'power-cut':
    case 'power-cut-at':
    case 'wipe':
    case 'restore':
    case 'clock-back':
      return [fault.node, [[atMs, atMs + fault.downMs]]]
    case 'clock-1970':
      return [fault.node, [[atMs, atMs + REBOOT_MS]]]
    case 'stall':
      return [fault.node, [[atMs, atMs + fault.forMs]]]
    case 'crash-loop':
      return [
        fault.node,
        Array.from({ length: fault.times }, (_, i): Span => {
          const fromMs = atMs + i * fault.everyMs
          return [fromMs, fromMs + CRASH_SHARE * fault.everyMs]
        }),
      ]
    default:
      return undefined
  }
}

/** Windows and flaps; while an uplink flaps, its windows say nothing. */
function waysOf({ uplinks, faults, durationMs }: Plan): ReadonlyMap<number, Spans> {
  const ways = new Map<number, Spans>()
  for (const { node } of uplinks) {
    const windows = uplinks.flatMap(uplink => (uplink.node === node ? uplink.windows : []))
    ways.set(node, spansOf(windows, durationMs))
  }
  for (const fault of faults) {
    if (fault.kind !== 'uplink-flaps') continue
    const { node, atMs, everyMs, forMs } = fault
    const periods = Math.ceil(forMs / everyMs)
    const endMs = atMs + periods * everyMs
    const planned = (ways.get(node) ?? []).flatMap(([fromMs, untilMs]): readonly Span[] => [
      ...(fromMs < atMs ? [[fromMs, Math.min(untilMs, atMs)] as const] : []),
      ...(untilMs > endMs ? [[Math.max(fromMs, endMs), untilMs] as const] : []),
    ])
    // Down first, then up, by turns.
    const up = Array.from({ length: periods }, (_, i): Span => [atMs + i * everyMs, atMs + (i + 1) * everyMs])
    ways.set(node, spansOf([...planned, ...up.filter((_, i) => i % 2 === 1)], durationMs))
  }
  return ways
}

/** A disk that syncs as it should loses nothing to a crash; one that lied loses what the kernel had not written back. */
function lossesOf({ faults }: Plan, node: number): readonly DiskLoss[] {
  const lies = faults.flatMap(fault => (fault.kind === 'sync-lies' && fault.node === node ? [fault] : []))
  return faults.flatMap((fault): readonly DiskLoss[] => {
    if (!('node' in fault) || fault.node !== node) return []
    const { atMs } = fault
    if (fault.kind === 'wipe') return [{ atMs, sinceMs: Number.NEGATIVE_INFINITY }]
    if (fault.kind === 'restore') return [{ atMs, sinceMs: atMs - fault.ageMs }]
    const losesPower = ['power-cut', 'power-cut-at', 'clock-1970', 'clock-back'].includes(fault.kind)
    const lie = lies.find(one => one.atMs <= atMs && atMs < one.atMs + one.forMs)
    return losesPower && lie ? [{ atMs, sinceMs: Math.max(lie.atMs, atMs - WRITE_BACK_MS) }] : []
  })
}
