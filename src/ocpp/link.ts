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
  Random,
} from '../ports.ts'
import type { ChargerId, TokenRef } from '../units.ts'
import { type ChargerRecord, countWord, noteAnswered, noteAsked, noteSequence } from './chargers.ts'
import { clockAhead } from './clock-ahead.ts'
import { configurationIn } from './commands201.ts'
import type { Dialect } from './dialect.ts'
import { type Draft, type Translated, withReference } from './draft.ts'
import { createReports, type Reports } from './reports.ts'
import type { InboundCall, Reply, Wire, WireOwner } from './rpc.ts'

export const COMMAND_TIMEOUT_MS = 15_000
/** A charger answers one command at a time; more than this waiting is an operator's script gone wrong. */
const MAX_COMMANDS_WAITING = 16

export type LinkDeps = {
  readonly chargerId: ChargerId
  readonly connectionId: number
  readonly record: ChargerRecord
  readonly dialect: Dialect
  readonly tokenReference: (idTag: string) => Promise<TokenRef>
  readonly handle: (input: ChargerInput) => Promise<ChargerAnswer>
  readonly clock: Clock
  readonly random: Random
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
  const state: LinkState = { silenced: false, commands: 0, reports: createReports() }
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
        const reply = await answerCall({ deps, reports: state.reports, input }, call)
        if (typeof reply === 'string') silence(reply)
        resolve(typeof reply === 'string' ? SILENCE : reply)
      })
      if (waits) return
      silence('too many messages wait')
      resolve(SILENCE)
    })
  countWords(record, repairs)
  record.version = deps.dialect.subprotocol
  record.sinceAt = record.lastHeardAt = clock.wallMs()
  record.lane.insist(() => announce({ kind: 'connected' }, repairs))
  return {
    wire,
    silence,
    closed: closing.promise,
    command: command => send({ wire, state, deps }, command),
    owner: {
      onHeard: () => {
        record.lastHeardAt = clock.wallMs()
      },
      onRepairs: words => countWords(record, words),
      onClose: () => {
        onClose()
        state.reports.close()
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

type LinkState = { silenced: boolean; commands: number; readonly reports: Reports }
type Answering = { readonly deps: LinkDeps; readonly reports: Reports; readonly input: MakeInput }

/** The reply to one CALL, or the reason for silence. */
async function answerCall({ deps, reports, input }: Answering, call: InboundCall): Promise<Reply | string> {
  const { record, dialect } = deps
  const translation = dialect.translate(
    call.action,
    call.params,
    id => record.registers.get(id)?.wh,
    id => record.asked.get(id),
  )
  if (translation.kind === 'unknown') return { kind: 'not-implemented' }
  const isMessage = translation.kind === 'message'
  const repairs = [...call.frameRepairs, ...(isMessage ? translation.repairs : [])]
  countWords(record, repairs)
  if (!isMessage) {
    if (translation.report) reports.take(translation.report)
    if (translation.csr !== undefined) noteRequest(deps, translation.csr)
    return { kind: 'result', payload: translation.payload }
  }
  if (translation.place) countWords(record, noteSequence(record, translation.place))
  const { drafts } = translation
  countWords(record, clockAhead(drafts, deps.clock.wallMs()))
  const messages = await referenced(deps, drafts)
  if (messages === undefined) return 'no token reference could be made'
  // All at once, so that one flush makes them durable together; the node takes them in this order.
  const answers = await Promise.all(
    messages.map((message, i) => handled(deps, input(message, i === 0 ? repairs : []))),
  )
  const failed = answers.find(answer => typeof answer === 'string')
  if (failed !== undefined) return failed
  const given = answers.filter(answer => typeof answer !== 'string')
  const payload = dialect.confirm(drafts, given, deps.clock.wallMs())
  if (payload === undefined) return `the answer does not fit '${call.action}'`
  messages.forEach((message, i) => {
    noteAnswered(record, message, given[i])
  })
  return { kind: 'result', payload }
}

function noteRequest({ record, clock, logger, chargerId }: LinkDeps, csr: string): void {
  record.request = { csr, atMs: clock.wallMs() }
  logger.info('charger-asks-for-certificate', { charger: chargerId })
}

/** Undefined when the reference failed. What was thrown is not logged: it may hold the card's id. */
async function referenced(
  deps: LinkDeps,
  drafts: readonly Draft[],
): Promise<readonly Translated[] | undefined> {
  try {
    return await Promise.all(drafts.map(draft => withReference(draft, deps.tokenReference)))
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

type Sending = { readonly wire: Wire; readonly state: LinkState; readonly deps: LinkDeps }

async function send({ wire, state, deps }: Sending, command: ChargerCommand): Promise<CommandOutcome> {
  const { dialect, record } = deps
  const requestId = newRequestId(deps.random)
  const call = dialect.callOf(command, requestId)
  if (typeof call === 'string') return { kind: 'rejected', status: 'Unsendable', detail: call }
  if (state.commands >= MAX_COMMANDS_WAITING) return { kind: 'unreachable', reason: 'too many commands wait' }
  state.commands++
  if (command.kind === 'remoteStart') noteAsked(record, requestId, command.idTag)
  // Before the call: the first part of a report may come with its answer.
  const reported = call.action === 'GetBaseReport' ? state.reports.expect(requestId) : undefined
  const outcome = await wire.call(call.action, call.params, COMMAND_TIMEOUT_MS)
  state.commands--
  if (outcome.kind !== 'result') state.reports.drop(requestId)
  if (outcome.kind === 'error') return { kind: 'rejected', status: outcome.code }
  if (outcome.kind === 'unreachable') return outcome
  const meant = dialect.outcomeOf(command, outcome.payload)
  if (command.kind === 'certificateSigned' && meant.kind === 'accepted') record.request = undefined
  if (!reported) return meant
  if (meant.kind !== 'accepted') {
    state.reports.drop(requestId)
    return meant
  }
  const parts = await reported
  if (!parts) return { kind: 'unreachable', reason: 'the connection was lost' }
  return { kind: 'accepted', detail: configurationIn(parts) }
}

/**
 * Positive, 31 bits, and drawn: a station may come back with the id of a request that another connection or another node
 * made, and must not meet the card of a request of ours.
 */
function newRequestId(random: Random): number {
  return 1 + (Buffer.from(random.bytes(4)).readUInt32BE() % (2 ** 31 - 1))
}
