// Which of several tariffs prices a session: the most specific that fits, then the newest. A rule for what contradicts
// itself too, so that every node comes to the same; the others are named as rivals, for people to see.

import type { ChargerId } from '../units.ts'
import type { Tariff } from './tariffs.ts'
import type { Terms } from './terms.ts'

/** Where and with which card a session begins. */
export type Place = {
  readonly chargerId?: ChargerId | undefined
  readonly zone?: string | undefined
  readonly connectorType?: string | undefined
  /** Class of the card's grant; undefined: nobody granted it, and it pays ad hoc. */
  readonly cardClass: string | undefined
}

/** Anywhere at the site, with a card of no class that a tariff names. */
export const ANYWHERE: Place = { cardClass: '' }

export type Choice =
  | {
      readonly kind: 'chosen'
      readonly tariff: Tariff
      /** As specific, of the same instant, and asking something else. */
      readonly rivals: readonly Tariff[]
    }
  | { readonly kind: 'missing' }

/** The newest version of one id at an instant, and what another operator said of it for that very instant. */
export type Candidate = { readonly tariff: Tariff; readonly contested: readonly Tariff[] }

/** `candidates`: newest first. */
export function chooseFrom(candidates: readonly Candidate[], place: Place): Choice {
  const fitting = candidates.filter(({ tariff }) => fits(tariff, place))
  const best = fitting.reduce<Candidate | undefined>(
    (held, one) => (!held || rankOf(one.tariff) > rankOf(held.tariff) ? one : held),
    undefined,
  )
  if (!best) return { kind: 'missing' }
  const { tariff, contested } = best
  const equals = fitting
    .filter(one => one !== best && rankOf(one.tariff) === rankOf(tariff))
    .map(one => one.tariff)
    .filter(one => one.effectiveAt === tariff.effectiveAt && !asksTheSame(one, tariff))
  return { kind: 'chosen', tariff, rivals: [...contested, ...equals] }
}

/** Charger before connector type, zone, class and nothing; a tariff for payment at the charger before one for all cards. */
export function rankOf({ terms }: Tariff): number {
  if (!terms) return 0
  const { chargers, connectorTypes, zones, classes } = terms.scope
  const isBound = [chargers, connectorTypes, zones, classes].map(list => list.length > 0)
  return [...isBound, terms.type === 'AD_HOC_PAYMENT'].reduce((rank, is) => 2 * rank + (is ? 1 : 0), 0)
}

/** Whether the card has a say in which of them is chosen. */
export function dependsOnCard({ terms }: Tariff): boolean {
  return terms !== undefined && (terms.scope.classes.length > 0 || terms.type === 'AD_HOC_PAYMENT')
}

/** Whoever pays by one pays by the other the same. */
export function asksTheSame(a: Tariff, b: Tariff): boolean {
  if (a.currency !== b.currency || a.pricePerKwh !== b.pricePerKwh) return false
  return a.terms && b.terms ? pricesIn(a.terms) === pricesIn(b.terms) : a.elements === b.elements
}

function pricesIn({ elements, minPrice, maxPrice, taxIncluded, offsets }: Terms): string {
  return JSON.stringify([elements, minPrice, maxPrice, taxIncluded, offsets])
}

/** Both could be chosen for the same session, and neither is more specific. */
export function competes(a: Tariff, b: Tariff): boolean {
  if (rankOf(a) !== rankOf(b)) return false
  const names = ['chargers', 'zones', 'connectorTypes', 'classes'] as const
  return names.every(name => {
    const [ours, theirs] = [a, b].map(({ terms }): readonly string[] => terms?.scope[name] ?? [])
    return !ours?.length || !theirs?.length || ours.some(one => theirs.includes(one))
  })
}

function fits({ terms }: Tariff, place: Place): boolean {
  if (!terms) return true
  const { chargers, connectorTypes, zones, classes } = terms.scope
  return (
    isFor(terms.type, place.cardClass) &&
    holds(chargers, place.chargerId) &&
    holds(connectorTypes, place.connectorType) &&
    holds(zones, place.zone) &&
    holds(classes, place.cardClass)
  )
}

/** A card at a reader states no preference, so the PROFILE_ types are never chosen; REGULAR is for every card. */
function isFor(type: Terms['type'], cardClass: string | undefined): boolean {
  if (type === 'AD_HOC_PAYMENT') return cardClass === undefined
  return type === undefined || type === 'REGULAR'
}

/** What cannot be shown to be within the scope is outside of it. */
function holds(list: readonly string[], one: string | undefined): boolean {
  return list.length === 0 || (one !== undefined && list.includes(one))
}
