// What the revisions of one session's bill come to, one after the other: what each changes, and what all up to it make.
// The form in which a cloud hands bills out for settlement (`Settled`, a line of the JSON lines) is documented here.
import type { Cost } from '../tariff/cost.ts'
import { addAmounts, decimalsIn } from '../tariff/price.ts'
import { type Split, splitChange, splitOf } from '../tariff/split.ts'

/** A row of the cloud's table. */
export type Revision = {
  readonly revision: number
  readonly kind: string
  readonly reason: string
  /** Signed: what this revision changes. */
  readonly amount: string
  readonly currency: string
  /** Of the whole session, as this revision has it. */
  readonly energyWh: number
  readonly issuedAt: number
  readonly inputHash: string
  /** How the price of the session is made up; absent where it was not kept, or a person set the amount. */
  readonly cost?: Cost
}

/** All that a session owes once a revision is written. */
export type Standing = Pick<Revision, 'revision' | 'energyWh' | 'currency' | 'reason' | 'issuedAt'> & {
  /** As CDRs and settlement files name it: the session's id, with the revision behind it from 1 on. */
  readonly billId: string
  readonly whole: Split
  readonly cost?: Cost
}

export type Statement = Standing & {
  readonly kind: string
  readonly inputHash: string
  readonly change: Split
  readonly energyChangeWh: number
  /** What stood before; it is credited in full where corrections are made so (OCPI). */
  readonly before?: Standing
}

export function billIdOf(sessionId: string, revision: number): string {
  return revision === 0 ? sessionId : `${sessionId}-${revision}`
}

/** `revisions`: all of one session, in order. Sums of `change` are sums of `amount`, to the last digit. */
export function statementsOf(sessionId: string, revisions: readonly Revision[]): readonly Statement[] {
  const digits = Math.max(0, ...revisions.map(one => decimalsIn(one.amount)))
  const statements: Statement[] = []
  let before: Standing | undefined
  let total = '0'
  for (const { amount, kind, inputHash, ...said } of revisions) {
    total = addAmounts(total, amount)
    // Money that a person gives back leaves the session as it was; what was metered otherwise has a cost of its own.
    const cost = said.cost ?? (before?.energyWh === said.energyWh ? before.cost : undefined)
    const whole = splitOf(total, digits, cost)
    const standing: Standing = {
      ...{ revision: said.revision, energyWh: said.energyWh, currency: said.currency },
      ...{ reason: said.reason, issuedAt: said.issuedAt, billId: billIdOf(sessionId, said.revision), whole },
      ...(cost && { cost }),
    }
    const energyChangeWh = said.energyWh - (before?.energyWh ?? 0)
    const change = splitChange(whole, before?.whole)
    statements.push({ ...standing, kind, inputHash, change, energyChangeWh, ...(before && { before }) })
    before = standing
  }
  return statements
}

export type SettledMoment = {
  /** UTC ms. */
  readonly at: number
  /** Whose clock (session/times.ts); `reading`: no stop came, and this is the last that was read. */
  readonly clock: 'charger' | 'node' | 'counted' | 'reading'
}

/** One revision with all that a settlement needs of its session. Ids and hashes are hex, instants UTC ms. */
export type Settled = Statement & {
  readonly sessionId: string
  readonly idempotencyKey?: string
  readonly sentAt?: number
  readonly session: {
    readonly chargerId: string
    readonly connectorId: number
    readonly state: string
    readonly flags: readonly string[]
    readonly startRef: string
    readonly endRef?: string
    readonly started: SettledMoment
    readonly ended?: SettledMoment
    readonly meterStartWh?: number
    readonly meterStopWh?: number
  }
  readonly card: {
    readonly tokenRef: string
    /** From the grant by which it was let in. */
    readonly accountRef?: string
    readonly visualNumber?: string
    /** Base64: the card's own id, sealed with a key of the site. */
    readonly tagSealed?: string
  }
  readonly tariff?: {
    readonly id: string
    /** Of the event that published it. */
    readonly ref: string
    readonly currency: string
    readonly pricePerKwh: string
    readonly byTerms: boolean
  }
}

/** A tariff that bills name, with its terms (tariff/terms.ts) in base64 where it has any. */
export type SettledTariff = {
  readonly ref: string
  readonly id: string
  readonly currency: string
  readonly pricePerKwh: string
  readonly effectiveAt: number
  readonly publishedAt: number
  readonly elements?: string
}
