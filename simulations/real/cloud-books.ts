// The rows of a real cloud, as its read API gave them, in the form of the simulated one. The API tells which event a session
// began with, not what the register showed: that is read in the event itself, as a node holds it. What the cloud holds of a
// log is what its newest receipt says.
import { z } from 'zod'
import { check } from '../../src/config.ts'
import { decodeBody } from '../../src/log/body.ts'
import { decodeElement } from '../../src/log/event.ts'
import type { Node } from '../../src/node.ts'
import type { ChargerId, DeviceId, LogId, SessionId } from '../../src/units.ts'
import type { CloudBill, CloudHead, CloudSession } from '../cloud/cloud.ts'
import type { ShownCloud } from '../world/observer.ts'
import type { CloudBooks } from './drive.ts'
import { refused } from './evidence.ts'

const SESSION = z.object({
  sessionId: z.string().transform(id => id as SessionId),
  chargerId: z.string().transform(id => id as ChargerId),
  energyWh: z.int().nullable(),
  state: z.enum(['open', 'provisional', 'complete', 'disputed', 'unpriced']),
  flags: z.array(z.string()),
  startRef: z.string(),
  endRef: z.string().nullable(),
})
const BILL = z.object({
  sessionId: z.string().transform(id => id as SessionId),
  revision: z.int(),
  kind: z.enum(['invoice', 'credit', 'debit']),
  amount: z.string(),
  currency: z.string(),
  energyWh: z.int(),
  reason: z.enum(['ended', 'provisional', 'corrected', 'merged']),
})
const deviceId = z.string().transform(id => id as DeviceId)
const logId = z.string().transform(id => id as LogId)
const GAP = z.discriminatedUnion('kind', [
  z.object({
    ...{ kind: z.literal('missing'), deviceId, logId, namedBy: logId },
    ...{ fromSeq: z.int(), toSeq: z.int() },
  }),
  z.object({ kind: z.literal('mismatch'), deviceId, logId, namedBy: logId }),
  z.object({ kind: z.literal('lossy'), deviceId, logId }),
])

export function cloudOf(books: CloudBooks, nodes: readonly Node[]): ShownCloud {
  const sessions = check('sessions of the cloud', z.array(SESSION), books.sessions).map(row =>
    sessionOf(row, nodes),
  )
  const gaps = check('gaps of the cloud', z.array(GAP), books.gaps)
  const bills = check('bills of the cloud', z.array(BILL), books.bills).map((row): CloudBill => {
    const session = sessions.find(one => one.sessionId === row.sessionId)
    return {
      ...row,
      chargerId: session?.chargerId ?? ('' as ChargerId),
      meterStartWh: session?.meterStartWh ?? Number.NaN,
    }
  })
  const heads = headsOf(nodes)
  return {
    ...{ sessions: async () => sessions, bills: async () => bills, gaps: async () => gaps },
    ...{ heads: async () => heads, headsNow: () => heads, epoch: () => 1, close: async () => undefined },
    counters: () => ({ pushes: 0, duplicateEvents: 0, refused: {} }),
    push: () => refused('push'),
    down: () => refused('go down'),
    failover: () => refused('fail over'),
    restore: () => refused('restore'),
    forget: () => refused('forget'),
    finalise: () => refused('finalise'),
  }
}

/** NaN where no node holds the event: then no meter ever showed it. */
function sessionOf(row: z.infer<typeof SESSION>, nodes: readonly Node[]): CloudSession {
  const stop = row.endRef === null ? undefined : registerAt(row.endRef, nodes)
  return {
    ...{ sessionId: row.sessionId, chargerId: row.chargerId, state: row.state, flags: row.flags },
    meterStartWh: registerAt(row.startRef, nodes) ?? Number.NaN,
    ...(stop !== undefined && { meterStopWh: stop }),
    ...(row.energyWh !== null && { energyWh: row.energyWh }),
  }
}

/** `ref` is log/number. */
function registerAt(ref: string, nodes: readonly Node[]): number | undefined {
  const [log = '', seq = ''] = ref.split('/')
  for (const node of nodes) {
    const element = node.ledger().logs.get(log as LogId)?.elements[Number(seq)]
    const read = element && decodeElement(element)
    const said = read && typeof read !== 'string' ? decodeBody(read.type, read.body) : undefined
    if (said?.name === 'session_start') return said.body.meterStartWh
    if (said?.name === 'session_end') return said.body.meterStopWh
  }
  return undefined
}

function headsOf(nodes: readonly Node[]): ReadonlyMap<LogId, CloudHead> {
  const heads = new Map<LogId, CloudHead>()
  for (const node of nodes)
    for (const { body } of node.ledger().objects.ofKind('ack'))
      if (body.seq > (heads.get(body.logId)?.seq ?? -1))
        heads.set(body.logId, { seq: body.seq, hash: body.hash })
  return heads
}
