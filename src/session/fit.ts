// Which sessions a stop that names none may have ended, by what both say: card, clock, registers, and what came next on
// the same connector. Registers only go up, so a session ends before the next one on its connector begins, and mostly at
// the very register where that begins. A meter that began again at 0 says nothing of what was before.
import { wallOf } from '../log/hlc.ts'
import { clockedAt } from './clock.ts'
import type { Draft } from './draft.ts'
import { byTime, type Fact } from './facts.ts'

type Start = Fact<'session_start'>
type End = Fact<'session_end'>
type Begun = { readonly start: Start }

export type Fit = {
  /** All that it may have ended, also those that another stop has ended. */
  readonly candidates: (end: End) => readonly Draft[]
  /** Whether the next session on this candidate's connector begins just where the stop ends. */
  readonly handsOver: (draft: Draft, end: End) => boolean
  /** Whether this candidate was heard of with a higher register, behind the stop. */
  readonly wentOn: (draft: Draft, end: End) => boolean
  /** Whether it may have ended what was taken for the start of a later session, sent with another clock. */
  readonly mayBeSwallowed: (end: End) => boolean
}

/** Whether neither clocks nor registers speak against it. */
export function fits({ start }: Begun, end: End): boolean {
  const startedAt = clockedAt(start.body.startedAt)
  const stoppedAt = clockedAt(end.body.stoppedAt)
  const inOrder = startedAt === undefined || stoppedAt === undefined || startedAt <= stoppedAt
  return inOrder && start.body.meterStartWh <= end.body.meterStopWh
}

/** The most that a plug for cars gives (CCS: 1,000 V, 500 A). */
const MAX_POWER_W = 500_000
/** What clocks that differ by a minute or so may hide. */
const SLACK_WH = 20_000

/** Whether so much can have flowed in the time between: a stop at the register of another connector shows itself so. */
export function canHaveFlowed({ start }: Begun, end: End): boolean {
  const [startedAt, stoppedAt] = [clockedAt(start.body.startedAt), clockedAt(end.body.stoppedAt)]
  if (startedAt === undefined || stoppedAt === undefined) return true
  const hours = (stoppedAt - startedAt) / 3_600_000
  return end.body.meterStopWh - start.body.meterStartWh <= SLACK_WH + MAX_POWER_W * hours
}

/** Whether no other card stopped it. */
export function sharesCard({ start }: Begun, { body }: End): boolean {
  return body.tokenRef === undefined || body.tokenRef === start.body.tokenRef
}

/** In the order in which a charger began its sessions: by its clock where that was set, else by that of the recorder. */
export function byBeginning(a: Start, b: Start): number {
  return toldAt(a) - toldAt(b) || byTime(a, b)
}

/** The same of its stops. */
export function byEnding(a: End, b: End): number {
  return toldAt(a) - toldAt(b) || byTime(a, b)
}

function toldAt(fact: Start | End): number {
  return instantOf(fact) ?? wallOf(fact.hlc)
}

/** A start of a session, and the start of the next one on its connector. */
type Place = { readonly draft: Draft; readonly start: Start; readonly next: Start | undefined }
/** One that the next one lies above: it ended somewhere between the two registers. */
type Span = Place & { readonly next: Start }

/** Goes through all sessions of a charger once, so that for each stop only a few are looked at. */
export function fitOf(drafts: readonly Draft[]): Fit {
  const lanes = lanesOf(drafts)
  const places = [...lanes.values()].flatMap(placesOf)
  const own = places.filter(({ draft, start }) => start === draft.start)
  const swallowed = places.filter(({ draft, start }) => start.body.sessionId !== draft.start.body.sessionId)
  const placeOf = new Map(own.map(place => [place.draft, place]))
  const others = own.filter(place => !isSpan(place))
  const atRegister = spansOf(own.filter(isSpan))
  const risingOf = new Map([...lanes].map(([connectorId, lane]) => [connectorId, lane.toSorted(byRegister)]))

  return {
    candidates: end =>
      [...atRegister(end.body.meterStopWh), ...others]
        .filter(
          place => fits(place, end) && sharesCard(place, end) && !isOver(place, end) && !hadMore(place, end),
        )
        .map(({ draft }) => draft),
    handsOver: (draft, end) => {
      const next = placeOf.get(draft)?.next
      // At 0 any meter may begin.
      if (!next || next.body.meterStartWh !== end.body.meterStopWh || end.body.meterStopWh === 0) return false
      const order = orderOf([draft.start, end, next])
      if (order !== 'recorded') return order === 'told'
      // The recorders' clocks may be wrong: nobody else may stand between the registers.
      const rising = risingOf.get(draft.start.body.connectorId) ?? []
      for (let i = countUpTo(rising, registerOf(draft)); i < rising.length; i++) {
        const between = rising[i]
        if (!between || registerOf(between) >= end.body.meterStopWh) break
        if (fits(between, end)) return false
      }
      return true
    },
    wentOn: (draft, end) => {
      const place = placeOf.get(draft)
      return place !== undefined && hasMore(place, end)
    },
    mayBeSwallowed: end =>
      swallowed.some(
        place => fits(place, end) && sharesCard(place, end) && !isBehind(end, place.draft.start),
      ),
  }
}

function lanesOf(drafts: readonly Draft[]): ReadonlyMap<number, readonly Draft[]> {
  const lanes = new Map<number, Draft[]>()
  for (const draft of drafts) {
    const { connectorId } = draft.start.body
    const lane = lanes.get(connectorId)
    if (lane) lane.push(draft)
    else lanes.set(connectorId, [draft])
  }
  return lanes
}

/** The starts of a connector, each session's first under each of its ids. */
function placesOf(lane: readonly Draft[]): readonly Place[] {
  const inTurn = lane
    .flatMap(draft => firstStarts(draft).map(start => ({ draft, start })))
    .sort((a, b) => byBeginning(a.start, b.start))
  const places: Place[] = []
  let next: Place | undefined
  for (const { draft, start } of inTurn.toReversed()) {
    // What was taken for the same start, sent again, is no session of its own.
    const isAgain = next?.draft === draft && start === draft.start
    next = { draft, start, next: isAgain ? next?.next : next?.start }
    places.push(next)
  }
  return places
}

function firstStarts({ start, starts }: Draft): readonly Start[] {
  const found = new Map([[start.body.sessionId, start]])
  for (const other of starts) {
    const held = found.get(other.body.sessionId)
    if (held !== start && (!held || byTime(other, held) < 0)) found.set(other.body.sessionId, other)
  }
  return [...found.values()]
}

function isSpan(place: Place): place is Span {
  return place.next !== undefined && registerOf(place) < place.next.body.meterStartWh
}

function registerOf({ start }: Begun): number {
  return start.body.meterStartWh
}

function byRegister(a: Begun, b: Begun): number {
  return registerOf(a) - registerOf(b)
}

/** Finds the spans that hold a register, without looking at all the others. */
function spansOf(spans: readonly Span[]): (meterWh: number) => readonly Place[] {
  const rising = spans.toSorted(byRegister)
  /** Where the highest of the spans up to here ends. */
  const highest: number[] = []
  for (const { next } of rising)
    highest.push(Math.max(next.body.meterStartWh, highest.at(-1) ?? next.body.meterStartWh))
  return meterWh => {
    const found: Place[] = []
    for (let i = countUpTo(rising, meterWh) - 1; i >= 0; i--) {
      const span = rising[i]
      if (!span || (highest[i] ?? meterWh) < meterWh) break
      if (span.next.body.meterStartWh >= meterWh) found.push(span)
    }
    return found
  }
}

/** How many of a list that rises by register are not above. */
function countUpTo(rising: readonly Begun[], meterWh: number): number {
  let low = 0
  let high = rising.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (registerOf(rising[middle] as Begun) <= meterWh) low = middle + 1
    else high = middle
  }
  return low
}

/** Whether three things happened in this order: the charger's clock tells so, or where it does not, that of the recorders. */
function orderOf(facts: readonly [Start | End, Start | End, Start | End]): 'told' | 'recorded' | 'none' {
  const instants = facts.map(instantOf)
  const known = instants.filter(at => at !== undefined)
  if (known.some((at, i) => i > 0 && at < (known[i - 1] ?? at))) return 'none'
  if (known.length === instants.length) return 'told'
  const [first, second, third] = facts
  return first.hlc <= second.hlc && second.hlc <= third.hlc ? 'recorded' : 'none'
}

function instantOf({ body }: Start | End): number | undefined {
  return clockedAt('startedAt' in body ? body.startedAt : body.stoppedAt)
}

/** Whether another began at the same register before the stop, by the charger's clock: this took nothing, or the meter began anew. */
function isOver({ start, next }: Place, end: End): boolean {
  if (!next || next.body.meterStartWh !== start.body.meterStartWh) return false
  const [nextAt, stoppedAt] = [instantOf(next), instantOf(end)]
  return nextAt !== undefined && stoppedAt !== undefined && nextAt < stoppedAt
}

/** Whether its register was above the stop's already before the stop, by the charger's clock. */
function hadMore(place: Place, end: End): boolean {
  const stoppedAt = instantOf(end)
  return readingsAbove(place, end).some(reading => {
    const sampledAt = clockedAt(reading.body.sampledAt)
    return sampledAt !== undefined && stoppedAt !== undefined && sampledAt <= stoppedAt
  })
}

/** Whether its register was heard to go beyond the stop's. A reading that may be the next session's says nothing. */
function hasMore(place: Place, end: End): boolean {
  const { start, next } = place
  return readingsAbove(place, end).some(({ body: { sampledAt: sampled, energyWh = 0 } }) => {
    if (!next) return true
    const [sampledAt, nextAt] = [clockedAt(sampled), instantOf(next)]
    if (sampledAt !== undefined && nextAt !== undefined && sampledAt < nextAt) return true
    return start.body.meterStartWh < next.body.meterStartWh && energyWh <= next.body.meterStartWh
  })
}

function readingsAbove({ draft }: Place, { body }: End): readonly Fact<'meter_tick'>[] {
  return [...draft.facts.ticks.values()]
    .flatMap(({ register }) => register ?? [])
    .filter(register => (register.body.energyWh ?? body.meterStopWh) > body.meterStopWh)
}

/** Whether the stop came behind the start: by the charger's clock, or where it does not tell, by that of the recorders. */
export function isBehind(end: End, start: Start): boolean {
  const [startedAt, stoppedAt] = [instantOf(start), instantOf(end)]
  return startedAt !== undefined && stoppedAt !== undefined ? startedAt <= stoppedAt : start.hlc <= end.hlc
}
