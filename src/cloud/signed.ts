// What meters signed of one session, still sealed to the operator: the cloud cannot read it either. Looked for between start
// and stop in the logs that hold them; a reading without a register is found by no index.
import type { FastifyInstance } from 'fastify'
import { decodeBody, TYPE_NUMBERS } from '../log/body.ts'
import { decodeElement } from '../log/event.ts'
import type { SiteId } from '../units.ts'
import type { Database, Row } from './database.ts'
import type { ReaderGate } from './gate.ts'
import { bytesIn, optionalTextIn, textIn } from './rows.ts'

export type CloudSigned = {
  /** In the order of their logs. */
  readonly values: readonly { readonly sampledAt: string; readonly sealed: string }[]
}

type Deps = { readonly database: Database; readonly siteId: SiteId; readonly mayRead: ReaderGate }
type Route = { readonly Params: { readonly id: string } }

/** What a charger says with its stop stands close behind it. */
const BEHIND_STOP = 64
/** Looked at in one log where the other end of the session stands in another. */
const MOST_APART = 5000
/** A reading with less holds no signed value. */
const LEAST_BYTES = 180
const MAX_VALUES = 64

export function addSignedRoute(app: FastifyInstance, deps: Deps): void {
  app.get<Route>('/sessions/:id/signed', async (request, reply) => {
    const refused = deps.mayRead(request, reply)
    if (refused) return refused
    const { id } = request.params
    const found = /^[0-9a-f]{32}$/.test(id)
      ? await deps.database.query('SELECT * FROM sessions WHERE site_id = $1 AND session_id = $2', [
          deps.siteId,
          id,
        ])
      : undefined
    const [row] = found?.rows ?? []
    if (!row) return reply.code(404).send({ code: 'not-found', message: 'the cloud has no such session' })
    return reply.send({ values: await signedOf(deps, row) } satisfies CloudSigned)
  })
}

async function signedOf({ database, siteId }: Deps, row: Row): Promise<CloudSigned['values']> {
  const read = async (logId: string, from: number, to: number): Promise<readonly Row[]> => {
    const found = await database.query(
      `SELECT element FROM events WHERE site_id = $1 AND log_id = $2 AND seq >= $3 AND seq <= $4
         AND type = ${TYPE_NUMBERS.meter_tick} AND octet_length(element) >= ${LEAST_BYTES} ORDER BY seq`,
      [siteId, logId, from, to],
    )
    return found.rows
  }
  const start = placeIn(textIn(row, 'start_ref'))
  const endRef = optionalTextIn(row, 'end_ref')
  const end = endRef === undefined ? undefined : placeIn(endRef)
  const isOneLog = end?.logId === start.logId
  const told = await startOf(database, siteId, start)
  const rows = [
    ...(await read(start.logId, start.seq, isOneLog ? end.seq + BEHIND_STOP : start.seq + MOST_APART)),
    ...(end && !isOneLog ? await read(end.logId, end.seq - MOST_APART, end.seq + BEHIND_STOP) : []),
  ]
  return rows.flatMap(one => valueIn(one, told)).slice(0, MAX_VALUES)
}

type Place = { readonly logId: string; readonly seq: number }

function placeIn(ref: string): Place {
  const [logId = '', seq = '0'] = ref.split('/')
  return { logId, seq: Number(seq) }
}

type Start = { readonly sessionId: string; readonly chargerId: string; readonly transactionId: number }

async function startOf(
  database: Database,
  siteId: SiteId,
  { logId, seq }: Place,
): Promise<Start | undefined> {
  const found = await database.query(
    'SELECT element FROM events WHERE site_id = $1 AND log_id = $2 AND seq = $3',
    [siteId, logId, seq],
  )
  const [row] = found.rows
  const said = row && saidIn(row)
  return said?.name === 'session_start' ? said.body : undefined
}

function saidIn(row: Row): ReturnType<typeof decodeBody> {
  const element = decodeElement(bytesIn(row, 'element'))
  return typeof element === 'string' ? undefined : decodeBody(element.type, element.body)
}

function valueIn(row: Row, start: Start | undefined): CloudSigned['values'] {
  const said = saidIn(row)
  if (said?.name !== 'meter_tick' || !said.body.signedSealed || !start) return []
  const { sessionId, chargerId, transactionId, sampledAt, signedSealed } = said.body
  const isNamed = chargerId === start.chargerId && transactionId === start.transactionId
  if (sessionId ? sessionId !== start.sessionId : !isNamed) return []
  return [{ sampledAt: sampledAt.raw, sealed: Buffer.from(signedSealed).toString('base64') }]
}
