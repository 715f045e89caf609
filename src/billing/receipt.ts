// A receipt: what a driver is given of one session, in the words that a node of the site signs (receipt-signed.ts). It
// holds nothing that tells one card's sessions from another's but the last characters of the number printed on it, and it
// never names an amount that nobody computed: a session without a price has no total, not one of zero. Two nodes that hold
// the same events write the same receipt number.
import {
  bool,
  bytes,
  id,
  int,
  listOf,
  oneOf,
  optional,
  record,
  text,
  toBytes,
  uint,
  type Value,
} from '../cbor.ts'
import { hashOf, lengthPrefixed } from '../identity/hash.ts'
import { chargerId, decimal, deviceId, EVENT_REF, sessionId, siteId } from '../log/fields.ts'
import { CLOCK_QUALITIES } from '../log/words.ts'
import { sampledAt } from '../session/facts.ts'
import type { Session } from '../session/fold.ts'
import { type Moment, timesOf } from '../session/times.ts'
import type { Cost } from '../tariff/cost.ts'
import { type DeviceId, hex, type SiteId } from '../units.ts'
import { inDigitsOf } from './amounts.ts'
import { isEnergy } from './candidates.ts'
import type { ClaimDue } from './claim.ts'
import type { Corrections } from './corrections.ts'
import { type Due, dueOf, pricesOf, type TariffAt } from './due.ts'
import { judge } from './judge.ts'
import { type Owed, owedOf } from './owed.ts'

/**
 * final: ended, and this is what it costs by all that this node knows. provisional: it has not ended. disputed: its records
 * contradict one another; an amount is the smaller one, and the operator looks at it. unpriced: it ended, and no price can
 * be computed. nothing-due: the card was refused and nothing flowed, or a person decided so.
 */
export const RECEIPT_STATES = ['final', 'provisional', 'disputed', 'unpriced', 'nothing-due'] as const
export type ReceiptState = (typeof RECEIPT_STATES)[number]
export const NO_PRICE = ['no-tariff', 'tariff-unknown', 'tariff-unreadable', 'too-long'] as const
const PART_TYPES = ['ENERGY', 'FLAT', 'PARKING_TIME', 'TIME', 'MINIMUM', 'MAXIMUM'] as const

const MOMENT = record({
  at: uint,
  /** By whose clock (session/times.ts). */
  by: oneOf(['charger', 'node', 'counted']),
  /** What the node's clock was set by when it wrote this down. */
  quality: oneOf(CLOCK_QUALITIES),
})
const COST = record({
  currency: text(3),
  total: decimal,
  beforeTaxes: decimal,
  taxes: listOf(record({ vat: decimal, amount: decimal }), 512),
  parts: listOf(
    record({
      ...{ type: oneOf(PART_TYPES), measured: uint, quantity: uint, price: decimal },
      ...{ beforeTaxes: decimal, afterTaxes: decimal, vat: optional(decimal) },
    }),
    512,
  ),
})

export const RECEIPT = record({
  version: uint,
  siteId,
  siteName: text(80),
  /** The node that says so. */
  signer: deviceId,
  issuedAt: uint,
  sessionId,
  /** The same as long as nothing else is known of the session; the second part of the receipt's number. */
  evidence: id<string>(16),
  chargerId,
  connectorId: uint,
  card: optional(text(4)),
  state: oneOf(RECEIPT_STATES),
  /** The operator's cloud has confirmed that it holds start, price and end. */
  isConfirmed: bool,
  startedAt: MOMENT,
  /** Of a session that has not ended: none. */
  stoppedAt: optional(MOMENT),
  meterStartWh: int,
  meterStopWh: optional(int),
  energyWh: optional(uint),
  cost: optional(COST),
  noPrice: optional(oneOf(NO_PRICE)),
  flags: listOf(text(32), 32),
  /** Where the site's logs say so: an auditor finds them there. */
  start: EVENT_REF,
  pricing: optional(EVENT_REF),
  tariff: optional(EVENT_REF),
  end: optional(EVENT_REF),
  /** Signed meter values of the session; absent where nobody counted them. The hash is over the sealed boxes. */
  signedValues: optional(record({ count: uint, hash: bytes(32, 32) })),
  /** Where people of the operator decided, or gave back: then this counts, whatever the price says. */
  settled: optional(
    record({ owed: decimal, refunded: decimal, toPay: decimal, decidedBy: optional(EVENT_REF) }),
  ),
})
export type Receipt = Value<typeof RECEIPT>
export type ReceiptCost = NonNullable<Receipt['cost']>

export const RECEIPT_VERSION = 1

export type ReceiptKnown = {
  readonly site: { readonly siteId: SiteId; readonly name: string }
  readonly signer: DeviceId
  readonly issuedAt: number
  readonly tariffAt: TariffAt
  readonly corrections: Corrections
  readonly isConfirmed: boolean
  /** As printed on the card. */
  readonly visualNumber: string | undefined
  /** The sealed boxes of its signed meter values; undefined: not looked for. */
  readonly signedValues?: readonly Uint8Array[] | undefined
}

export function receiptFor(session: Session, known: ReceiptKnown): Receipt {
  const { start, end } = session
  const times = timesOf(session)
  const card = lastOf(known.visualNumber)
  const figures = figuresOf(session, known)
  const pricing = pricingOf(session, known.tariffAt, figures)
  const said = {
    version: RECEIPT_VERSION,
    ...{ siteId: known.site.siteId, siteName: known.site.name.slice(0, 80) },
    ...{ sessionId: session.sessionId, chargerId: session.chargerId, connectorId: session.connectorId },
    ...(card !== undefined && { card }),
    startedAt: moment(times.startedAt, start.body.clock),
    ...(end && times.stoppedAt && { stoppedAt: moment(times.stoppedAt, end.body.clock) }),
    meterStartWh: start.body.meterStartWh,
    ...(end && { meterStopWh: end.body.meterStopWh }),
    ...figures,
    start: start.ref,
    ...(pricing && { pricing: pricing.ref, tariff: pricing.body.tariff }),
    ...(end && { end: end.ref }),
  }
  return {
    ...said,
    ...{ signer: known.signer, issuedAt: known.issuedAt, isConfirmed: known.isConfirmed },
    evidence: evidenceOf(said),
    ...(known.signedValues && { signedValues: countOf(known.signedValues) }),
  }
}

/** What people call it: whose session, and by what it was computed. */
export function numberOf({ sessionId, evidence }: Pick<Receipt, 'sessionId' | 'evidence'>): string {
  return `${sessionId.slice(0, 8)}-${evidence.slice(0, 8)}`
}

/** As a slip has it: enough for its holder, and never so much that it names a card. */
function lastOf(visualNumber: string | undefined): string | undefined {
  if (visualNumber === undefined) return undefined
  const shown = Math.min(4, Math.floor(visualNumber.length / 2))
  return shown === 0 ? undefined : visualNumber.slice(-shown)
}

function moment({ at, clock }: Moment, quality: Receipt['startedAt']['quality']): Receipt['startedAt'] {
  return { at: Math.max(0, Math.floor(at)), by: clock, quality }
}

type Figures = Pick<Receipt, 'state' | 'flags'> &
  Partial<Pick<Receipt, 'energyWh' | 'cost' | 'noPrice' | 'settled'>>

/** As the cloud bills it (judge.ts), before anything was billed. */
function figuresOf(session: Session, { tariffAt, corrections }: ReceiptKnown): Figures {
  const knowing = { tariffAt, corrections, finalise: false }
  const verdict = judge(session, { ...knowing, billed: [] })
  const said = {
    state: STATES[verdict.state],
    flags: verdict.flags.slice(0, 32).map(flag => flag.slice(0, 32)),
  }
  const { claim, owed: sums } = owedOf(session, knowing)
  switch (claim.kind) {
    case 'open':
      return { ...said, ...soFarOf(session, tariffAt) }
    case 'unreadable':
      return said
    case 'refused':
      return { ...said, state: 'nothing-due', energyWh: 0 }
    case 'waived': {
      const { energyWh, decision } = claim
      const settled = { owed: '0', refunded: '0', toPay: '0', ...(decision && { decidedBy: decision.ref }) }
      const state = said.state === 'disputed' ? said.state : 'nothing-due'
      return { ...said, state, ...(energyWh !== undefined && { energyWh }), settled }
    }
    case 'unpriced':
      return { ...said, energyWh: claim.energyWh, ...owed(dueOf(session, tariffAt, claim)) }
    case 'due':
      return { ...said, energyWh: claim.energyWh, ...costed(claim.cost), ...(sums && settledOf(claim, sums)) }
  }
}

const STATES = {
  open: 'provisional',
  provisional: 'provisional',
  complete: 'final',
  disputed: 'disputed',
  unpriced: 'unpriced',
} as const

function soFarOf(session: Session, tariffAt: TariffAt): Partial<Figures> {
  const energyWh = session.soFar?.energyWh
  if (!isEnergy(energyWh)) return {}
  const untilAt = session.lastTick && sampledAt(session.lastTick)
  return {
    energyWh,
    ...owed(dueOf(session, tariffAt, { energyWh, ...(untilAt !== undefined && { untilAt }) })),
  }
}

function owed(due: Due): Pick<Figures, 'cost' | 'noPrice'> {
  return due.kind === 'unpriced' ? { noPrice: due.why } : costed(due.cost)
}

function costed({ currency, total, beforeTaxes, taxes, parts }: Cost): Pick<Figures, 'cost'> {
  return { cost: { currency, total, beforeTaxes, taxes, parts } }
}

function settledOf({ owed: sum, decision }: ClaimDue, { refunded, total }: Owed): Pick<Figures, 'settled'> {
  if (!decision && refunded === undefined) return {}
  const decidedBy = decision && { decidedBy: decision.ref }
  return { settled: { owed: sum, refunded: refunded ?? inDigitsOf(sum, '0'), toPay: total, ...decidedBy } }
}

/** Of several prices that were shown, the one by which this is computed. */
function pricingOf(session: Session, tariffAt: TariffAt, { energyWh, cost }: Figures): Session['pricing'] {
  if (energyWh === undefined || !cost || session.pricings.length < 2) return session.pricing
  const { total, currency } = cost
  return pricesOf(session, tariffAt, { energyWh }).find(
    ({ due }) => due.kind === 'due' && due.cost.total === total && due.cost.currency === currency,
  )?.pricing
}

type Said = Omit<Receipt, 'signer' | 'issuedAt' | 'isConfirmed' | 'evidence' | 'signedValues'>

/** Of all that it says, but who says it, when, and what became of it since: the same number is the same content. */
function evidenceOf(said: Said): string {
  const nobody = { signer: '00'.repeat(16) as DeviceId, issuedAt: 0, isConfirmed: false }
  const content = toBytes(RECEIPT, { ...said, ...nobody, evidence: '00'.repeat(16) })
  return hex(hashOf('chargemesh/receipt-number/v1', content).subarray(0, 16))
}

function countOf(values: readonly Uint8Array[]): NonNullable<Receipt['signedValues']> {
  return { count: values.length, hash: hashOf('chargemesh/receipt-values/v1', ...values.map(lengthPrefixed)) }
}
