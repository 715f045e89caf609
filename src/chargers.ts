// The chargers' side of a node: serve() decides, the events are written, and the last status of each connector is
// remembered for the next decision. Nothing is answered here: node.ts does, once the events are durable.
import type { Acting } from './acting.ts'
import type { Decision } from './authorization/decide.ts'
import { type Aliases, type CardContext, cardContext, explain } from './card.ts'
import { MalformedBytes } from './cbor.ts'
import { createHeard, type HeardOf } from './heard.ts'
import type { Certificate } from './identity/certificate.ts'
import type { Roster } from './identity/roster.ts'
import type { AnyBody, EventRef } from './log/body.ts'
import { sealPersonal } from './personal.ts'
import type { ChargerAnswer, ChargerInput, LogFields, Logger, Random } from './ports.ts'
import { serve } from './serve.ts'
import type { ChargerId, TokenRef } from './units.ts'
import type { View } from './view.ts'

/** Connectors whose status is remembered; far above any site. */
const STATUS_LIMIT = 10_000
/** The same words about the same charger and card are written down once in this time. */
const REPEAT_MS = 60_000
const MAX_REMEMBERED = 4096

export type ConnectorStatus = {
  readonly status: string
  readonly errorCode: string
  readonly sinceMs: number
}

export type ChargersDeps = {
  readonly roster: Roster
  readonly certificate: Certificate
  readonly random: Random
  readonly logger: Logger
  readonly heartbeatS: number
  readonly aliases?: Aliases | undefined
  readonly sealTag?: (tokenRef: TokenRef) => Uint8Array | undefined
  readonly count: (name: string, by?: number) => void
}

export type Chargers = {
  /** Records what the message says and gives the answer that may be sent once that is durable. */
  readonly serve: (act: Acting, input: ChargerInput) => ChargerAnswer
  /** The last status of each connector, by `chargerId/connectorId`. */
  readonly connectors: () => ReadonlyMap<string, ConnectorStatus>
  readonly heardOf: (chargerId: ChargerId) => HeardOf
  /** A status whose event was not made durable must not pass for known when it is reported again. */
  readonly forget: () => void
}

export function createChargers(deps: ChargersDeps): Chargers {
  const connectors = new Map<string, ConnectorStatus>()
  const heard = createHeard(deps.count)

  const remember = ({ chargerId, message }: ChargerInput, sinceMs: number): void => {
    if (message.kind !== 'status') return
    const key = keyOf(chargerId, message.connectorId)
    if (connectors.size >= STATUS_LIMIT && !connectors.has(key)) return
    connectors.set(key, { status: message.status, errorCode: message.errorCode, sinceMs })
  }

  /** Somebody may tap a refused card all day: the log need not say so each time. */
  const saidLately = new Map<string, number>()
  const isNews = (body: AnyBody, nowMs: number): boolean => {
    if (body.name !== 'diagnostics' && body.name !== 'charger_error') return true
    const words = JSON.stringify(body)
    const saidAtMs = saidLately.get(words)
    if (saidAtMs !== undefined && nowMs - saidAtMs < REPEAT_MS) return false
    if (saidLately.size >= MAX_REMEMBERED) saidLately.clear()
    saidLately.set(words, nowMs)
    return true
  }

  return {
    connectors: () => connectors,
    heardOf: heard.of,
    forget: () => {
      connectors.clear()
      saidLately.clear()
    },
    serve: (act, input) => {
      const { chargerId, message } = input
      const card = cardContext(act.ledger, act.times, deps.aliases)
      const { bodies, answer, decision } = serve(
        {
          ...{ view: card.view, card },
          self: deps.certificate.deviceId,
          statusOf: (id, connectorId) => statusText(connectors.get(keyOf(id, connectorId))),
          heartbeatS: deps.heartbeatS,
          sealTag: tokenRef => (deps.sealTag && forwards(card.view) ? deps.sealTag(tokenRef) : undefined),
          seal: (plain, tokenRef) => sealPersonal({ ...deps, ledger: act.ledger }, plain, tokenRef),
        },
        input,
      )
      try {
        act.record(bodies.filter(body => isNews(body, act.times.monotonicMs)))
        act.record(heard.alarms(input, act.times.monotonicMs))
      } catch (error) {
        if (!(error instanceof MalformedBytes)) throw error
        // The door bounds every field, so this is a fault of ours; one charger goes without an answer, not the site.
        deps.count('charger.unrecordable')
        deps.logger.error('a message could not be recorded', {
          charger: chargerId,
          kind: message.kind,
          reason: error.message,
        })
        return { kind: 'silence' }
      }
      deps.count(`charger.${message.kind}`)
      if (input.repairs.length > 0) deps.count('charger.repaired')
      remember(input, act.times.wallMs)
      heard.note(input, act.times.wallMs)
      if (decision && 'tokenRef' in message && message.tokenRef !== undefined) {
        const asked = { charger: chargerId, card: message.tokenRef.slice(0, 8) }
        deps.logger.info('card decided', { ...asked, ...wordsOf(decision, card) })
      }
      return answer
    },
  }
}

/** A central system knows cards by their own ids, so whoever may tell it of sessions has to be able to read them. */
function forwards({ forwarding }: View): boolean {
  return forwarding.turns.order().length > 0
}

/** What a decision rested on (PROTOCOL 2.3). */
function wordsOf(decision: Decision, { policyAgeMs, knownSince, view }: CardContext): LogFields {
  const { allowed, tier, grant } = decision
  const [head] = view.policyHeads()
  return {
    ...{ allowed, why: explain(decision, knownSince), tier, policyAgeMs },
    ...(grant && { grant: placeOf(grant) }),
    ...(head && { policyHead: placeOf(head) }),
  }
}

function placeOf({ logId, seq }: EventRef): string {
  return `${logId}/${seq}`
}

function keyOf(chargerId: ChargerId, connectorId: number): string {
  return `${chargerId}/${connectorId}`
}

function statusText(status: ConnectorStatus | undefined): string | undefined {
  return status && `${status.status}/${status.errorCode}`
}
