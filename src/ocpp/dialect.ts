// The versions of OCPP that we speak. A connection has one dialect; nobody behind it knows which (PROTOCOL 3.2).
import type { ChargerAnswer, ChargerCommand, CommandOutcome } from '../ports.ts'
import { confirmation, type Payload } from './answers.ts'
import { confirmation201 } from './answers201.ts'
import { type Call, callOf, outcomeOf } from './commands.ts'
import { callOf201, outcomeOf201 } from './commands201.ts'
import type { AskedCard, Draft, LastRegister, Translation } from './draft.ts'
import { translate } from './v16.ts'
import { translate201 } from './v201.ts'

export type Dialect = {
  readonly subprotocol: 'ocpp1.6' | 'ocpp2.0.1'
  /** Reads any JSON value as one of the actions that a charger may send; never fails. */
  readonly translate: (action: string, params: unknown, last: LastRegister, asked?: AskedCard) => Translation
  /** The .conf of a CALL from the answers to what it said, or undefined when they do not fit. */
  readonly confirm: (
    drafts: readonly Draft[],
    answers: readonly ChargerAnswer[],
    nowAt: number,
  ) => Payload | undefined
  /** The CALL of a command, or the reason why it may not be sent. `requestId` is new for each. */
  readonly callOf: (command: ChargerCommand, requestId: number) => Call | string
  readonly outcomeOf: (command: ChargerCommand, payload: unknown) => CommandOutcome
}

const V16: Dialect = {
  subprotocol: 'ocpp1.6',
  translate: (action, params, last) => {
    const translation = translate(action, params, last)
    if (translation.kind !== 'message') return translation
    return { kind: 'message', drafts: [translation.draft], repairs: translation.repairs }
  },
  confirm: ([draft], [answer], nowAt) =>
    draft && answer ? confirmation(draft.kind, answer, nowAt) : undefined,
  callOf,
  outcomeOf,
}

const V201: Dialect = {
  subprotocol: 'ocpp2.0.1',
  translate: translate201,
  confirm: confirmation201,
  callOf: callOf201,
  outcomeOf: outcomeOf201,
}

const DIALECTS = [V16, V201]

/** Whether we speak what a charger offers; in any spelling. */
export function isSpoken(subprotocol: string): boolean {
  return DIALECTS.some(dialect => dialect.subprotocol === subprotocol.toLowerCase())
}

/** The dialect of a subprotocol that the guard let through; 1.6 where none was offered. */
export function dialectOf(subprotocol: string | undefined): Dialect {
  return DIALECTS.find(dialect => dialect.subprotocol === subprotocol?.toLowerCase()) ?? V16
}
