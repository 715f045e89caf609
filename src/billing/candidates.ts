// What a session might be billed, as its evidence stands: each energy that a stop or a reading speaks for, at each price that
// was shown. A person chooses among these; what is decided is bound to them by their hash.
import { hashOf, lengthPrefixed, utf8Bytes } from '../identity/hash.ts'
import type { EventRef } from '../log/body.ts'
import type { Session } from '../session/fold.ts'
import { UNREADABLE_START_WH } from '../session/registers.ts'
import type { Cost } from '../tariff/cost.ts'
import { subtractAmounts } from '../tariff/price.ts'
import { costsIn, dueByTariff, pricesOf, priceWords, type TariffAt } from './due.ts'
import { usageOf } from './usage.ts'

export type Candidate = {
  /** `least`: what all readings together prove; `stop`: one of several stops; `last-reading`: until no stop comes. */
  readonly kind: 'least' | 'stop' | 'last-reading'
  readonly energyWh: number
  /** The stop, or the reading. */
  readonly ref: EventRef
  /** One a price that was shown and can be computed. */
  readonly costs: readonly Cost[]
}

/** The sessions that the stops would make of it, each alone; the one that counts comes first. */
export function candidatesOf(session: Session, tariffAt: TariffAt, keep?: EventRef): readonly Candidate[] {
  const costsOf = (one: Session, energyWh: number): readonly Cost[] => {
    const tariff = keep && tariffAt(keep)
    if (keep && !tariff) return []
    if (!tariff) return costsIn(pricesOf(one, tariffAt, { energyWh }))
    const due = dueByTariff(tariff, usageOf(one, energyWh))
    return due.kind === 'due' ? [due.cost] : []
  }
  const found: Candidate[] = []
  const { end, lastTick } = session
  if (end && isEnergy(session.energyWh)) {
    const { energyWh } = session
    found.push({ kind: 'least', energyWh, ref: end.ref, costs: costsOf(session, energyWh) })
  }
  const soFarWh = session.soFar?.energyWh
  if (!end && lastTick && isEnergy(soFarWh)) {
    const costs = costsOf(session, soFarWh)
    found.push({ kind: 'last-reading', energyWh: soFarWh, ref: lastTick.ref, costs })
  }
  for (const variant of stopVariants(session)) {
    const { energyWh, end } = variant
    if (found.some(one => one.energyWh === energyWh && stopWords(one.ref) === stopWords(end.ref))) continue
    found.push({ kind: 'stop', energyWh, ref: end.ref, costs: costsOf(variant, energyWh) })
  }
  return found
}

type Stopped = Session & { readonly end: NonNullable<Session['end']>; readonly energyWh: number }

/** The session with another stop than the one that counts: what lies between the two registers. */
export function stopVariants(session: Session): readonly Stopped[] {
  const { meterStartWh } = session.start.body
  if (meterStartWh === UNREADABLE_START_WH) return []
  const seen = new Set<string>()
  return session.ends.flatMap(end => {
    const energyWh = end.body.meterStopWh - meterStartWh
    const content = `${end.body.meterStopWh}/${end.body.stoppedAt.raw}`
    if (seen.has(content) || !isEnergy(energyWh)) return []
    seen.add(content)
    return [{ ...session, end, energyWh }]
  })
}

/** Registers near the end of all numbers differ by more than a number holds. */
export function isEnergy(energyWh: number | undefined): energyWh is number {
  return energyWh !== undefined && energyWh >= 0 && Number.isSafeInteger(energyWh)
}

/** The most that anything speaks for: nobody pays more, whoever agreed to it (I22). */
export function mostOf(candidates: readonly Candidate[], currency: string): string {
  return candidates
    .flatMap(({ costs }) => costs)
    .filter(cost => cost.currency === currency)
    .reduce((most, { total }) => (subtractAmounts(most, total).startsWith('-') ? total : most), '0')
}

/** Hash of all that a person is shown to decide by: what comes later makes it another. Copies of the same words do not. */
export function aboutOf(session: Session): Uint8Array {
  const { sessionId, start, ends, energyWh, soFar, flags, pricings } = session
  const stops = new Set(ends.map(({ body }) => `${body.meterStopWh}/${body.stoppedAt.raw}`))
  const parts = [
    sessionId,
    String(start.body.meterStartWh),
    ends.length > 0 ? String(energyWh) : `until ${soFar?.energyWh}`,
    [...stops].sort().join('|'),
    [...flags].sort().join(),
    [...new Set(pricings.map(({ body }) => priceWords(body)))].sort().join('|'),
  ]
  return hashOf('chargemesh/evidence/v1', ...parts.map(part => lengthPrefixed(utf8Bytes(part))))
}

function stopWords({ logId, seq }: EventRef): string {
  return `${logId}/${seq}`
}
