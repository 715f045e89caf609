// The tariffs that issuers have published, and the one that prices a session. Order of arrival does not matter.
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import {
  ANYWHERE,
  asksTheSame,
  type Candidate,
  type Choice,
  chooseFrom,
  competes,
  dependsOnCard,
  type Place,
} from './choice.ts'
import { highestOf, isCurrency, isDecimal } from './price.ts'
import { decodeTerms, type Terms } from './terms.ts'

export type Tariff = BodyOf<'tariff'> & {
  readonly ref: EventRef
  readonly hlc: Hlc
  /** What `elements` say, where they can be read. */
  readonly terms?: Terms
}

export type Tariffs = {
  readonly add: (tariff: Tariff) => void
  /** What prices a session that begins at `at`; `missing` is a named state (TARIFF_MISSING), never a price of zero. */
  readonly choose: (at: number, place: Place) => Choice
  /** Whether another card might get another price there. */
  readonly dependsOnCard: (at: number) => boolean
  /** The one for cards and chargers that no tariff names. */
  readonly inForce: (at: number) => Tariff | undefined
  /** All that could be chosen somewhere, newest first. */
  readonly standing: (at: number) => readonly Tariff[]
  /** The most that a kWh costs anywhere, taxes included. */
  readonly highestPrice: (at: number) => string | undefined
  /** What this very event published. */
  readonly at: (ref: EventRef) => Tariff | undefined
  /** Newest first. */
  readonly all: () => readonly Tariff[]
}

export function createTariffs(): Tariffs {
  const held: Tariff[] = []
  /** By tariffId, newest first. */
  const versions = new Map<string, Tariff[]>()
  const candidatesAt = (at: number): readonly Candidate[] =>
    [...versions.values()]
      .flatMap(list => candidateOf(list, at) ?? [])
      .sort((a, b) => newestFirst(a.tariff, b.tariff))
  const standing = (at: number): readonly Tariff[] => {
    const all = candidatesAt(at).map(({ tariff }) => tariff)
    return all.filter((one, i) => isChosen(one) && !all.slice(0, i).some(newer => hides(newer, one)))
  }
  const choose = (at: number, place: Place): Choice => chooseFrom(candidatesAt(at), place)
  return {
    add: given => {
      if (!isUsable(given)) return
      const terms = given.elements && decodeTerms(given.elements)
      const tariff = terms ? { ...given, terms } : given
      const list = versions.get(tariff.tariffId) ?? []
      versions.set(tariff.tariffId, list)
      for (const each of [held, list]) insert(each, tariff)
    },
    choose,
    dependsOnCard: at => candidatesAt(at).some(({ tariff }) => dependsOnCard(tariff)),
    inForce: at => {
      const choice = choose(at, ANYWHERE)
      return choice.kind === 'chosen' ? choice.tariff : undefined
    },
    standing,
    highestPrice: at => highestOf(standing(at).map(({ pricePerKwh }) => pricePerKwh)),
    at: ({ logId, seq, hash }) =>
      held.find(({ ref }) => ref.logId === logId && ref.seq === seq && ref.hash === hash),
    all: () => held,
  }
}

/** A price nobody can compute with is kept out, here and in the cloud, and stays visible in its log. */
export function isUsable({ pricePerKwh, currency }: Pick<Tariff, 'pricePerKwh' | 'currency'>): boolean {
  return isDecimal(pricePerKwh) && isCurrency(currency)
}

/**
 * The newest version by `at`. Where it has ended, or cannot be read, its id is out: an older version is what its operator
 * wanted no more.
 */
function candidateOf(list: readonly Tariff[], at: number): Candidate | undefined {
  const tariff = list.find(({ effectiveAt }) => effectiveAt <= at)
  if (!tariff || (tariff.elements && !tariff.terms)) return undefined
  if (tariff.terms?.endsAt !== undefined && tariff.terms.endsAt <= at) return undefined
  // In one log the later word corrects the earlier; in two, neither operator may have known of the other.
  const contested = list.filter(
    ({ effectiveAt, ref }) => effectiveAt === tariff.effectiveAt && ref.logId !== tariff.ref.logId,
  )
  const lastWords = contested.filter((one, i) => contested.findIndex(isOfLog(one)) === i)
  return { tariff, contested: lastWords.filter(one => !asksTheSame(one, tariff)) }
}

function isOfLog({ ref }: Tariff): (other: Tariff) => boolean {
  return other => other.ref.logId === ref.logId
}

function isChosen({ terms }: Tariff): boolean {
  return !terms?.type?.startsWith('PROFILE_')
}

/** A newer one of the very same scope stands before it everywhere. */
function hides(newer: Tariff, older: Tariff): boolean {
  const scopeOf = ({ terms }: Tariff): string => JSON.stringify(terms?.scope ?? NO_SCOPE)
  return isChosen(newer) && competes(newer, older) && scopeOf(newer) === scopeOf(older)
}

const NO_SCOPE: Terms['scope'] = { chargers: [], zones: [], connectorTypes: [], classes: [] }

/** Logs are read from their beginning, so that what is put in is mostly newer than all. */
function insert(list: Tariff[], tariff: Tariff): void {
  const at = list.findIndex(one => newestFirst(tariff, one) < 0)
  list.splice(at < 0 ? list.length : at, 0, tariff)
}

function newestFirst(a: Tariff, b: Tariff): number {
  if (a.effectiveAt !== b.effectiveAt) return b.effectiveAt - a.effectiveAt
  if (a.hlc !== b.hlc) return a.hlc > b.hlc ? -1 : 1
  if (a.ref.logId !== b.ref.logId) return a.ref.logId < b.ref.logId ? -1 : 1
  return b.ref.seq - a.ref.seq
}
