// Everything that is known of one charger: what the mesh knows on every node, and what the node that holds it has heard.
import type { Roster } from '../identity/roster.ts'
import { wallOf } from '../log/hlc.ts'
import type { Node } from '../node.ts'
import type { ChargerLink } from '../ocpp/chargers.ts'
import type { ChargerId } from '../units.ts'
import type { Commanding } from './commands.ts'
import { reportList } from './local-list.ts'
import { isoOf, nameOf } from './report.ts'

/** Of an alarm, in `diagnostics` (heard.ts). */
const SECURITY_EVENT = 'security-event'
const MAX_ALARMS_SHOWN = 20

export type ChargerDeps = { readonly node: Node; readonly roster: Roster; readonly commanding: Commanding }
type Json = Readonly<Record<string, unknown>>

/** What this node has heard of a charger that is, or was, connected to it. */
export function reportHere(node: Node, roster: Roster, link: ChargerLink): Json {
  const { chargerId, connected, sinceAt, lastHeardAt, ...rest } = link
  const { bootedAtMs, update, upload, ...make } = node.heardOf(chargerId)
  const own = [...node.connectors()].filter(([key]) => key.startsWith(`${chargerId}/`))
  const connectors = own.map(([key, { status, errorCode, sinceMs }]) => {
    const connectorId = Number(key.slice(chargerId.length + 1))
    return { connectorId, status, errorCode, since: isoOf(sinceMs) }
  })
  const times = { since: isoOf(sinceAt), lastHeard: isoOf(lastHeardAt) }
  return {
    ...{ connected, ...times, ...rest, ...make },
    ...(bootedAtMs !== undefined && { booted: isoOf(bootedAtMs) }),
    ...(update && { update: { ...update, atMs: undefined, at: isoOf(update.atMs) } }),
    ...(upload && { upload: { ...upload, atMs: undefined, at: isoOf(upload.atMs) } }),
    connectors: connectors.toSorted((a, b) => a.connectorId - b.connectorId),
    localList: reportList({ node, roster }, chargerId),
  }
}

/** Asks the nodes that are connected. Alarms and sessions come from the mesh, whoever wrote them down. */
export async function reportCharger(deps: ChargerDeps, chargerId: ChargerId): Promise<Json> {
  const { node, roster, commanding } = deps
  const holders = await commanding.find(chargerId)
  const view = node.ledger().view()
  const { sessions } = view.ofCharger(chargerId)
  const alarms = view
    .diagnostics()
    .filter(({ body }) => body.code === SECURITY_EVENT && body.chargerId === chargerId)
    .toSorted((a, b) => (a.hlc < b.hlc ? 1 : -1))
  const [holder, ...others] = holders
  const charger = view.policy.chargePoint(chargerId)
  return {
    chargerId,
    admitted: charger !== undefined,
    ...(charger && { connectorsConfigured: charger.connectors }),
    ...(charger?.zone !== undefined && { zone: charger.zone }),
    ...(charger?.connectorType !== undefined && { connectorType: charger.connectorType }),
    ...(charger?.maxPowerW !== undefined && { maxPowerW: charger.maxPowerW }),
    ...(holder && { node: holder.name, ...holder.report }),
    ...(others.length > 0 && { alsoHeldBy: others.map(({ name }) => name) }),
    ...(!holder && lastNode(deps, chargerId)),
    sessions: {
      total: sessions.length,
      open: sessions
        .filter(({ end }) => !end)
        .map(({ sessionId, connectorId, start }) => ({
          ...{ sessionId, connectorId, transactionId: start.body.transactionId },
        })),
    },
    securityEvents: alarms.slice(0, MAX_ALARMS_SHOWN).map(({ body, hlc, deviceId }) => ({
      ...{ event: body.detail, recorded: isoOf(wallOf(hlc)), by: nameOf(roster, deviceId) },
    })),
  }
}

/** Where it was heard last, by what its sessions say; a hint where to look. */
function lastNode({ node, roster }: ChargerDeps, chargerId: ChargerId): Json {
  const newest = node.ledger().view().ofCharger(chargerId).sessions.at(-1)
  const last = newest?.recordedBy.at(-1)
  return last === undefined ? {} : { lastSessionAt: nameOf(roster, last) }
}
