// The sites of a receiver, for people: how much of each is here, when something last came, and what needs a look.
// Each site is asked by itself; no statement names two.
import type { FastifyInstance } from 'fastify'
import type { SiteId } from '../units.ts'
import type { Database } from './database.ts'
import { gapsOf } from './gaps.ts'
import type { ReaderGate } from './gate.ts'
import { refuse } from './pushing.ts'
import { DEFAULT_PAGE, MAX_PAGE } from './reading.ts'
import { intIn, optionalIntIn, textIn } from './rows.ts'

export const SITES_PATH = '/v1/sites'

export type SiteItem = {
  readonly siteId: SiteId
  readonly name: string
  readonly cloudEpoch: number
  readonly devices: number
  readonly events: number
  readonly sessions: number
  /** Logs of which something is committed and not yet acknowledged. */
  readonly unacked: number
  /** When the newest event came, by the cloud's clock. */
  readonly lastEventAt: number | null
  /** At most MAX_PAGE are counted. */
  readonly gaps: number
  readonly forks: number
}

export type SitesDeps = {
  readonly database: Database
  /** Those that are served here. */
  readonly siteIds: readonly SiteId[]
  readonly mayRead: ReaderGate
}

/** `GET /v1/sites?cursor&limit`, in the order of their ids. */
export function addSitesRoute(app: FastifyInstance, deps: SitesDeps): void {
  const siteIds = [...deps.siteIds].sort()
  app.get(SITES_PATH, async (request, reply) => {
    const refused = deps.mayRead(request, reply)
    if (refused) return refused
    const query = readQuery(request.query)
    if (!query) return refuse(reply, 400, { code: 'bad-query' })
    const page = siteIds.filter(siteId => siteId > query.cursor).slice(0, query.limit)
    const items: SiteItem[] = []
    for (const siteId of page) items.push(await siteItem(deps.database, siteId))
    const next = page.at(-1)
    const isLast = next === undefined || next === siteIds.at(-1)
    return reply.send(isLast ? { items } : { items, next })
  })
}

function readQuery(query: unknown): { readonly cursor: string; readonly limit: number } | undefined {
  const { cursor = '', limit = String(DEFAULT_PAGE) } = (query ?? {}) as Readonly<Record<string, unknown>>
  if (typeof cursor !== 'string' || !/^([0-9a-f]{32})?$/.test(cursor)) return undefined
  if (typeof limit !== 'string' || !/^\d{1,4}$/.test(limit)) return undefined
  const sites = Number(limit)
  return sites >= 1 && sites <= MAX_PAGE ? { cursor, limit: sites } : undefined
}

async function siteItem(database: Database, siteId: SiteId): Promise<SiteItem> {
  const site = await database.query('SELECT name, cloud_epoch FROM sites WHERE site_id = $1', [siteId])
  const logs = await database.query(
    `SELECT count(DISTINCT h.device_id) AS devices, coalesce(sum(h.contiguous_seq + 1), 0)::bigint AS events,
       count(*) FILTER (WHERE h.ack_due) AS unacked, max(e.received_at) AS last_event_at
     FROM log_head h LEFT JOIN events e ON e.site_id = h.site_id AND e.log_id = h.log_id AND e.seq = h.contiguous_seq
     WHERE h.site_id = $1`,
    [siteId],
  )
  const sessions = await database.query('SELECT count(*) AS n FROM sessions WHERE site_id = $1', [siteId])
  const forks = await database.query('SELECT count(DISTINCT log_id) AS n FROM forks WHERE site_id = $1', [
    siteId,
  ])
  const gaps = await gapsOf(database, siteId, { after: '', limit: MAX_PAGE })
  const [row = {}, counted = {}] = [site.rows[0], logs.rows[0]]
  return {
    siteId,
    name: textIn(row, 'name'),
    cloudEpoch: intIn(row, 'cloud_epoch'),
    devices: intIn(counted, 'devices'),
    events: intIn(counted, 'events'),
    sessions: intIn(sessions.rows[0] ?? {}, 'n'),
    unacked: intIn(counted, 'unacked'),
    lastEventAt: optionalIntIn(counted, 'last_event_at') ?? null,
    gaps: gaps.length,
    forks: intIn(forks.rows[0] ?? {}, 'n'),
  }
}
