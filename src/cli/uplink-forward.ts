// `chargemesh uplink add csms`, `uplink forward`, `uplink hand-over`: an existing central system is told of sessions.
import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { parse } from 'csv-parse/sync'
import { MeshError, reasonOf } from '../errors.ts'
import type { ForwardedSession, ForwardReport } from '../forwarder-report.ts'
import { readText } from '../host/identity-files.ts'
import { clientIn, say } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'
import { named, sessionsAt } from './session-named.ts'
import { instantOf } from './time.ts'

export type CsmsAddOptions = {
  readonly protocol?: string
  readonly chargers?: string
  readonly passwords?: string
  readonly lostAnswers?: string
  readonly unknownCard?: string
  readonly shadow?: boolean
  readonly live?: boolean
  readonly commands?: boolean
  readonly agreeAt?: string
  readonly allowInsecure?: boolean
  readonly since?: string
  readonly ca?: string
}
type ViaOptions = { readonly via: string; readonly name?: string; readonly json?: boolean }

export function csmsOptions(command: Command): Command {
  return command
    .addOption(new Option('--protocol <version>', 'csms: what it speaks').choices(['ocpp1.6', 'ocpp2.0.1']))
    .option('--chargers <ids>', 'csms: only these, with commas between them; all of the site otherwise')
    .option('--passwords <file>', 'csms: CSV of charger_id,password; `*` stands for all others')
    .addOption(
      new Option(
        '--lost-answers <what>',
        'csms: retry where it knows a repeated StartTransaction again (SteVe); hold asks a person (default)',
      ).choices(['retry', 'hold']),
    )
    .option(
      '--unknown-card <idTag>',
      'csms: said for cards whose own id nobody here can read; else these sessions are held',
    )
    .option('--live', 'csms: begin while a session runs, instead of when it is over')
    .option('--commands', 'csms: it may start and stop sessions; a line is kept open for each charger')
    .option(
      '--agree-at <uplink>',
      'csms: the uplink to the receiver where the site’s forwarders agree whose turn it is; the same receiver on each of them',
    )
    .option('--shadow', 'csms: say nothing, and show with `uplink forward show` what would be said')
    .option(
      '--since <time>',
      'csms: only sessions that began then or later; all that this node holds otherwise',
    )
    .option('--allow-insecure', 'csms: ws:// to another machine, passwords and cards in the clear')
}

export async function csmsSetting(
  url: string,
  options: CsmsAddOptions,
): Promise<Readonly<Record<string, unknown>>> {
  const { ca, passwords: file, protocol, lostAnswers, unknownCard, chargers } = options
  const all = file === undefined ? {} : await passwordsIn(file)
  const { '*': defaultPassword, ...passwords } = all
  return {
    ...{ kind: 'csms', url, passwords },
    ...(defaultPassword !== undefined && { defaultPassword }),
    ...(ca !== undefined && { caPem: await readText(ca, '--ca') }),
    ...(chargers !== undefined && { chargers: chargers.split(',').map(id => id.trim()) }),
    ...(protocol !== undefined && { protocol }),
    ...(lostAnswers !== undefined && { lostAnswers }),
    ...(unknownCard !== undefined && { unknownCard }),
    ...(options.since !== undefined && { sinceAt: instantOf('--since', options.since, Date.now()) }),
    ...(options.live && { live: true }),
    ...(options.commands && { commands: true }),
    ...(options.agreeAt !== undefined && { agreeAt: options.agreeAt }),
    ...(options.shadow && { shadow: true }),
    ...(options.allowInsecure && { allowInsecure: true }),
  }
}

/** Named by line where it is wrong; never with what it says. */
async function passwordsIn(file: string): Promise<Readonly<Record<string, string>>> {
  let rows: readonly (readonly string[])[]
  try {
    rows = parse(await readFile(file, 'utf8'), {
      bom: true,
      skipEmptyLines: true,
      trim: true,
      relaxColumnCount: true,
    })
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `--passwords ${file}: ${reasonOf(error)}`)
  }
  const entries: [string, string][] = []
  for (const [i, row] of rows.entries()) {
    const [id = '', password = '', ...rest] = row
    if (i === 0 && id === 'charger_id') continue
    if (id === '' || password === '' || rest.length > 0)
      throw new MeshError('CONFIG_INVALID', `--passwords ${file}: row ${i + 1}: wanted charger_id,password`)
    entries.push([id, password])
  }
  return Object.fromEntries(entries)
}

export function addForwardCommands(uplink: Command): void {
  const forward = uplink.command('forward').description('sessions that an existing central system is told of')
  viaOptions(forward.command('list'))
    .description('what it was not told yet, how far each session is, and why it waits')
    .addHelpText('after', '\nExample:\n  chargemesh uplink forward list --via ./pole-07')
    .action(listForward)
  viaOptions(forward.command('show <session>'))
    .description('what is said of a session, call by call; %card% stands for the card’s own id')
    .addHelpText('after', '\nExample:\n  chargemesh uplink forward show 4f2a91c0 --via ./pole-07')
    .action(showForward)
  for (const [verdict, means] of VERDICTS)
    viaOptions(forward.command(`${verdict} <session>`))
      .description(means)
      .option('--name <name>', 'of the uplink, where the node has several central systems')
      .addHelpText('after', `\nExample:\n  chargemesh uplink forward ${verdict} 4f2a91c0 --via ./pole-07`)
      .action(async (id: string, options: ViaOptions) => await decide(verdict, id, options))
  viaOptions(uplink.command('hand-over <name>'))
    .description('let another node forward to this central system; this one stops')
    .requiredOption('--to <node>', 'one of the site’s forwarders (`policy set forwarders`)')
    .addHelpText('after', '\nExample:\n  chargemesh uplink hand-over steve --to pole-03 --via ./pole-07')
    .action(async (name: string, options: ViaOptions & { readonly to: string }) => {
      const { to } = options
      await (await clientIn(options.via)).post('/v1/forward/hand-over', { name, to })
      say(options, { name, to }, `${to} forwards to ${name} from now on, as soon as it has heard of it`)
    })
}

const VERDICTS = [
  ['retry', 'the central system does not have it: tell it (again)'],
  ['skip', 'the central system has it, or is not to have it: never tell it'],
] as const

function viaOptions(command: Command): Command {
  return command.requiredOption('--via <dir>', 'folder of the running node').option('--json', 'print JSON')
}

async function reportsAt(via: string): Promise<readonly ForwardReport[]> {
  return (await (await clientIn(via)).get('/v1/forward')) as readonly ForwardReport[]
}

async function listForward(options: ViaOptions): Promise<void> {
  const reports = await reportsAt(options.via)
  if (options.json) {
    printJson(reports)
    return
  }
  if (reports.length === 0) print('this node has no central system; `uplink add csms` names one')
  for (const { name, state, waiting, why, sessions } of reports) {
    print(`${name}: ${state}, ${waiting.sessions} to be told, ${waiting.held} held${why ? `: ${why}` : ''}`)
    if (sessions.length > 0) print(tableIn(sessions))
  }
}

function tableIn(sessions: readonly ForwardedSession[]): string {
  return tableOf(sessions, [
    ['session', row => row.sessionId.slice(0, 8)],
    ['charger', row => row.chargerId],
    ['began', row => row.startedAt.slice(0, 19)],
    ['stage', row => row.stage],
    ['there', row => row.upstreamId],
    ['why', row => row.reason],
  ])
}

type Shown = {
  readonly name: string
  readonly calls: readonly { readonly action: string; readonly payload: unknown }[]
}

async function showForward(id: string, options: ViaOptions): Promise<void> {
  const { sessionId } = named(await sessionsAt(options.via), id)
  const shown = (await (await clientIn(options.via)).get(`/v1/forward/${sessionId}`)) as readonly Shown[]
  if (options.json) printJson(shown)
  else
    for (const { name, calls } of shown)
      print(
        [`${name}:`, ...calls.map(({ action, payload }) => `  ${action} ${JSON.stringify(payload)}`)].join(
          '\n',
        ),
      )
}

async function decide(verdict: 'retry' | 'skip', id: string, options: ViaOptions): Promise<void> {
  const { sessionId } = named(await sessionsAt(options.via), id)
  const name = options.name ?? (await onlyOne(options.via))
  await (await clientIn(options.via)).post('/v1/forward', { name, sessionId, verdict })
  const done = verdict === 'retry' ? 'will be told' : 'will not be told'
  say(options, { name, sessionId, verdict }, `${name} ${done} of ${sessionId.slice(0, 8)}`)
}

async function onlyOne(via: string): Promise<string> {
  const [one, ...more] = await reportsAt(via)
  if (one && more.length === 0) return one.name
  throw new MeshError(
    'CONFIG_INVALID',
    one ? 'this node has several central systems: say which with --name' : 'this node has no central system',
  )
}
