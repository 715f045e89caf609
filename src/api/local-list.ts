// A charger's own list of cards, as this node sees it: counts, versions and reasons; no card.
import type { FastifyInstance } from 'fastify'
import { MeshError } from '../errors.ts'
import { type ChargerId, chargerId } from '../units.ts'
import { isoOf, nameOf, type ReportDeps } from './report.ts'

type Route = { readonly Params: { readonly id: string } }

export function addLocalLists(server: FastifyInstance, deps: ReportDeps): void {
  server.get<Route>('/v1/chargers/:id/local-list', async request =>
    reportList(deps, known(deps, request.params.id)),
  )
  server.post<Route>('/v1/chargers/:id/local-list/replace', async request => {
    const id = connected(deps, request.params.id)
    deps.node.localLists.replace(id)
    return reportList(deps, id)
  })
}

/** A charger of this site that this node can talk to. */
export function connected(deps: ReportDeps, text: string): ChargerId {
  const id = known(deps, text)
  if (deps.connected().includes(id)) return id
  throw new MeshError('CHARGER_ABSENT', `${id} is not connected to this node`)
}

export function known({ node }: ReportDeps, text: string): ChargerId {
  const id = chargerId(text)
  if (id !== undefined && node.ledger().view().policy.chargePoint(id)) return id
  throw new MeshError(
    'CONFIG_INVALID',
    'no charger of this site has that identity; `charger list` shows them',
  )
}

export function reportList(
  { node, roster }: Pick<ReportDeps, 'node' | 'roster'>,
  id: ChargerId,
): Readonly<Record<string, unknown>> {
  const { lastSentAt, lastSentBy, ...report } = node.localLists.report(node.ledger(), id)
  return {
    ...{ chargerId: id, ...report },
    ...(lastSentAt !== undefined && { lastSent: isoOf(lastSentAt) }),
    ...(lastSentBy !== undefined && { lastSentBy: nameOf(roster, lastSentBy) }),
  }
}
