// A plan in fast motion: every instant and duration divided by one factor, batteries charged so much faster, so that half an
// hour of a site is a minute of real machines. What comes out is a plan like any other, and the simulator runs it too: only
// equal plans are compared. Delays of links and disks are physics, not schedule, and stay as they are; so do the software's
// own rhythms (a tick of a second, five between rounds of an uplink), which is why a factor above some twenty says little.
import { MeshError } from '../../src/errors.ts'
import type { ChargerPlan, FaultStep, OperatorStep, Plan, UplinkPlan, Visit } from '../plan.ts'

/** Before anything of the plan happens, both worlds get so long to start, dial and boot their chargers. */
export const LEAD_MS = 20_000
/** The meter of a charge point is not read more often. */
const MIN_METER_MS = 1000
/** A process that is started again needs about so long by itself. */
const MIN_SPELL_MS = 1000
const MIN_QUIET_MS = 120_000
export const MAX_FACTOR = 1000

export function compressed(plan: Plan, factor: number): Plan {
  if (!(factor >= 1 && factor <= MAX_FACTOR))
    throw new MeshError(
      'CONFIG_INVALID',
      `--speed ${factor}: 1 to ${MAX_FACTOR} times as fast as the scenario says`,
    )
  const span = (ms: number): number => Math.round(ms / factor)
  const at = (ms: number): number => LEAD_MS + span(ms)
  return {
    ...plan,
    durationMs: at(plan.durationMs),
    quietMs: Math.max(MIN_QUIET_MS, span(plan.quietMs)),
    chargers: plan.chargers.map(charger => fasterMeter(charger, span)),
    visits: plan.visits.map(visit => fasterVisit(visit, { at, span, factor })),
    operator: plan.operator.map(step => soonerStep(step, at)),
    uplinks: plan.uplinks.map(uplink => soonerWindows(uplink, at)),
    faults: plan.faults.map(fault => soonerFault(fault, { at, span })),
  }
}

type Scale = { readonly at: (ms: number) => number; readonly span: (ms: number) => number }

function fasterMeter(charger: ChargerPlan, span: Scale['span']): ChargerPlan {
  return { ...charger, meterEveryMs: Math.max(MIN_METER_MS, span(charger.meterEveryMs)) }
}

/** A car takes the same energy in a shorter stay. */
function fasterVisit(visit: Visit, { at, span, factor }: Scale & { readonly factor: number }): Visit {
  const battery = { ...visit.battery, maxPowerW: visit.battery.maxPowerW * factor }
  return { ...visit, atMs: at(visit.atMs), stayMs: Math.max(MIN_SPELL_MS, span(visit.stayMs)), battery }
}

function soonerStep(step: OperatorStep, at: Scale['at']): OperatorStep {
  const sooner = { ...step, atMs: at(step.atMs) }
  return sooner.kind === 'tariff' ? { ...sooner, fromMs: at(sooner.fromMs) } : sooner
}

/** What is open from the start is open while the site starts. */
function soonerWindows(uplink: UplinkPlan, at: Scale['at']): UplinkPlan {
  const windows = uplink.windows.map(
    ([fromMs, untilMs]) => [fromMs === 0 ? 0 : at(fromMs), at(untilMs)] as const,
  )
  return { ...uplink, windows }
}

function soonerFault(fault: FaultStep, { at, span }: Scale): FaultStep {
  const spell = (ms: number): number => Math.max(MIN_SPELL_MS, span(ms))
  return {
    ...fault,
    atMs: at(fault.atMs),
    ...('forMs' in fault && { forMs: spell(fault.forMs) }),
    ...('downMs' in fault && { downMs: spell(fault.downMs) }),
    ...('everyMs' in fault && { everyMs: spell(fault.everyMs) }),
    ...('ageMs' in fault && { ageMs: span(fault.ageMs) }),
    ...('losesMs' in fault && { losesMs: span(fault.losesMs) }),
  }
}
