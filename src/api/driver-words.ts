// What the driver's plane is asked and what it answers, as schemas: requests are checked by them, and the OpenAPI
// description is printed from them. Names are part of the interface; they only grow. What is not known is null, never 0.
// Energy is exact in Wh or thousandths of a kWh, money is exact decimal text.
import { z } from 'zod'

/** OCPP 2.0.1 has 36 characters for an id token, 1.6 has 20. */
const card = z
  .string()
  .min(1)
  .max(36)
  .describe('The id of the card, as a reader at the charger would read it. Never kept, never logged.')
const station = z.string().regex(/^[A-Za-z0-9_.-]{1,48}$/)
const instant = z.string().describe('UTC, ISO 8601')
const age = z.int().min(0).describe('seconds')
const decimal = z.string().describe('exact decimal')

export const START = z.strictObject({
  card,
  station_id: station,
  connector_id: z.int().min(1).max(255).optional(),
  /** How long the wish stands while the charger is away. */
  expires_in_s: z.int().min(5).max(600).default(120),
})
export const STOP = z
  .strictObject({
    card,
    session_id: z
      .string()
      .regex(/^[0-9a-f]{32}$/)
      .optional(),
    station_id: station.optional().describe('instead of session_id: what this card charges there'),
    expires_in_s: z
      .int()
      .min(5)
      .max(24 * 3600)
      .default(3600),
  })
  .refine(
    ({ session_id, station_id }) => (session_id === undefined) !== (station_id === undefined),
    'give session_id or station_id',
  )
export const ENABLE_SOC = z.strictObject({ card })

export const REQUEST_STATES = [
  'queued',
  'sent',
  'accepted',
  'done',
  'refused',
  'expired',
  'cancelled',
  'lost',
] as const
export const REQUEST = z.strictObject({
  id: z.string(),
  kind: z.enum(['start', 'stop']),
  station_id: z.string(),
  state: z.enum(REQUEST_STATES),
  text: z.string().describe('for the driver'),
  created_at: instant,
  expires_at: instant,
})

const OFFLINE = z.strictObject({
  at_start: z
    .boolean()
    .nullable()
    .describe('it began more than 15 minutes after the last word of the operator'),
  now: z.boolean().describe('neither this node nor one that it is connected with has a working uplink'),
  text: z.string(),
})
const SYNC = z.strictObject({
  state: z.enum(['here', 'mesh', 'cloud']),
  nodes: z.int().describe('nodes that hold it for certain, this one among them'),
  cloud: z.boolean().describe('the cloud has confirmed all of it'),
  text: z.string(),
})
const PAYMENT = z.strictObject({
  state: z.enum(['running', 'queued', 'handed_over', 'no_price', 'in_review']),
  text: z.string(),
  receipt: z.string().nullable().describe('first digits of the signature with which the cloud confirmed it'),
})

export const SESSION = z.strictObject({
  session_id: z.string().nullable().describe('null until the charger has begun'),
  station_id: z.string(),
  connector_id: z.int().nullable(),
  state: z
    .enum(['idle', 'reserving', 'authorized', 'charging', 'paused', 'completed', 'reconciled'])
    .nullable(),
  meter_start: z.int().nullable().describe('register, Wh'),
  meter_stop: z.int().nullable().describe('register, Wh; null while it charges'),
  energy_kwh: z.number().nullable().describe('so far while it charges'),
  rate_per_kwh: decimal
    .nullable()
    .describe('fixed at the start; the highest price of energy where there are several, taxes included'),
  price_text: z.string().nullable().describe('all that is paid, with taxes; fixed at the start'),
  currency: z.string().nullable(),
  total_cost: decimal.nullable().describe('so far while it charges; rounded half up once'),
  soc: z.number().nullable().describe('percent, the last that the car told'),
  soc_age_s: age.nullable(),
  start_time: instant.nullable(),
  end_time: instant.nullable(),
  offline: OFFLINE,
  sync: SYNC.nullable(),
  payment: PAYMENT.nullable(),
  text: z.string().describe('for the driver'),
  request: REQUEST.nullable(),
})

/** text: to read; qr: the line that a QR code holds; file: signed; json: all three. */
export const RECEIPT_FORMS = ['text', 'qr', 'file', 'json'] as const
export const RECEIPT = z.strictObject({
  number: z.string().describe('the same as long as nothing else is known of the session'),
  session_id: z.string(),
  state: z.enum(['final', 'provisional', 'disputed', 'unpriced', 'nothing-due']),
  total: decimal.nullable().describe('null where no amount can be said'),
  currency: z.string().nullable(),
  confirmed: z.boolean().describe('the cloud has confirmed start, price and end'),
  text: z.string().describe('40 columns'),
  file: z.string().describe('signed; to be kept, and verified with the root key of the site'),
  qr: z.string().describe('the same for a QR code, in its alphanumeric mode'),
})

export const CONNECTOR_STATES = [
  'free',
  'plugged_in',
  'occupied',
  'reserved',
  'unavailable',
  'faulted',
  'unknown',
] as const
const PRICE = z.strictObject({
  rate_per_kwh: decimal.describe('the highest price of energy where there are several, taxes included'),
  currency: z.string(),
  since: instant,
  text: z.string().describe('all that is paid, with taxes'),
})
const CONNECTOR = z.strictObject({
  connector_id: z.int(),
  state: z.enum(CONNECTOR_STATES),
  status: z.string().nullable().describe('as the charger said it last'),
  status_at: instant.nullable(),
})
export const STATION = z.strictObject({
  station_id: z.string(),
  zone: z.string().nullable(),
  connector_type: z.string().nullable(),
  max_power_w: z.number().nullable(),
  reachable: z
    .enum(['here', 'elsewhere', 'away'])
    .describe('connected to this node, to another one, or to none that is known'),
  reachable_at: z.string().nullable().describe('name of the other node'),
  heard_at: instant.nullable().describe('when this node heard it last'),
  connectors: z.array(CONNECTOR),
  price: PRICE.nullable().describe(
    'in force here now, for a card that no tariff names; a session keeps the price of its start',
  ),
  text: z.string(),
})
export const STATIONS = z.strictObject({
  as_of: instant,
  node: z.string(),
  offline: z.boolean().describe('no working uplink here or at a connected node'),
  unsent_events: z.int().describe('what the cloud has not confirmed yet'),
  operator_news_age_s: age.nullable(),
  price: PRICE.nullable().describe('in force now where no other is said for a station'),
  stations: z.array(STATION),
})

const SOC_AT = z.strictObject({
  connector_id: z.int(),
  soc: z.number().nullable(),
  measured_at: instant.nullable(),
  age_s: age.nullable(),
  reason: z.enum(['no_session', 'not_reported']).nullable(),
})
export const SOC = z.strictObject({
  station_id: z.string(),
  soc: z.number().nullable().describe('where one car alone charges at this station'),
  age_s: age.nullable(),
  reason: z.enum(['no_session', 'not_reported', 'several_sessions']).nullable(),
  connectors: z.array(SOC_AT),
  text: z.string(),
})
export const SOC_ENABLED = z.strictObject({
  station_id: z.string(),
  enabled: z.boolean(),
  changed: z.boolean(),
  reason: z.enum(['read_only', 'no_such_setting', 'refused', 'not_kept', 'unreachable']).nullable(),
  measurands: z.array(z.string()).nullable().describe('what the charger samples now'),
  text: z.string(),
})

const PLACE = z.strictObject({ station_id: z.string(), connector_id: z.int() })
export const PROBLEM_CODES = [
  'BAD_REQUEST',
  'NOT_FOUND',
  'STATION_UNKNOWN',
  'SESSION_UNKNOWN',
  'BLOCKED',
  'EXPIRED',
  'NO_CREDIT',
  'NOT_ALLOWED',
  'NOT_YOURS',
  'ALREADY_CHARGING',
  'STATION_BUSY',
  'STATION_UNAVAILABLE',
  'STATION_ELSEWHERE',
  'STATION_AWAY',
  'CHARGER_REFUSED',
  'REQUEST_GONE',
  'KEY_REUSED',
  'TOO_MANY',
  'TRY_LATER',
  'FAILED',
] as const
export const PROBLEM = z.strictObject({
  error: z.enum(PROBLEM_CODES),
  text: z.string().describe('for the driver: what is the matter and what to do'),
  alternatives: z.array(PLACE).describe('connectors that are free, nearest first'),
  reachable_at: z.string().nullable().describe('name of the node that holds the charger'),
  session_id: z.string().nullable(),
  request: REQUEST.nullable(),
})

export type StartWords = z.infer<typeof START>
export type StopWords = z.infer<typeof STOP>
export type RequestAnswer = z.infer<typeof REQUEST>
export type SessionAnswer = z.infer<typeof SESSION>
export type ReceiptForm = (typeof RECEIPT_FORMS)[number]
export type StationAnswer = z.infer<typeof STATION>
export type PriceAnswer = z.infer<typeof PRICE>
export type StationsAnswer = z.infer<typeof STATIONS>
export type ConnectorState = (typeof CONNECTOR_STATES)[number]
export type SocAnswer = z.infer<typeof SOC>
export type SocEnabled = z.infer<typeof SOC_ENABLED>
export type Place = z.infer<typeof PLACE>
export type ProblemCode = (typeof PROBLEM_CODES)[number]
export type ProblemAnswer = z.infer<typeof PROBLEM>

/** What is answered instead, with its HTTP status; thrown by a route and sent by the server. */
export class Problem extends Error {
  readonly status: number
  readonly answer: ProblemAnswer

  constructor(status: number, error: ProblemCode, text: string, more: Partial<ProblemAnswer> = {}) {
    super(text)
    this.name = 'Problem'
    this.status = status
    const nothing = { alternatives: [], reachable_at: null, session_id: null, request: null }
    this.answer = { error, text, ...nothing, ...more }
  }
}
