// Our answers in the words of OCPP 2.0.1, as answers.ts has them for 1.6.
import type { Allowed, ChargerAnswer } from '../ports.ts'
import type { TokenRef } from '../units.ts'
import { confirmation, instantText, type Payload, parentIdTag } from './answers.ts'
import type { Draft } from './draft.ts'

/** The .conf of all that one CALL said, or undefined when an answer does not fit its question. */
export function confirmation201(
  drafts: readonly Draft[],
  answers: readonly ChargerAnswer[],
  nowAt: number,
): Payload | undefined {
  const parts = drafts.map((draft, i) => partOf(draft, answers[i], nowAt))
  if (parts.includes(undefined)) return undefined
  return Object.assign({}, ...parts)
}

function partOf(draft: Draft, answer: ChargerAnswer | undefined, nowAt: number): Payload | undefined {
  if (!answer) return undefined
  switch (draft.kind) {
    case 'authorize':
    case 'card':
      return answer.kind === 'authorized' ? { idTokenInfo: idTokenInfo(answer) } : undefined
    case 'start':
      if (answer.kind !== 'started') return undefined
      return draft.cardless ? {} : { idTokenInfo: idTokenInfo(answer) }
    default:
      return confirmation(draft.kind, answer, nowAt)
  }
}

type Verdict = { readonly allowed: Allowed; readonly expiresAt?: number; readonly groupRef?: TokenRef }

function idTokenInfo({ allowed, expiresAt, groupRef }: Verdict): Payload {
  const cacheExpiryDateTime = expiresAt === undefined ? undefined : instantText(expiresAt)
  return {
    status: STATUS[allowed],
    ...(cacheExpiryDateTime && { cacheExpiryDateTime }),
    ...(groupRef && { groupIdToken: { idToken: parentIdTag(groupRef), type: 'Central' } }),
  }
}

const STATUS: Readonly<Record<Allowed, string>> = {
  ALLOWED: 'Accepted',
  BLOCKED: 'Blocked',
  EXPIRED: 'Expired',
  NO_CREDIT: 'NoCredit',
  NOT_ALLOWED: 'Invalid',
}
