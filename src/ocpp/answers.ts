// Our answers in the words of OCPP 1.6. An answer that does not fit its question yields undefined, and the caller
// then says nothing: a wrong confirmation would make the charger forget what nobody recorded.
import { assertNever } from '../errors.ts'
import type { Allowed, ChargerAnswer } from '../ports.ts'
import type { TokenRef } from '../units.ts'
import type { Draft } from './draft.ts'

export type Payload = Readonly<Record<string, unknown>>

const MAX_INSTANT_AT = 8.64e15
const MAX_TRANSACTION_ID = 2 ** 31 - 1

/** The .conf of a message, or undefined when `answer` cannot be one. `nowAt` goes into a heartbeat's answer. */
export function confirmation(
  asked: Draft['kind'],
  answer: ChargerAnswer,
  nowAt: number,
): Payload | undefined {
  switch (asked) {
    case 'boot':
      return answer.kind === 'booted' ? booted(answer) : undefined
    case 'heartbeat':
      if (answer.kind === 'booted') return { currentTime: instantText(answer.nowAt) ?? instantText(0) }
      return answer.kind === 'noted' ? { currentTime: instantText(nowAt) ?? instantText(0) } : undefined
    case 'authorize':
      return answer.kind === 'authorized' ? { idTagInfo: idTagInfo(answer.allowed, answer) } : undefined
    case 'start':
      return answer.kind === 'started' && isTransactionId(answer.transactionId)
        ? { transactionId: answer.transactionId, idTagInfo: idTagInfo(answer.allowed, answer) }
        : undefined
    case 'stop':
      return answer.kind === 'stopped' || answer.kind === 'noted' ? {} : undefined
    case 'meter':
    case 'status':
    case 'progress':
    case 'security':
      return answer.kind === 'noted' ? {} : undefined
    case 'card':
      return undefined
    case 'dataTransfer':
      return answer.kind === 'noted' ? { status: 'UnknownVendorId' } : undefined
    default:
      return assertNever(asked)
  }
}

function booted(answer: { readonly nowAt: number; readonly heartbeatS: number }): Payload | undefined {
  const currentTime = instantText(answer.nowAt)
  return currentTime ? { status: 'Accepted', currentTime, interval: answer.heartbeatS } : undefined
}

/** Positive: 0 and negative ids have no meaning in OCPP 1.6 (errata 3.18). */
function isTransactionId(id: number): boolean {
  return Number.isInteger(id) && id > 0 && id <= MAX_TRANSACTION_ID
}

function idTagInfo(allowed: Allowed, about: { expiresAt?: number; groupRef?: TokenRef }): Payload {
  const expiryDate = about.expiresAt === undefined ? undefined : instantText(about.expiresAt)
  return {
    status: STATUS[allowed],
    ...(expiryDate ? { expiryDate } : {}),
    ...(about.groupRef === undefined ? {} : { parentIdTag: parentIdTag(about.groupRef) }),
  }
}

/** Chargers compare it with that of the card that ends a session, and nothing else; an IdToken has 20 characters. */
export function parentIdTag(groupRef: TokenRef): string {
  return groupRef.slice(0, 20)
}

const STATUS: Readonly<Record<Allowed, string>> = {
  ALLOWED: 'Accepted',
  BLOCKED: 'Blocked',
  EXPIRED: 'Expired',
  NO_CREDIT: 'Invalid',
  NOT_ALLOWED: 'Invalid',
}

/** As OCPP writes a time; undefined where no calendar has it. */
export function instantText(at: number): string | undefined {
  return Math.abs(at) <= MAX_INSTANT_AT ? new Date(at).toISOString() : undefined
}
