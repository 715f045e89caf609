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
import { hashOf, lengthPrefixed, utf8Bytes } from '../identity/hash.ts'
import { chargerId, decimal, deviceId, EVENT_REF, sessionId, siteId } from '../log/fields.ts'
import { CLOCK_QUALITIES } from '../log/words.ts'
import type { Session } from '../session/fold.ts'
import { type Moment, timesOf } from '../session/times.ts'
import { type DeviceId, hex, type SiteId } from '../units.ts'
import { type Corrections, NO_CORRECTIONS } from './corrections.ts'
import { dueOf, type TariffAt } from './due.ts'
import { judge } from './judge.ts'
import { type Owed, owedOf } from './owed.ts'
import { refText } from './revisions.ts'

/**
 * final: ended, and this is what it costs by all that this node knows. provisional: it has not ended. disputed: its records
 * contradict one another; an amount is the smaller one, and the operator looks at it. unpriced: it ended, and no price can
 * be computed. nothing-due: the card was refused, and nothing flowed.
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
  taxes: listOf(record({ vat: decimal, amount: decimal }), 32),
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
  /** The sum that the operator decided in the place of the cost's total; what was given back of it. */
  decided: optional(decimal),
  refunded: optional(decimal),
})
export type Receipt = Value<typeof RECEIPT>
export type ReceiptCost = NonNullable<Receipt['cost']>

export const RECEIPT_VERSION = 1

export type ReceiptKnown = {
  readonly site: { readonly siteId: SiteId; readonly name: string }
  readonly signer: DeviceId
  readonly issuedAt: number
  readonly tariffAt: TariffAt
  /** What people decided and refunded; none where nobody says. */
  readonly corrections?: Corrections
  readonly isConfirmed: boolean
  /** As printed on the card. */
  readonly visualNumber: string | undefined
  /** The sealed boxes of its signed meter values; undefined: not looked for. */
  readonly signedValues?: readonly Uint8Array[] | undefined
}

export function receiptFor(session: Session, known: ReceiptKnown): Receipt {
  const { start, end, pricing } = session
  const times = timesOf(session)
  const card = lastOf(known.visualNumber)
  const said = {
    version: RECEIPT_VERSION,
    ...{ siteId: known.site.siteId, siteName: known.site.name.slice(0, 80) },
    ...{ sessionId: session.sessionId, chargerId: session.chargerId, connectorId: session.connectorId },
    ...(card !== undefined && { card }),
    startedAt: moment(times.startedAt, start.body.clock),
    ...(end && times.stoppedAt && { stoppedAt: moment(times.stoppedAt, end.body.clock) }),
    meterStartWh: start.body.meterStartWh,
    ...(end && { meterStopWh: end.body.meterStopWh }),
    ...figuresOf(session, known),
    start: start.ref,
    ...(pricing && { pricing: pricing.ref, tariff: pricing.body.tariff }),
    ...(end && { end: end.ref }),
  }
  return {
    ...said,
    ...{ signer: known.signer, issuedAt: known.issuedAt, isConfirmed: known.isConfirmed },
    evidence: evidenceOf(session, said),
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

type Sums = Partial<Pick<Receipt, 'cost' | 'noPrice' | 'decided' | 'refunded'>>
type Figures = Pick<Receipt, 'state' | 'flags'> & Partial<Pick<Receipt, 'energyWh'>> & Sums

function figuresOf(session: Session, { tariffAt, corrections = NO_CORRECTIONS }: ReceiptKnown): Figures {
  const knowing = { tariffAt, corrections }
  const judged = judge(session, { ...knowing, billed: [], finalise: false })
  const { state: standing, flags: all, energyWh, bills } = judged
  const flags = all.slice(0, 32).map(flag => flag.slice(0, 32))
  if (standing === 'complete' && bills.length === 0) return { state: 'nothing-due', flags, energyWh: 0 }
  const wh = energyWh ?? (session.end ? session.energyWh : session.soFar?.energyWh)
  const state = STATES[standing]
  if (wh === undefined || wh < 0 || !Number.isSafeInteger(wh)) return { state, flags }
  const { owed } = owedOf(session, { ...knowing, finalise: true })
  return {
    state,
    flags,
    energyWh: wh,
    ...(owed ? sumsOf(owed) : priced(session, { tariffAt, energyWh: wh })),
  }
}

const STATES = {
  open: 'provisional',
  provisional: 'provisional',
  complete: 'final',
  disputed: 'disputed',
  unpriced: 'unpriced',
} as const

function sumsOf({ cost: { periods: _, stoppedAt: __, ...cost }, decided, refunded }: Owed): Sums {
  return { cost, ...(decided !== undefined && { decided }), ...(refunded !== undefined && { refunded }) }
}

function priced(
  session: Session,
  { tariffAt, energyWh }: { readonly tariffAt: TariffAt; readonly energyWh: number },
): Sums {
  const due = dueOf(session, tariffAt, { energyWh })
  if (due.kind === 'unpriced') return { noPrice: due.why }
  const { periods: _, stoppedAt: __, ...cost } = due.cost
  return { cost }
}

type Said = Omit<Receipt, 'signer' | 'issuedAt' | 'isConfirmed' | 'evidence' | 'signedValues'>

/** Every event that the figures come from, and the figures: whoever has both has the same number. */
function evidenceOf({ starts, ends, pricing, adoptions }: Session, said: Said): string {
  const events = [...starts, ...ends, ...adoptions, ...(pricing ? [pricing] : [])]
  const refs = [...new Set(events.map(({ ref }) => refText(ref)))].sort().map(utf8Bytes)
  const nobody = { signer: '00'.repeat(16) as DeviceId, issuedAt: 0, isConfirmed: false }
  const figures = toBytes(RECEIPT, { ...said, ...nobody, evidence: '00'.repeat(16) })
  const digest = hashOf('chargemesh/receipt-number/v1', ...[...refs, figures].map(lengthPrefixed))
  return hex(digest.subarray(0, 16))
}

function countOf(values: readonly Uint8Array[]): NonNullable<Receipt['signedValues']> {
  return { count: values.length, hash: hashOf('chargemesh/receipt-values/v1', ...values.map(lengthPrefixed)) }
}
