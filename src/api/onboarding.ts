// How a charger is set, as the node that it is connected to saw it last, and a way to have that done again.
import type { FastifyInstance } from 'fastify'
import type { ChargerId } from '../units.ts'
import { connected, known } from './local-list.ts'
import { isoOf, type ReportDeps } from './report.ts'

type Route = { readonly Params: { readonly id: string } }

export function addOnboarding(server: FastifyInstance, deps: ReportDeps): void {
  server.get<Route>('/v1/chargers/:id/onboarding', async request =>
    report(deps, known(deps, request.params.id)),
  )
  server.post<Route>('/v1/chargers/:id/onboarding', async request => {
    const id = connected(deps, request.params.id)
    deps.node.onboarding.again(id)
    return report(deps, id)
  })
}

function report({ node }: ReportDeps, chargerId: ChargerId): Readonly<Record<string, unknown>> {
  const { readAt, ...rest } = node.onboarding.report(chargerId)
  return { chargerId, ...rest, ...(readAt !== undefined && { read: isoOf(readAt) }) }
}
