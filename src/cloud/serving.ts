// The routes for people, with the operator's token: sessions, bills, gaps, forks and a summary of one site. Reading only.
import type { FastifyInstance } from 'fastify'
import type { SiteId } from '../units.ts'
import type { Database } from './database.ts'
import { digestsPage } from './digests.ts'
import type { ReaderGate } from './gate.ts'
import { provisionalPage } from './lone-events.ts'
import { refuse } from './pushing.ts'
import {
  type BillQuery,
  billsPage,
  DEFAULT_PAGE,
  forksPage,
  gapsPage,
  type Listing,
  MAX_PAGE,
  sessionsPage,
  summaryOf,
} from './reading.ts'

export type ServingDeps = {
  readonly database: Database
  readonly siteId: SiteId
  readonly mayRead: ReaderGate
}

type Lister = (database: Database, siteId: SiteId, query: BillQuery) => Promise<Listing>
const LISTS: Readonly<Record<string, Lister>> = {
  '/sessions': sessionsPage,
  '/bills': billsPage,
  '/gaps': gapsPage,
  '/forks': forksPage,
  '/digests': digestsPage,
  '/provisional': provisionalPage,
}
const MAX_CURSOR_LENGTH = 160

export function addReadRoutes(app: FastifyInstance, deps: ServingDeps): void {
  app.get(
    '/summary',
    async (request, reply) =>
      deps.mayRead(request, reply) ?? reply.send(await summaryOf(deps.database, deps.siteId)),
  )
  for (const [path, list] of Object.entries(LISTS)) {
    app.get(path, async (request, reply) => {
      const refused = deps.mayRead(request, reply)
      if (refused) return refused
      const query = readQuery(request.query)
      if (!query) return refuse(reply, 400, { code: 'bad-query' })
      return reply.send(await list(deps.database, deps.siteId, query))
    })
  }
}

/** `cursor` and `limit`, and what bills are asked for by; undefined when one is not what we gave out or allow. */
function readQuery(query: unknown): BillQuery | undefined {
  const asked = (query ?? {}) as Readonly<Record<string, unknown>>
  const { cursor = '', limit = String(DEFAULT_PAGE) } = asked
  const only = readOnly(asked)
  if (!only) return undefined
  if (typeof cursor !== 'string' || cursor.length > MAX_CURSOR_LENGTH || !/^[0-9a-f/]*$/.test(cursor))
    return undefined
  if (typeof limit !== 'string' || !/^\d{1,4}$/.test(limit)) return undefined
  const rows = Number(limit)
  return rows >= 1 && rows <= MAX_PAGE ? { cursor, limit: rows, ...only } : undefined
}

function readOnly({
  session,
  from,
  to,
  state,
}: Readonly<Record<string, unknown>>): Omit<BillQuery, 'cursor' | 'limit'> | undefined {
  const fits = (text: unknown, form: RegExp): boolean =>
    text === undefined || (typeof text === 'string' && form.test(text))
  const isGood =
    fits(session, /^[0-9a-f]{4,32}$/) &&
    fits(from, INSTANT) &&
    fits(to, INSTANT) &&
    fits(state, /^[a-z]{4,16}$/)
  if (!isGood) return undefined
  return {
    ...(session !== undefined && { session: String(session) }),
    ...(from !== undefined && { fromAt: Number(from) }),
    ...(to !== undefined && { toAt: Number(to) }),
    ...(state !== undefined && { state: String(state) }),
  }
}

/** In ms since 1970. */
const INSTANT = /^\d{1,15}$/
