// Which faults may not overlap. A lane is one thing that can be in one trouble at a time: a node that is down is not killed
// again, one clock is not wrong in two ways, one split is in force. A second of rest lies between two troubles.
import type { FaultKind, FaultStep } from '../plan.ts'
import { MINUTE, SECOND } from './reading.ts'

const REST_MS = SECOND
/** So long a power cut may wait for its disk operation. */
const PATIENCE_MS = 2 * MINUTE
/** In a reboot with the clock at 1970. */
const REBOOT_MS = 5 * SECOND

type Claim = { readonly lane: string; readonly untilMs: number }
export type Lanes = Map<string, (readonly [fromMs: number, untilMs: number])[]>

/** Takes the lanes that all these steps need, or none when one of them is taken. */
export function claimAll(lanes: Lanes, steps: readonly FaultStep[]): boolean {
  const wanted = steps.flatMap(step => claimsOf(step).map(claim => ({ ...claim, fromMs: step.atMs })))
  const isTaken = wanted.some(({ lane, fromMs, untilMs }) =>
    (lanes.get(lane) ?? []).some(([from, until]) => fromMs < until + REST_MS && from < untilMs + REST_MS),
  )
  if (isTaken) return false
  for (const { lane, fromMs, untilMs } of wanted) {
    const held = lanes.get(lane) ?? []
    held.push([fromMs, untilMs])
    lanes.set(lane, held)
  }
  return true
}

/** In milliseconds from the start; an instant for what has no end of its own. */
export function endOf(step: FaultStep): number {
  if (step.kind === 'crash-loop') return step.atMs + step.times * step.everyMs
  if (step.kind === 'power-cut-at') return step.atMs + step.downMs + PATIENCE_MS
  if ('forMs' in step) return step.atMs + step.forMs
  return 'downMs' in step ? step.atMs + step.downMs : step.atMs
}

/** A word of the thing; which one of its kind is the fault's node, charger or pair. */
const LANES: Readonly<Record<FaultKind, readonly string[]>> = {
  ...{ split: ['split'], flap: ['split'], swizzle: ['swizzle'], 'one-way': ['cut'], quality: ['quality'] },
  ...{ 'slow-reader': ['reading'], kill: ['process'], 'power-cut': ['process'], 'power-cut-at': ['process'] },
  ...{ 'crash-loop': ['process'], wipe: ['process'], restore: ['process'], clone: ['process'] },
  ...{ stall: ['process'], 'disk-full': ['space'], 'bit-flip': ['bits'], 'lost-write': ['lost write'] },
  ...{ 'misdirected-write': ['misdirected write'], 'sync-error': ['sync error'], 'sync-lies': ['sync lies'] },
  ...{ 'slow-disk': ['disk speed'], 'clock-jump': ['clock'], 'clock-drift': ['clock'] },
  ...{ 'clock-1970': ['process', 'clock'], 'clock-back': ['process', 'clock'] },
  ...{ 'uplink-flaps': ['uplink'], 'uplink-lossy': ['uplinks'] },
  ...{ 'cloud-down': ['cloud'], 'cloud-failover': ['cloud'], 'cloud-restore': ['cloud'] },
  ...{ 'cloud-forgets': ['cloud'], 'cloud-errs': ['cloud words'], 'cloud-lies': ['cloud words'] },
  ...{ 'uplink-slow': ['uplink speed'], 'uplink-rush': ['uplink rush'] },
  ...{ 'charger-power-cut': ['charger'], 'charger-offline': ['charger'], 'charger-moves': ['charger'] },
  'charger-replays': ['charger'],
}

function claimsOf(step: FaultStep): readonly Claim[] {
  return LANES[step.kind].map(lane => {
    const isReboot = step.kind === 'clock-1970' && lane === 'process'
    return { lane: `${lane} ${subjectOf(step)}`, untilMs: isReboot ? step.atMs + REBOOT_MS : endOf(step) }
  })
}

function subjectOf(step: FaultStep): string {
  const pair =
    step.kind === 'one-way' ? [step.from, step.to] : step.kind === 'quality' ? step.pair : undefined
  if (pair) return [...pair].sort((a, b) => a - b).join('-')
  if ('node' in step) return String(step.node)
  return 'charger' in step ? String(step.charger) : 'all'
}
