// One connection of one charger: its frames are translated, handled one after another, and answered. Promises:
// nothing is answered that `handle` did not record; 'connected' comes first and 'disconnected' last, once each;
// a transaction message never gets an error. When nothing can be promised, the socket is closed without a word,
// and the charger keeps its queue (PROTOCOL 5.1, 5.2).
import { InvariantBroken, reasonOf } from '../errors.ts'
import type {
  ChargerAnswer,
  ChargerCommand,
  ChargerInput,
  ChargerMessage,
  Clock,
  CommandOutcome,
  Logger,
} from '../ports.ts'
import type { ChargerId, TokenRef } from '../units.ts'
import { confirmation } from './answers.ts'
import { type ChargerRecord, countWord, noteRegister, noteStart } from './chargers.ts'
import { callOf, outcomeOf } from './commands.ts'
import type { InboundCall, Reply, Wire, WireOwner } from './rpc.ts'
import { type Draft, type Translated, translate, UNREADABLE_START_WH, withReference } from './v16.ts'

export const COMMAND_TIMEOUT_MS = 15_000
/** A charger answers one command at a time; more than this waiting is an operator's script gone wrong. */
const MAX_COMMANDS_WAITING = 16

export type LinkDeps = {
  readonly chargerId: ChargerId
  readonly connectionId: number
  readonly record: ChargerRecord
  readonly tokenReference: (idTag: string) => Promise<TokenRef>
  readonly handle: (input: ChargerInput) => Promise<ChargerAnswer>
  readonly clock: Clock
  readonly logger: Logger
}
export type LinkOptions = {
  readonly deps: LinkDeps
  readonly wire: Wire
  /** What the handshake itself had to be forgiven. */
  readonly repairs: readonly string[]
  readonly onClose: () => void
}
export type Link = {
  readonly owner: WireOwner
  readonly wire: Wire
  readonly command: (command: ChargerCommand) => Promise<CommandOutcome>
  /** Closes the socket; what waits and was not handled yet is left to the charger's queue. */
  readonly silence: (reason: string) => void
  /** Resolves once the socket is closed and 'disconnected' is in the lane. */
  readonly closed: Promise<void>
}

const SILENCE: Reply = { kind: 'silence' }

export function openLink({ deps, wire, repairs, onClose }: LinkOptions): Link {
  const { record, clock, logger, chargerId, connectionId } = deps
  const state = { silenced: false, commands: 0 }
  const closing = Promise.withResolvers<void>()
  const silence = (reason: string): void => {
    if (state.silenced) return
    state.silenced = true
    logger.warn('charger-silenced', { charger: chargerId, connectionId, reason })
    wire.terminate()
  }
  const input: MakeInput = (message, words) => ({ chargerId, connectionId, message, repairs: words })
  const announce = async (message: ChargerMessage, words: readonly string[]): Promise<void> => {
    const answer = await handled(deps, input(message, words))
    if (typeof answer === 'string') silence(answer)
  }
  const inLane = (call: InboundCall): Promise<Reply> =>
    new Promise(resolve => {
      const waits = record.lane.push(async () => {
        if (state.silenced) return resolve(SILENCE)
        const reply = await answerCall(deps, call, input)
        if (typeof reply === 'string') silence(reply)
        resolve(typeof reply === 'string' ? SILENCE : reply)
      })
      if (waits) return
      silence('too many messages wait')
      resolve(SILENCE)
    })
  countWords(record, repairs)
  record.sinceAt = record.lastHeardAt = clock.wallMs()
  record.lane.insist(() => announce({ kind: 'connected' }, repairs))
  return {
    wire,
    silence,
    closed: closing.promise,
    command: command => send(command, wire, state),
    owner: {
      onHeard: () => {
        record.lastHeardAt = clock.wallMs()
      },
      onRepairs: words => countWords(record, words),
      onClose: () => {
        onClose()
        record.lane.insist(() => announce({ kind: 'disconnected' }, []))
        closing.resolve()
      },
      onCall: inLane,
    },
  }
}

function countWords(record: ChargerRecord, words: readonly string[]): void {
  for (const word of words) countWord(record.repairs, word)
}

type MakeInput = (message: ChargerMessage, repairs: readonly string[]) => ChargerInput

/** The reply to one CALL, or the reason for silence. */
async function answerCall(deps: LinkDeps, call: InboundCall, input: MakeInput): Promise<Reply | string> {
  const { record } = deps
  const translation = translate(call.action, call.params, id => record.registers.get(id))
  if (translation.kind === 'unknown') return { kind: 'not-implemented' }
  const repairs = [...call.frameRepairs, ...(translation.kind === 'message' ? translation.repairs : [])]
  countWords(record, repairs)
  if (translation.kind === 'formality') return { kind: 'result', payload: translation.payload }
  const message = await referenced(deps, translation.draft)
  if (message === undefined) return 'no token reference could be made'
  const answer = await handled(deps, input(message, repairs))
  if (typeof answer === 'string') return answer
  const payload = confirmation(message.kind, answer, deps.clock.wallMs())
  if (payload === undefined) return `the answer '${answer.kind}' does not fit '${message.kind}'`
  noteRegister(record, message)
  if (message.kind === 'start' && answer.kind === 'started' && message.meterStartWh !== UNREADABLE_START_WH) {
    noteStart(record, answer.transactionId, message.meterStartWh)
  }
  return { kind: 'result', payload }
}

/** Undefined when the reference failed. What was thrown is not logged: it may hold the card's id. */
async function referenced(deps: LinkDeps, draft: Draft): Promise<Translated | undefined> {
  try {
    return await withReference(draft, deps.tokenReference)
  } catch (error) {
    if (error instanceof InvariantBroken) throw error
    return undefined
  }
}

/** The node's answer, or the reason for silence. A broken invariant passes through and ends the process. */
async function handled(
  deps: LinkDeps,
  input: ChargerInput,
): Promise<Exclude<ChargerAnswer, { kind: 'silence' }> | string> {
  try {
    const answer = await deps.handle(input)
    return answer.kind === 'silence' ? 'nothing durable was written' : answer
  } catch (error) {
    if (error instanceof InvariantBroken) throw error
    return `the node failed: ${reasonOf(error)}`
  }
}

async function send(
  command: ChargerCommand,
  wire: Wire,
  state: { commands: number },
): Promise<CommandOutcome> {
  const call = callOf(command)
  if (typeof call === 'string') return { kind: 'rejected', status: 'Unsendable', detail: call }
  if (state.commands >= MAX_COMMANDS_WAITING) return { kind: 'unreachable', reason: 'too many commands wait' }
  state.commands++
  const outcome = await wire.call(call.action, call.params, COMMAND_TIMEOUT_MS)
  state.commands--
  switch (outcome.kind) {
    case 'result':
      return outcomeOf(command, outcome.payload)
    case 'error':
      return { kind: 'rejected', status: outcome.code }
    case 'unreachable':
      return outcome
  }
}
