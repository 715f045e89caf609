// What the receiver answers, as schemas: for its description, and for the test that compares them with real answers.
import { z } from 'zod'

const ID = z.string().regex(/^[0-9a-f]{32}$/)
const HASH = z.string().regex(/^[0-9a-f]{64}$/)
const INSTANT = z.int().describe('ms since 1970, UTC')
const AMOUNT = z.string().describe('a decimal, exact')
const REF = z.string().describe('log/seq/hash of an event')
const COUNT = z.int().min(0)

const pageOf = <T extends z.ZodType>(item: T) =>
  z.strictObject({
    items: z.array(item),
    next: z.string().describe('the cursor of the next page; none: this was the last').optional(),
  })

const SITE = z.strictObject({
  siteId: ID,
  name: z.string(),
  cloudEpoch: COUNT,
  devices: COUNT,
  events: COUNT,
  sessions: COUNT,
  unacked: COUNT.describe('logs of which something is committed and not yet acknowledged'),
  lastEventAt: INSTANT.nullable(),
  gaps: COUNT.describe('1000 at most are counted'),
  forks: COUNT,
})

const SESSION = z.strictObject({
  sessionId: ID,
  chargerId: z.string(),
  connectorId: z.int(),
  tokenRef: z.string().describe('a reference of the card, made with a key of the site; never its id'),
  state: z.enum(['open', 'provisional', 'complete', 'disputed', 'unpriced']),
  energyWh: z.int().nullable(),
  startedAt: INSTANT.nullable(),
  endedAt: INSTANT.nullable(),
  startRef: REF,
  endRef: REF.nullable(),
  flags: z.array(z.string()),
  reviewAmount: AMOUNT.nullable(),
})

const BILL = z.strictObject({
  sessionId: ID,
  revision: COUNT,
  kind: z.enum(['invoice', 'credit', 'debit']),
  amount: AMOUNT.describe('signed; the sum of the revisions is the price'),
  currency: z.string(),
  energyWh: z.int(),
  reason: z.string(),
  inputHash: HASH.describe('of the events that it was computed from'),
  decidedBy: z.string().nullable(),
  issuedAt: INSTANT,
  idempotencyKey: z.string().nullable(),
  sentAt: INSTANT.nullable(),
  paymentReference: z.string().nullable(),
  paymentRefusal: z.string().nullable(),
})

const GAP = z.strictObject({
  kind: z.enum(['missing', 'mismatch', 'lossy']),
  deviceId: z.string(),
  logId: ID,
  fromSeq: COUNT.optional(),
  toSeq: COUNT.optional(),
  namedBy: ID.optional(),
})

const FORK = z.strictObject({
  logId: ID,
  deviceId: z.string(),
  seq: COUNT,
  ours: HASH,
  theirs: HASH,
  evidence: z
    .enum(['segment', 'lone-event', 'digest'])
    .describe('what shows it: another branch, an event that came ahead of its log, a signed digest'),
  foundAt: INSTANT,
})

const PROVISIONAL = z.strictObject({
  sessionId: ID.nullable(),
  chargerId: z.string(),
  state: z.literal('provisional'),
  energyWh: z.int().nullable().describe('null: its start has not come'),
  meterStopWh: z.int(),
  startedAt: INSTANT.nullable(),
  endedAt: INSTANT.nullable(),
  receivedAt: INSTANT,
  deviceId: ID,
  endRef: z.string().describe('log/seq'),
})

const DIGEST = z.strictObject({
  deviceId: ID,
  issuedAt: INSTANT,
  receivedAt: INSTANT,
  logs: COUNT,
  events: COUNT,
  root: HASH,
  state: z
    .enum(['held', 'agrees', 'contradicts'])
    .describe('held: what it commits to is not all here, so it cannot be compared yet'),
  logId: ID.nullable(),
  seq: COUNT.nullable(),
  ours: HASH.nullable(),
  theirs: HASH.nullable(),
})

const SUMMARY = z.strictObject({
  siteId: ID,
  name: z.string(),
  cloudEpoch: COUNT,
  ackVersion: COUNT,
  devices: COUNT,
  logs: COUNT,
  events: COUNT,
  sessions: z.record(z.string(), COUNT).describe('by state'),
  billed: z.record(z.string(), AMOUNT).describe('by currency'),
  bills: COUNT,
  forkedLogs: COUNT,
})

const TRACE = z.strictObject({
  session: SESSION,
  events: z.array(
    z.strictObject({
      event: z.string().describe('log/seq'),
      hash: HASH,
      what: z.string(),
      node: z.string(),
      receivedAt: INSTANT,
      acked: z.boolean(),
      counts: z.boolean().describe('false: it lies behind a fork or a revocation'),
    }),
  ),
  ticks: z.strictObject({
    count: COUNT,
    firstReceivedAt: INSTANT.optional(),
    lastReceivedAt: INSTANT.optional(),
  }),
  bills: z.array(BILL),
  cloudEpoch: COUNT,
})

const SIGNED = z.strictObject({
  values: z.array(
    z.strictObject({ sampledAt: z.string(), sealed: z.string().describe('base64, sealed to the operator') }),
  ),
})

const CONFLICT = z.looseObject({
  kind: z.enum(['session', 'stop']),
  sessionId: ID.optional(),
  chargerId: z.string(),
  sinceAt: INSTANT.optional().describe('since when it waits'),
  state: z.string().optional(),
  reasons: z.array(z.strictObject({ code: z.string(), text: z.string() })).optional(),
  about: HASH.optional().describe('hash of what is shown; a decision is bound to it'),
  billed: AMOUNT.optional(),
  rules: z.array(z.string()).optional(),
})

const CDRS = z.strictObject({
  items: z.array(
    z.looseObject({
      sessionId: ID,
      revision: COUNT,
      billId: z.string(),
      kind: z.string(),
      reason: z.string(),
      currency: z.string(),
      energyWh: z.int(),
      issuedAt: INSTANT,
      inputHash: HASH,
    }),
  ),
  tariffs: z.array(z.looseObject({ ref: z.string(), id: z.string(), currency: z.string() })),
  next: z.string().optional(),
  total: COUNT.optional().describe('on the first page'),
  toAt: INSTANT,
  settledAt: INSTANT.describe('nothing is added any more to what was issued before'),
})

const WEBHOOK = z.strictObject({
  name: z.string(),
  url: z.string(),
  events: z.array(z.string()).describe('none: all'),
  network: z.enum(['public', 'private', 'any']),
})

const WEBHOOKS = z.strictObject({
  items: z.array(
    WEBHOOK.extend({
      state: z.enum(['on', 'failing', 'gone']),
      createdAt: INSTANT,
      waiting: COUNT,
      oldestAt: INSTANT.optional().describe('when the oldest that waits was queued'),
      gaveUp: COUNT,
      lastSentAt: INSTANT.optional(),
      lastError: z.string().optional(),
      nextTryAt: INSTANT.optional(),
    }),
  ),
})

const REPLAY = z.strictObject({
  fromAt: INSTANT,
  toAt: INSTANT.optional(),
  session: z.string().optional().describe('the first digits of its id'),
})

export const SCHEMAS = {
  Sites: pageOf(SITE),
  Sessions: pageOf(SESSION),
  Bills: pageOf(BILL),
  Gaps: pageOf(GAP),
  Forks: pageOf(FORK),
  Provisional: pageOf(PROVISIONAL),
  Digests: pageOf(DIGEST),
  Conflicts: pageOf(CONFLICT),
  Cdrs: CDRS,
  Summary: SUMMARY,
  Trace: TRACE,
  Signed: SIGNED,
  Webhooks: WEBHOOKS,
  NewWebhook: WEBHOOK.partial({ events: true, network: true }),
  WebhookAdded: WEBHOOK.extend({ secret: z.string().describe('shown only now') }),
  WebhookRemoved: z.strictObject({ removed: z.string() }),
  WebhookEnabled: z.strictObject({ enabled: z.string() }),
  WebhookTested: z.strictObject({ queued: z.string() }),
  Replay: REPLAY,
  Replayed: z.strictObject({ events: COUNT }),
  Secret: z.strictObject({ secret: z.string() }),
  Nothing: z.strictObject({}),
  Health: z.strictObject({ status: z.enum(['ok', 'ready']) }),
  Problem: z.strictObject({ code: z.string(), message: z.string() }),
  OpenApi: z.looseObject({ openapi: z.string() }),
} as const
export type SchemaName = keyof typeof SCHEMAS
