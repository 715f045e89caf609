// Which element of a tariff counts when: of those with the same dimension the first that holds. One that can never be the
// first is a mistake in the tariff; two that each hold at times when the other does too are allowed, and worth a word.
import type { Fault } from './ocpi-object.ts'
import { DAYS_OF_WEEK, type Dimension, type Restrictions, type TariffElement } from './terms.ts'

export function reachFaults(elements: readonly TariffElement[]): {
  readonly faults: readonly Fault[]
  readonly warnings: readonly Fault[]
} {
  const faults: Fault[] = []
  const warnings: Fault[] = []
  elements.forEach(({ components }, i) => {
    components.forEach(({ type }, k) => {
      if (components.findIndex(one => one.type === type) < k)
        faults.push({
          element: i + 1,
          field: type,
          value: 'twice',
          wanted: 'one price of each kind in an element',
        })
    })
    for (const type of new Set(components.map(one => one.type))) {
      const found = earlier(elements, i, type)
      if (found.covering !== undefined)
        faults.push({
          ...{ element: i + 1, field: type, value: 'never used' },
          wanted: `another order or other restrictions: element ${found.covering + 1} holds whenever this one does, and the first counts`,
        })
      else if (found.overlapping.length > 0)
        warnings.push({
          ...{ element: i + 1, field: type, value: 'overlaps' },
          wanted: `where element ${found.overlapping.map(one => one + 1).join(', ')} holds too, that one counts`,
        })
    }
  })
  for (const type of ['ENERGY', 'TIME'] as const) {
    const all = elements.filter(({ components }) => components.some(one => one.type === type))
    if (all.length > 0 && !areWhole(all.map(({ restrictions }) => spacesOf(restrictions))))
      warnings.push({
        ...{ field: 'elements', value: `${type} only with restrictions` },
        wanted: 'where none of them holds it costs nothing',
      })
  }
  return { faults, warnings }
}

function earlier(
  elements: readonly TariffElement[],
  i: number,
  type: Dimension,
): { readonly covering: number | undefined; readonly overlapping: readonly number[] } {
  const ours = spacesOf(elements[i]?.restrictions)
  const before = elements
    .slice(0, i)
    .flatMap(({ components, restrictions }, k) =>
      components.some(one => one.type === type) ? [{ k, theirs: spacesOf(restrictions) }] : [],
    )
  return {
    covering: before.find(({ theirs }) => covers(theirs, ours))?.k,
    // A broader one behind a narrower is how a tariff says "else".
    overlapping: before.filter(({ theirs }) => meet(theirs, ours) && !covers(ours, theirs)).map(({ k }) => k),
  }
}

/** Along each measure the spans in which it holds, [from, to[; numbers of at most fifteen digits are exact. */
type Span = readonly [from: number, to: number]
type Spaces = readonly (readonly Span[])[]

function spacesOf(restrictions: Restrictions | undefined): Spaces {
  const given = restrictions ?? { daysOfWeek: [] }
  const number = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : Number(text)
  const date = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : Date.parse(text)
  const days = given.daysOfWeek.length === 0 ? DAYS_OF_WEEK : given.daysOfWeek
  return [
    hoursOf(given),
    DAYS_OF_WEEK.flatMap((day, i): readonly Span[] => (days.includes(day) ? [[i, i + 1]] : [])),
    span(date(given.startDate), date(given.endDate)),
    span(number(given.minKwh), number(given.maxKwh)),
    span(number(given.minPower), number(given.maxPower)),
    span(given.minDurationS, given.maxDurationS),
  ]
}

const DAY_MINUTES = 1440

function hoursOf({ startMinute = 0, endMinute = DAY_MINUTES }: Restrictions): readonly Span[] {
  const until = endMinute === 0 ? DAY_MINUTES : endMinute
  if (startMinute < until) return [[startMinute, until]]
  if (startMinute === until) return [[0, DAY_MINUTES]]
  return [
    [0, until],
    [startMinute, DAY_MINUTES],
  ]
}

function span(from = 0, to = Number.POSITIVE_INFINITY): readonly Span[] {
  return [[from, to]]
}

/** Days and hours stand alone or side by side, so a span is covered by one other or by a row of them. */
function covers(outer: Spaces, inner: Spaces): boolean {
  return inner.every((spans, i) => spans.every(one => isWithin(one, outer[i] ?? [])))
}

function isWithin([from, to]: Span, spans: readonly Span[]): boolean {
  let reached = from
  for (const [start, end] of spans.toSorted((a, b) => a[0] - b[0]))
    if (start <= reached) reached = Math.max(reached, end)
  return reached >= to
}

function meet(a: Spaces, b: Spaces): boolean {
  return a.every((spans, i) =>
    spans.some(([from, to]) => (b[i] ?? []).some(([start, end]) => from < end && start < to)),
  )
}

/** At any time one of them holds: by itself, or with others that differ in their hours alone. */
function areWhole(all: readonly Spaces[]): boolean {
  const [, ...everything] = spacesOf(undefined)
  const daily = all.filter(([, ...rest]) => covers(rest, everything))
  return isWithin(
    [0, DAY_MINUTES],
    daily.flatMap(([hours = []]) => hours),
  )
}
