// What a central system asks of a charger whose sessions it is told of: a start or a stop goes to the charger, wherever it is
// connected, under the ids that the charger knows; everything else is answered at once, and honestly: the charger is the
// site's. A start is decided on by the site's own rules as any other.
import type { Commanding } from '../api/commands.ts'
import { reasonOf } from '../errors.ts'
import type { Node } from '../node.ts'
import type { CommandOutcome, Logger } from '../ports.ts'
import type { Session } from '../session/fold.ts'
import type { ChargerId } from '../units.ts'
import type { CentralSystem, UpstreamCall, UpstreamPayload } from '../upstream.ts'

export type UpstreamCommandsDeps = {
  readonly node: Pick<Node, 'ledger'>
  readonly commanding: Pick<Commanding, 'forward'>
  readonly logger: Logger
}

type From = Pick<CentralSystem, 'name' | 'terms'>
type Asked = { readonly from: From; readonly chargerId: ChargerId; readonly payload: UpstreamPayload }
type Verdict = { readonly isAccepted: boolean; readonly why: string }

export function createUpstreamCommands(deps: UpstreamCommandsDeps) {
  return async (
    from: From,
    chargerId: ChargerId,
    { action, payload }: UpstreamCall,
  ): Promise<UpstreamPayload | undefined> => {
    const isNew = from.terms.protocol === 'ocpp2.0.1'
    const run = named(isNew ? COMMANDS_2_0_1 : COMMANDS_1_6, action)
    if (!run) return named(isNew ? REFUSALS_2_0_1 : REFUSALS_1_6, action)?.(payload)
    const verdict = await decided(deps, run, { from, chargerId, payload })
    // Never with what was asked for: a card may stand in it.
    deps.logger.info('a central system commands a charger', {
      ...{ uplink: from.name, charger: chargerId, action, ...verdict },
    })
    return isNew ? answer201(verdict) : { status: verdict.isAccepted ? 'Accepted' : 'Rejected' }
  }
}

/** What others name is looked for in the table alone, and not in what every object has. */
function named<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

async function decided(deps: UpstreamCommandsDeps, run: Command, asked: Asked): Promise<Verdict> {
  try {
    return await run(deps, asked)
  } catch (error) {
    deps.logger.error('a command of a central system failed', { reason: reasonOf(error) })
    return no('this node failed')
  }
}

type Command = (deps: UpstreamCommandsDeps, asked: Asked) => Promise<Verdict>

const COMMANDS_1_6: Readonly<Record<string, Command>> = {
  RemoteStartTransaction: (deps, { chargerId, payload }) =>
    start(deps, chargerId, { idTag: payload.idTag, connectorId: payload.connectorId }),
  RemoteStopTransaction: (deps, asked) => stop(deps, asked, asked.payload.transactionId),
}
const COMMANDS_2_0_1: Readonly<Record<string, Command>> = {
  RequestStartTransaction: (deps, { chargerId, payload }) => {
    const { idToken } = (payload.idToken ?? {}) as UpstreamPayload
    return start(deps, chargerId, { idTag: idToken, connectorId: payload.evseId })
  },
  RequestStopTransaction: (deps, asked) => stop(deps, asked, asked.payload.transactionId),
}

async function start(
  { commanding }: UpstreamCommandsDeps,
  chargerId: ChargerId,
  { idTag, connectorId }: { readonly idTag: unknown; readonly connectorId: unknown },
): Promise<Verdict> {
  if (typeof idTag !== 'string' || idTag.length < 1 || idTag.length > 36) return no('no card is named')
  const isConnector = Number.isInteger(connectorId) && Number(connectorId) > 0
  if (connectorId !== undefined && !isConnector) return no('no such connector')
  const where = isConnector ? { connectorId: Number(connectorId) } : {}
  return verdictOf(await commanding.forward(chargerId, { kind: 'remoteStart', idTag, ...where }))
}

async function stop(
  { node, commanding }: UpstreamCommandsDeps,
  { from, chargerId }: Asked,
  upstreamId: unknown,
): Promise<Verdict> {
  const session = sessionNamed(node, { from, chargerId, upstreamId: String(upstreamId) })
  if (!session) return no('no session of this charger was told under this id')
  if (session.end) return no('this session has ended')
  const { stationTransactionId } = session.start.body
  const station = stationTransactionId === undefined ? {} : { stationTransactionId }
  let verdict = no('the charger knows no such session')
  // Nodes that did not know of one another may have given it several ids: the charger knows one of them.
  for (const transactionId of session.transactionIds.toReversed()) {
    const outcome = await commanding.forward(chargerId, { kind: 'remoteStop', transactionId, ...station })
    verdict = verdictOf(outcome)
    if (outcome.kind !== 'rejected') break
  }
  return verdict
}

type Named = { readonly from: From; readonly chargerId: ChargerId; readonly upstreamId: string }

function sessionNamed(
  node: Pick<Node, 'ledger'>,
  { from, chargerId, upstreamId }: Named,
): Session | undefined {
  const view = node.ledger().view()
  const sessionId = view.forwarding.told.named(from.name, chargerId, upstreamId)
  return view
    .ofCharger(chargerId)
    .sessions.find(
      session =>
        session.sessionId === sessionId || session.starts.some(({ body }) => body.sessionId === sessionId),
    )
}

function verdictOf(outcome: CommandOutcome): Verdict {
  switch (outcome.kind) {
    case 'accepted':
      return { isAccepted: true, why: 'the charger agreed' }
    case 'rejected':
      return no(`refused: ${outcome.status}`)
    case 'unreachable':
      return no(`not reached: ${outcome.reason}`)
  }
}

function no(why: string): Verdict {
  return { isAccepted: false, why }
}

const MAX_WHY = 512

function answer201({ isAccepted, why }: Verdict): UpstreamPayload {
  if (isAccepted) return { status: 'Accepted' }
  return { status: 'Rejected', statusInfo: { reasonCode: 'Site', additionalInfo: why.slice(0, MAX_WHY) } }
}

type Refusal = (payload: UpstreamPayload) => UpstreamPayload

const rejected: Refusal = () => ({ status: 'Rejected' })
const notSupported: Refusal = () => ({ status: 'NotSupported' })

/** What is not named here is answered with the CALLERROR NotSupported. */
const REFUSALS_1_6: Readonly<Record<string, Refusal>> = {
  CancelReservation: rejected,
  ChangeAvailability: rejected,
  ChangeConfiguration: notSupported,
  ClearCache: rejected,
  ClearChargingProfile: () => ({ status: 'Unknown' }),
  DataTransfer: () => ({ status: 'UnknownVendorId' }),
  GetCompositeSchedule: rejected,
  GetConfiguration: ({ key }) => ({
    configurationKey: [],
    unknownKey: Array.isArray(key) ? key.slice(0, 100) : [],
  }),
  /** No list is kept for it. */
  GetLocalListVersion: () => ({ listVersion: -1 }),
  ReserveNow: rejected,
  Reset: rejected,
  SendLocalList: notSupported,
  SetChargingProfile: notSupported,
  TriggerMessage: () => ({ status: 'NotImplemented' }),
  UnlockConnector: notSupported,
}
const REFUSALS_2_0_1: Readonly<Record<string, Refusal>> = {
  CancelReservation: rejected,
  ChangeAvailability: rejected,
  ClearCache: rejected,
  ClearChargingProfile: () => ({ status: 'Unknown' }),
  DataTransfer: () => ({ status: 'UnknownVendorId' }),
  GetLocalListVersion: () => ({ versionNumber: 0 }),
  ReserveNow: rejected,
  Reset: rejected,
  SendLocalList: () => ({ status: 'Failed' }),
  SetChargingProfile: rejected,
  TriggerMessage: () => ({ status: 'NotImplemented' }),
}
