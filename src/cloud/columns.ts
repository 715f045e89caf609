// By which columns events are found again: those that a session is folded from, by charger and session; what issuers decide of
// a session; and who cites which tariff.
import type { Certificate } from '../identity/certificate.ts'
import type { AnyBody } from '../log/body.ts'
import type { LogEvent } from '../log/event.ts'
import { registerOf } from '../session/registers.ts'
import { type ChargerId, chargerId, type SessionId } from '../units.ts'

/** What a body adds to the columns by which facts are found again; empty for events that no session is folded from. */
export type FoldColumns = {
  readonly chargerId?: ChargerId
  readonly sessionId?: SessionId
  readonly foldKey?: string
  /** Of a tick: when it was sampled by the charger's clock, or recorded, as far as that clock is worth nothing. */
  readonly sampledAt?: number
  readonly registerWh?: number
  /** The tariff that prices it, as log/seq. */
  readonly cites?: string
}

/** Of a tariff that an issuer published: those of others count for nothing. */
export const TARIFF_KEY = 'tariff'

/** Of sessions issuers only decide and refund; what else operators and the cloud say of them is folded nowhere (view.ts). */
export function foldColumns(event: LogEvent, said: AnyBody | undefined, by: Certificate): FoldColumns {
  if (by.roles.includes('issuer')) return issuersColumns(said)
  return by.roles.includes('node') && !by.roles.includes('revoker') ? columnsOf(event, said) : {}
}

function issuersColumns(said: AnyBody | undefined): FoldColumns {
  switch (said?.name) {
    case 'refund':
      return { sessionId: said.body.sessionId }
    case 'resolution': {
      const { sessionId, keep } = said.body
      return { sessionId, ...(keep && { cites: placeText(keep) }) }
    }
    case 'tariff':
      return { foldKey: TARIFF_KEY }
    default:
      return {}
  }
}

export function placeText({ logId, seq }: Pick<LogEvent, 'logId' | 'seq'>): string {
  return `${logId}/${seq}`
}

/** A charger whose name we do not accept is kept in its log and folded nowhere. */
function columnsOf(event: LogEvent, said: AnyBody | undefined): FoldColumns {
  switch (said?.name) {
    case 'session_start': {
      const { sessionId, connectorId, meterStartWh } = said.body
      return ofCharger(said.body.chargerId, { sessionId, foldKey: `${connectorId}/${meterStartWh}` })
    }
    case 'session_end': {
      const { sessionId } = said.body
      return ofCharger(said.body.chargerId, sessionId ? { sessionId } : {})
    }
    case 'meter_tick': {
      const { sessionId, connectorId, transactionId } = said.body
      const register = registerOf({ body: said.body, hlc: event.hlc })
      if (!register) return {}
      const home = sessionId ? { sessionId } : { foldKey: `${connectorId}/${transactionId}` }
      return ofCharger(said.body.chargerId, { ...home, sampledAt: register.at, registerWh: register.wh })
    }
    case 'adoption':
    case 'session_card':
      return ofCharger(said.body.chargerId, { sessionId: said.body.sessionId })
    case 'pricing': {
      const { sessionId, tariff } = said.body
      return { sessionId, cites: placeText(tariff) }
    }
    case 'session_state':
    case 'reconciliation_mark':
      return { sessionId: said.body.sessionId }
    default:
      return {}
  }
}

function ofCharger(name: string, columns: FoldColumns): FoldColumns {
  const accepted = chargerId(name)
  return accepted ? { chargerId: accepted, ...columns } : {}
}
