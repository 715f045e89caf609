// Says a driver's wish to a charger that is connected here, and notes what the charger made of it. A start is decided again
// in this very moment: a card may have been revoked while it waited.
import { reasonOf } from '../errors.ts'
import { LINE_LOST, NO_ANSWER } from '../ocpp/chargers.ts'
import type { CommandOutcome, Logger } from '../ports.ts'
import type { Session } from '../session/fold.ts'
import type { ChargerId } from '../units.ts'
import { isPending, type Wish } from './driver-requests.ts'
import { type DriverSite, stationOf, stationsOf } from './driver-site.ts'
import { alternativesTo, insteadText, type Station } from './driver-stations.ts'
import { Problem, type ProblemCode } from './driver-words.ts'
import type { ApiDeps } from './server.ts'

/** A charger that did not answer is asked again so much later. */
const RETRY_MS = 5000
/** A charger that has not heard the answer to its start yet does not know the session that it is to stop. */
const MAX_STOP_TRIES = 4
const STOP_AGAIN_MS = 1000

export const WAITING = {
  start:
    'The charger is not connected to this node now; it is started as soon as it is, within the time asked for.',
  stop: 'The charger is not connected to this node now; it is stopped as soon as it is. Its reader or button works meanwhile.',
} as const
const ACCEPTED = {
  start: 'The charger is ready. Plug in if you have not.',
  stop: 'The charger has agreed to stop.',
} as const
const UNSURE = 'The charger was told to start and did not answer: it may begin all the same. Look at it.'
/** What a reader at the charger shows for the same card; why is between the driver and the operator. */
export const REFUSALS = {
  ALLOWED: 'The card may charge here.',
  BLOCKED: 'This card is blocked. Ask the operator.',
  EXPIRED: 'This card is not valid any more. Ask the operator.',
  NO_CREDIT: 'This card has used up what it may draw for now.',
  NOT_ALLOWED: 'This card may not charge here.',
} as const

export type SendingDeps = DriverSite & Pick<ApiDeps, 'mayCharge' | 'commanding'> & { readonly logger: Logger }

/** Never rejects: what came of it stands in the wish. `session` is the one to be stopped. */
export async function sendWish(deps: SendingDeps, wish: Wish, session: Session | undefined): Promise<void> {
  wish.state = 'sent'
  wish.tries += 1
  try {
    if (wish.kind === 'start') await sendStart(deps, wish)
    else await sendStop(deps, wish, session)
  } catch (error) {
    deps.logger.error('a driver’s wish failed', { charger: wish.chargerId, reason: reasonOf(error) })
    if (isPending(wish)) refuse(wish, 'FAILED', 'This node failed; use the card at the charger.')
  }
}

async function sendStart(deps: SendingDeps, wish: Wish): Promise<void> {
  const { idTag, connectorId, chargerId } = wish
  const { allowed } = deps.mayCharge(chargerId, wish.tokenRef)
  if (allowed !== 'ALLOWED') return refuse(wish, allowed, REFUSALS[allowed])
  if (idTag === undefined) return refuse(wish, 'FAILED', 'Ask again with a new key.')
  const where = connectorId === undefined ? {} : { connectorId }
  noteOutcome(
    deps,
    wish,
    await deps.chargePoints.command(chargerId, { kind: 'remoteStart', idTag, ...where }),
  )
}

/** Nodes that did not know of one another may have given it several ids: the charger knows one of them. */
async function sendStop(deps: SendingDeps, wish: Wish, session: Session | undefined): Promise<void> {
  const ids = session?.transactionIds.toReversed() ?? []
  const stationTransactionId = session?.start.body.stationTransactionId
  const named = stationTransactionId === undefined ? {} : { stationTransactionId }
  let outcome: CommandOutcome = { kind: 'rejected', status: 'Unknown' }
  for (const transactionId of ids) {
    const command = { kind: 'remoteStop', transactionId, ...named } as const
    outcome = await deps.chargePoints.command(wish.chargerId, command)
    if (outcome.kind !== 'rejected') break
  }
  noteOutcome(deps, wish, outcome)
}

function noteOutcome(deps: SendingDeps, wish: Wish, outcome: CommandOutcome): void {
  // Its session may have begun or ended before the answer came.
  if (!isPending(wish)) return
  if (wish.kind === 'start' && isUnsure(wish, outcome)) {
    // Told again it might begin at a second connector, and a refusal may only mean that it has begun.
    Object.assign(wish, { state: 'accepted', idTag: undefined, text: UNSURE })
  } else if (outcome.kind === 'unreachable') {
    Object.assign(wish, { state: 'queued', text: WAITING[wish.kind] })
    wish.notBeforeMs = deps.clock.monotonicMs() + RETRY_MS
  } else if (outcome.kind === 'accepted') {
    Object.assign(wish, { state: 'accepted', idTag: undefined, text: ACCEPTED[wish.kind] })
  } else if (wish.kind === 'stop' && wish.tries < MAX_STOP_TRIES) {
    Object.assign(wish, { state: 'queued', text: 'The charger does not stop yet; it is asked again.' })
    wish.notBeforeMs = deps.clock.monotonicMs() + STOP_AGAIN_MS
  } else if (wish.kind === 'stop') {
    refuse(wish, 'CHARGER_REFUSED', 'The charger does not stop from afar. Use the card or its button.')
  } else {
    const station = stationOf(deps, wish.chargerId)
    const instead = insteadText(alternativesTo(station, stationsOf(deps)))
    refuse(wish, 'CHARGER_REFUSED', `The charger refuses to start now. Use the card there. ${instead}`)
  }
}

function isUnsure(wish: Wish, outcome: CommandOutcome): boolean {
  if (outcome.kind === 'unreachable' && (outcome.reason === NO_ANSWER || outcome.reason === LINE_LOST)) {
    wish.mayHaveBegun = true
    return wish.connectorId === undefined
  }
  return outcome.kind === 'rejected' && wish.mayHaveBegun === true
}

function refuse(wish: Wish, problem: ProblemCode, text: string): void {
  Object.assign(wish, { state: 'refused', problem, text, idTag: undefined })
}

/** Refuses with the name of the node that holds the charger, where one does that this node is connected to. */
export async function assertNotElsewhere(deps: SendingDeps, { chargerId, reach }: Station): Promise<void> {
  if (reach.kind === 'here') return
  const nodeName = reach.kind === 'elsewhere' ? reach.node : await holderOf(deps, chargerId)
  if (nodeName === undefined) return
  const text = `${chargerId} is connected to ${nodeName} now: ask there, or use the card at the charger.`
  throw new Problem(409, 'STATION_ELSEWHERE', text, { reachable_at: nodeName })
}

async function holderOf(
  { commanding, self }: SendingDeps,
  chargerId: ChargerId,
): Promise<string | undefined> {
  return (await commanding.find(chargerId)).find(({ deviceId }) => deviceId !== self)?.name
}
