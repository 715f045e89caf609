// Who comes when, to which connector, with which card and which battery. A driver who finds a connector taken takes another
// one, and drives on when all are taken; a card is in one place at a time. Nothing is said of what the site answers.
import type { Battery } from '../charger/battery.ts'
import type { Dice } from '../dice.ts'
import type { CardPlan, ChargerPlan, Plan, Visit } from '../plan.ts'
import { slotsOf } from './profile.ts'
import { drawn, drawnCount, drawnWhole, exactly } from './range.ts'
import { MINUTE, SECOND } from './reading.ts'
import type { ScenarioForm } from './scenario-form.ts'

const VISITS_PER_CHARGER_DAY = exactly(4)
/** One car leaves, the next one parks and plugs in. */
const BETWEEN_CARS_MS = 30 * SECOND
/** Of an event, in which nobody leaves all at once. */
const LEAVING_SHARE = 0.08
const TAPER_FROM_SOC = 0.8

export type Stage = Pick<Plan, 'durationMs' | 'startsAt'> & {
  readonly chargers: readonly ChargerPlan[]
  readonly cards: readonly CardPlan[]
}

type Place = { readonly charger: number; readonly connector: number; freeAtMs: number }

/** In order of time. */
export function drawVisits({ visits }: ScenarioForm, stage: Stage, dice: Dice): readonly Visit[] {
  const places = dice.fork('places').shuffled(placesOf(stage.chargers))
  const cards = stage.cards.map(() => 0)
  const found: Visit[] = []
  const order = dice.fork('order')
  for (const [i, atMs] of arrivals(visits, stage, dice.fork('arrivals')).entries()) {
    const own = dice.fork(`visit ${i + 1}`)
    const stayMs = stayOf(visits.stay, { atMs, durationMs: stage.durationMs, dice: own })
    const card = firstFree(cards, atMs, order)
    const place = firstFree(
      places.map(one => one.freeAtMs),
      atMs,
      order,
    )
    const taken = place === undefined ? undefined : places[place]
    if (card === undefined || taken === undefined) continue
    const { charger, connector } = taken
    taken.freeAtMs = atMs + stayMs + BETWEEN_CARS_MS
    cards[card] = atMs + stayMs + BETWEEN_CARS_MS
    found.push({ atMs, charger, connector, card, stayMs, battery: drawBattery(visits.battery, own) })
  }
  return found
}

function placesOf(chargers: readonly ChargerPlan[]): Place[] {
  return chargers.flatMap(({ connectors }, i) =>
    Array.from({ length: connectors }, (_, j) => ({ charger: i + 1, connector: j + 1, freeAtMs: 0 })),
  )
}

/** Someone who looks around from anywhere on; undefined when all are taken. */
function firstFree(freeAtMs: readonly number[], atMs: number, dice: Dice): number | undefined {
  if (freeAtMs.length === 0) return undefined
  const from = dice.below(freeAtMs.length)
  for (let i = 0; i < freeAtMs.length; i++) {
    const one = (from + i) % freeAtMs.length
    if ((freeAtMs[one] ?? 0) <= atMs) return one
  }
  return undefined
}

/** Rising. */
function arrivals(
  { profile, perHour, perChargerPerDay = VISITS_PER_CHARGER_DAY }: ScenarioForm['visits'],
  { chargers, durationMs, startsAt }: Stage,
  dice: Dice,
): readonly number[] {
  const wanted = dice.fork('how many')
  const hourly = perHour ? drawn(perHour, wanted) : (drawn(perChargerPerDay, wanted) * chargers.length) / 24
  const slots = slotsOf(profile, { startsAt, durationMs, perHour: hourly })
  return slots
    .flatMap(({ fromMs, untilMs, arrivals }) =>
      Array.from({ length: drawnCount(arrivals, dice) }, () => Math.floor(dice.between(fromMs, untilMs))),
    )
    .sort((a, b) => a - b)
}

type Coming = { readonly atMs: number; readonly durationMs: number; readonly dice: Dice }

function stayOf(stay: ScenarioForm['visits']['stay'], { atMs, durationMs, dice }: Coming): number {
  if (stay !== 'until-end') return drawnWhole(stay, dice)
  const leavesAtMs = durationMs * (1 - dice.between(0, LEAVING_SHARE))
  return Math.max(MINUTE, Math.floor(leavesAtMs) - atMs)
}

/** Whole Wh and W, and a state of charge in whole percent, so that a plan reads well. */
function drawBattery(
  { capacityKwh, socPercent, maxKw }: ScenarioForm['visits']['battery'],
  dice: Dice,
): Battery {
  return {
    capacityWh: Math.round(drawn(capacityKwh, dice) * 10) * 100,
    startSoc: Math.round(drawn(socPercent, dice)) / 100,
    maxPowerW: Math.round(drawn(maxKw, dice) * 10) * 100,
    taperFromSoc: TAPER_FROM_SOC,
  }
}
