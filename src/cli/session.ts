// `chargemesh session list|show|start|stop`: sessions of the site, wherever their chargers are connected.
import type { Command } from 'commander'
import type { SessionReport } from '../api/report.ts'
import { MeshError } from '../errors.ts'
import type { CommandOutcome } from '../ports.ts'
import { connectorIn, type OnConnector } from './charger-command.ts'
import { type OrderOptions, order, ordered, orderOptions, refusalOf } from './charger-order.ts'
import { clientIn, say } from './operator.ts'
import { print, printJson, untilStopped } from './output.ts'
import { DASH_HELP, secretOf } from './secret.ts'
import { named, sessionsAt } from './session-named.ts'
import { addSignedCommand } from './session-signed.ts'
import { kWhOf, sessionTable } from './status.ts'

type ViaOptions = { readonly via: string; readonly json?: boolean }
type ListOptions = ViaOptions & {
  readonly open?: boolean
  readonly charger?: string
  readonly follow?: boolean
}

/** A node that is asked so often what is new costs it nothing while nothing is. */
const FOLLOW_MS = 1000

export function addSessionCommands(program: Command): void {
  const session = program.command('session').description('sessions: look at them, start and stop them')
  const via = (command: Command): Command =>
    command
      .requiredOption('--via <dir>', 'folder of any running node')
      .option('--json', 'print JSON; with --follow one object a line')
  via(session.command('list'))
    .description('sessions of the site that a node knows')
    .option('--open', 'only those that have not ended')
    .option('--charger <identity>', 'only those of one charger')
    .option('--follow', 'then say what changes, until Ctrl-C')
    .addHelpText(
      'after',
      '\nExamples:\n  chargemesh session list --open --via ./pole-07\n  chargemesh session list --follow --via ./pole-07',
    )
    .action(listSessions)
  via(session.command('show <id>'))
    .description('one session; the first digits of its id are enough')
    .option('--follow', 'then say what changes, until Ctrl-C')
    .addHelpText('after', '\nExample:\n  chargemesh session show 4f2a91c0 --follow --via ./pole-07')
    .action(showSession)
  orderOptions(session.command('start <charger> <card>'))
    .description(`start a session from here; card: ${DASH_HELP}`)
    .option('--connector <n>', 'which connector')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh session start CP01 04A2B3C4 --connector 1 --via ./pole-07 --site ./stadium',
    )
    .action(async (charger: string, card: string, options: OnConnector) => {
      const idTag = await secretOf(card)
      await order(charger, { kind: 'remoteStart', idTag, ...connectorIn(options) }, options)
    })
  orderOptions(session.command('stop <id>'))
    .description('stop a session; the first digits of its id are enough')
    .addHelpText('after', '\nExample:\n  chargemesh session stop 4f2a91c0 --via ./pole-07 --site ./stadium')
    .action(stopSession)
  addSignedCommand(session)
}

async function showSession(id: string, options: ViaOptions & { readonly follow?: boolean }): Promise<void> {
  const found = named(await sessionsAt(options.via), id)
  if (!options.json) print(textOf(found))
  else if (!options.follow) printJson(found)
  if (options.follow) await follow(options, [found], ({ sessionId }) => sessionId === found.sessionId)
}

async function stopSession(id: string, options: OrderOptions): Promise<void> {
  const session = named(await sessionsAt(options.via), id)
  const { chargerId, sessionId, stoppedAt } = session
  if (stoppedAt !== undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      `session ${sessionId.slice(0, 8)} at ${chargerId} ended already, ${stoppedAt}`,
    )
  const outcome = await stoppedUnderAny(session, options)
  if (outcome.kind !== 'accepted') throw refusalOf(chargerId, outcome)
  const said = { ...outcome, sessionId, chargerId }
  say(
    options,
    said,
    `${chargerId} ends session ${sessionId.slice(0, 8)}; \`session show ${sessionId.slice(0, 8)}\` shows its end`,
  )
}

/** Nodes that did not know of one another may have given it several ids: the charger knows one of them. */
async function stoppedUnderAny(session: SessionReport, options: OrderOptions): Promise<CommandOutcome> {
  const { chargerId, stationTransactionId, transactionIds } = session
  const station = stationTransactionId === undefined ? {} : { stationTransactionId }
  const ids = stationTransactionId === undefined ? transactionIds.toReversed() : transactionIds.slice(0, 1)
  let outcome: CommandOutcome = { kind: 'rejected', status: 'NoTransactionId' }
  for (const transactionId of ids) {
    outcome = await ordered(chargerId, { kind: 'remoteStop', transactionId, ...station }, options)
    if (outcome.kind !== 'rejected') return outcome
  }
  return outcome
}

async function listSessions(options: ListOptions): Promise<void> {
  const wanted = ({ chargerId, stoppedAt }: SessionReport): boolean =>
    (options.charger === undefined || chargerId === options.charger) &&
    (!options.open || stoppedAt === undefined)
  const sessions = (await sessionsAt(options.via)).filter(wanted)
  if (!options.follow) {
    if (options.json) printJson(sessions)
    else print(sessionTable(sessions))
    return
  }
  await follow(options, sessions, wanted)
}

/** What it says now, then a line for each change. Whoever left the wanted ones is said once more. */
async function follow(
  options: ViaOptions,
  sessions: readonly SessionReport[],
  wanted: (session: SessionReport) => boolean,
): Promise<void> {
  const told = new Map<string, string>()
  const tell = (all: readonly SessionReport[]): void => {
    for (const session of all) {
      const line = options.json ? JSON.stringify(session) : lineOf(session)
      const before = told.get(session.sessionId)
      if (before === line || (before === undefined && !wanted(session))) continue
      told.set(session.sessionId, line)
      print(line)
    }
  }
  tell(sessions)
  const client = await clientIn(options.via)
  let isStopped = false
  const stopped = untilStopped().then(() => {
    isStopped = true
  })
  let changes: unknown
  while (!isStopped) {
    const answer = (await client.get('/v1/sessions/changes')) as { readonly changes: number }
    if (answer.changes !== changes) tell((await client.get('/v1/sessions')) as readonly SessionReport[])
    changes = answer.changes
    await Promise.race([stopped, pause(FOLLOW_MS)])
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

function lineOf(session: SessionReport): string {
  const { sessionId, state, chargerId, connectorId, card, startedAt, stoppedAt, cost, currency } = session
  const parts = [
    stoppedAt ?? startedAt,
    sessionId.slice(0, 8),
    state.padEnd(10),
    `${chargerId}/${connectorId}`,
    card,
    `${kWhOf(session) || '0.000'} kWh`,
    cost === undefined ? '' : `${cost} ${currency}`,
    session.flags.join(' '),
  ]
  return parts.filter(part => part !== '').join('  ')
}

const UNPRICED: Readonly<Record<NonNullable<SessionReport['unpriced']>, string>> = {
  'no-tariff': 'no tariff was in force where and when it began: set one, and bill this one by hand',
  'tariff-unknown': 'its tariff has not come to this node yet',
  'tariff-unreadable': 'newer software wrote its tariff: update this node',
  'too-long': 'it lasted longer than any tariff is computed for: a person bills it',
}

function textOf(session: SessionReport): string {
  const { cost, currency, pricePerKwh } = session
  const rows: readonly (readonly [string, string | number | undefined])[] = [
    ['session', session.sessionId],
    ['state', session.state],
    ['charger', `${session.chargerId}, connector ${session.connectorId}`],
    ['card', `${session.card}, ${session.allowed} (${session.reason})`],
    ['transaction', session.stationTransactionId ?? session.transactionIds.join(', ')],
    ['started', `${session.startedAt} at ${session.meterStartWh} Wh`],
    ['stopped', session.stoppedAt && `${session.stoppedAt} at ${session.meterStopWh} Wh`],
    ['energy', `${kWhOf(session) || '0.000'} kWh`],
    ['charge', session.socPercent === undefined ? undefined : `${session.socPercent} %`],
    ['price', session.price ?? (pricePerKwh && `${pricePerKwh} ${currency} a kWh`)],
    ['cost', cost && `${cost} ${currency}`],
    ['unpriced', session.unpriced && UNPRICED[session.unpriced]],
    ['nodes', session.recordedBy.join(', ')],
    ['moved', session.adoptions === 0 ? undefined : `${session.adoptions} times from node to node`],
    ['also at', session.alsoAt && `${session.alsoAt.join(', ')}: a copied card, or one that was lent`],
    ['flags', session.flags.join(', ') || undefined],
    ['receipt', session.receipt],
  ]
  return rows
    .flatMap(([title, value]) => (value === undefined ? [] : [`${title.padEnd(12)} ${value}`]))
    .join('\n')
}
