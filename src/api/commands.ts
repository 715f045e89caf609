// Commands to chargers, over HTTP. A node's own token commands the chargers that are connected to this very node; whoever
// commands one of another node brings an order that the operator has signed, and this node only carries it there.
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import { MAX_ORDER_BYTES, type OrderRefusal } from '../identity/order.ts'
import type { ChargerCommand, CommandOutcome } from '../ports.ts'
import { type ChargerId, chargerId, type DeviceId } from '../units.ts'
import { CERTIFICATE_COMMANDS } from './certificates.ts'
import { type ChargerDeps, reportCharger } from './charger.ts'
import { PROFILE_COMMANDS } from './profile-commands.ts'

/** A node that holds a charger, and what it takes to order it something. */
export type Holder = {
  readonly deviceId: DeviceId
  readonly name: string
  /** Its chain, issuers first, base64. */
  readonly certificates: readonly string[]
  /** Good for one order to this charger, for a minute. Base64. */
  readonly nonce: string
  readonly connectedForMs: number
  /** What it knows of the charger, for people. */
  readonly report: Readonly<Record<string, unknown>>
}

export type OrderOutcome =
  | CommandOutcome
  | { readonly kind: 'refused'; readonly reason: OrderRefusal | 'not-here' }

export type Commanding = {
  /** To a charger of this node. */
  readonly execute: (chargerId: ChargerId, command: ChargerCommand) => Promise<CommandOutcome>
  /** Nodes that hold the charger, among this one and those connected to it: one, or none. More while a dead connection is
   * not yet noticed; the newest connection is the first. */
  readonly find: (chargerId: ChargerId) => Promise<readonly Holder[]>
  readonly carry: (to: DeviceId, order: Uint8Array) => Promise<OrderOutcome>
  /** Of a central system that this node speaks with for the charger: a start or a stop, to whatever node holds it. */
  readonly forward: (chargerId: ChargerId, command: ChargerCommand) => Promise<CommandOutcome>
}

const connectorId = z.int().min(0).optional()
const id = z.int().min(0)
const at = z.int().min(0).optional()
/** Each version of OCPP has its own bound; its dialect knows it. */
const idTag = z.string().min(1).max(36)
const stationTransactionId = z.string().min(1).max(36).optional()
const retrying = { retries: id.optional(), retryIntervalS: id.optional() }
export const COMMAND = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('remoteStart'),
    idTag,
    connectorId: z.int().min(1).optional(),
  }),
  z.strictObject({ kind: z.literal('remoteStop'), transactionId: z.int(), stationTransactionId }),
  z.strictObject({ kind: z.literal('reset'), hard: z.boolean() }),
  z.strictObject({ kind: z.literal('getConfiguration'), keys: z.array(z.string().max(50)).max(64) }),
  z.strictObject({
    kind: z.literal('changeConfiguration'),
    key: z.string().max(50),
    value: z.string().max(500),
  }),
  z.strictObject({ kind: z.literal('trigger'), message: z.string().max(50), connectorId }),
  z.strictObject({ kind: z.literal('unlock'), connectorId: id }),
  z.strictObject({ kind: z.literal('setAvailability'), operative: z.boolean(), connectorId }),
  z.strictObject({ kind: z.literal('clearCache') }),
  z.strictObject({
    ...{ kind: z.literal('reserve'), reservationId: id, connectorId: id, untilAt: id },
    idTag,
  }),
  z.strictObject({ kind: z.literal('cancelReservation'), reservationId: id }),
  z.strictObject({
    ...{ kind: z.literal('updateFirmware'), requestId: id, location: z.string().max(512) },
    ...{ retrieveAt: id, installAt: at, ...retrying },
    signed: z.strictObject({ certificate: z.string().max(5500), signature: z.string().max(800) }).optional(),
  }),
  z.strictObject({
    ...{ kind: z.literal('uploadLog'), log: z.enum(['diagnostics', 'security']), requestId: id },
    ...{ location: z.string().max(512), fromAt: at, untilAt: at, ...retrying },
  }),
  z.strictObject({
    ...{ kind: z.literal('dataTransfer'), vendorId: z.string().min(1).max(255) },
    ...{ messageId: z.string().max(50).optional(), data: z.string().max(10_000).optional() },
  }),
  z.strictObject({
    kind: z.literal('getTransactionStatus'),
    stationTransactionId: z.string().min(1).max(36),
  }),
  ...PROFILE_COMMANDS,
  ...CERTIFICATE_COMMANDS,
  z.strictObject({
    ...{ kind: z.literal('setNetworkProfile'), slot: id, url: z.string().max(512), securityProfile: id },
    ...{ messageTimeoutS: id, interface: z.string().max(20) },
  }),
])
const ORDER = z.strictObject({
  to: z.string().regex(/^[0-9a-f]{32}$/, 'the id of a node'),
  order: z
    .string()
    .max(2 * MAX_ORDER_BYTES)
    .transform(text => new Uint8Array(Buffer.from(text, 'base64'))),
})

type Route = { readonly Params: { readonly id: string } }

export function addCommands(server: FastifyInstance, deps: ChargerDeps): void {
  const { commanding } = deps
  server.get<Route>('/v1/chargers/:id', async ({ params }) => await reportCharger(deps, known(params.id)))
  server.get<Route>('/v1/chargers/:id/holders', async ({ params }) => await commanding.find(known(params.id)))
  server.post<Route>('/v1/chargers/:id/commands', async ({ params, body }) => {
    const command = check('command', COMMAND, body) as ChargerCommand
    return await commanding.execute(known(params.id), command)
  })
  server.post('/v1/orders', async ({ body }) => {
    const { to, order } = check('order', ORDER, body)
    return await commanding.carry(to as DeviceId, order)
  })
}

function known(text: string): ChargerId {
  const found = chargerId(text)
  if (found !== undefined) return found
  throw new MeshError('CONFIG_INVALID', 'that is no charger identity: 1 to 48 of A-Z a-z 0-9 _ . -')
}
