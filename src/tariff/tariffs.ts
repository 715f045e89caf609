// The tariffs that an issuer has published, and the one in force at an instant. Order of arrival does not matter.
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import { isCurrency, isDecimal } from './price.ts'

export type Tariff = BodyOf<'tariff'> & { readonly ref: EventRef; readonly hlc: Hlc }

export type Tariffs = {
  readonly add: (tariff: Tariff) => void
  /** The newest that took effect by `at`; undefined is a named state (TARIFF_MISSING), never a price of zero. */
  readonly inForce: (at: number) => Tariff | undefined
  /** What this very event published. */
  readonly at: (ref: EventRef) => Tariff | undefined
  readonly all: () => readonly Tariff[]
}

export function createTariffs(): Tariffs {
  const held: Tariff[] = []
  return {
    add: tariff => {
      // A price nobody can compute with is kept out here and stays visible in its log.
      if (!isDecimal(tariff.pricePerKwh) || !isCurrency(tariff.currency)) return
      held.push(tariff)
      held.sort(newestFirst)
    },
    inForce: at => held.find(tariff => tariff.effectiveAt <= at),
    at: ({ logId, seq, hash }) =>
      held.find(({ ref }) => ref.logId === logId && ref.seq === seq && ref.hash === hash),
    all: () => held,
  }
}

function newestFirst(a: Tariff, b: Tariff): number {
  if (a.effectiveAt !== b.effectiveAt) return b.effectiveAt - a.effectiveAt
  if (a.hlc !== b.hlc) return a.hlc > b.hlc ? -1 : 1
  if (a.ref.logId !== b.ref.logId) return a.ref.logId < b.ref.logId ? -1 : 1
  return b.ref.seq - a.ref.seq
}
