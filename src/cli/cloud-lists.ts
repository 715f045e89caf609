// `chargemesh cloud sites|sessions|gaps|provisional|digests|forks`: what a receiver has, all of it or page by page.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { STATES } from './bill-list.ts'
import { wholeNumber } from './number.ts'
import { type Column, print, printJson, tableOf } from './output.ts'
import { cloudReader, cloudRows, type JsonPage, type JsonRow, SITES_PATH } from './receiver.ts'

type ListOptions = {
  readonly cloud: string
  readonly limit?: string
  readonly after?: string
  readonly state?: string
  readonly session?: string
  readonly json?: boolean
}

type List = {
  readonly path: string
  readonly columns: readonly Column<JsonRow>[]
  /** Said in the place of an empty table. */
  readonly none: string
}

const MAX_PAGE = 1000

export function addCloudLists(cloud: Command): void {
  listed(cloud.command('sites'), SITES)
    .description('the sites of a receiver: how much of each is here, what came last, what needs a look')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh cloud sites --cloud ./cloud-data\n  chargemesh cloud sites --cloud ./cloud-data --limit 100 --json    # the answer names what comes --after it',
    )
  listed(cloud.command('sessions'), SESSIONS)
    .description('the sessions of a site as the cloud has them')
    .option('--state <state>', `only those that stand so: ${STATES.join(', ')}`)
    .option('--session <id>', 'only ids that begin so')
    .addHelpText(
      'after',
      '\nExamples:\n  chargemesh cloud sessions --cloud ./cloud-data --state disputed\n  chargemesh cloud sessions --cloud ./cloud-data/Stadium --limit 100',
    )
  listed(cloud.command('gaps'), GAPS)
    .description('what nodes have said of themselves and the cloud lacks: only they can bring it')
    .addHelpText('after', '\nExample:\n  chargemesh cloud gaps --cloud ./cloud-data')
  listed(cloud.command('provisional'), PROVISIONAL)
    .description('sessions that are known by their ends alone: those came ahead of their logs')
    .addHelpText('after', '\nExample:\n  chargemesh cloud provisional --cloud ./cloud-data')
  listed(cloud.command('digests'), DIGESTS)
    .description('what nodes signed of all that they held, and whether the logs agree with it')
    .addHelpText('after', '\nExample:\n  chargemesh cloud digests --cloud ./cloud-data --limit 20')
  listed(cloud.command('forks'), FORKS)
    .description('logs that were written twice: a copied disk or a stolen key')
    .addHelpText('after', '\nExample:\n  chargemesh cloud forks --cloud ./cloud-data')
}

function listed(command: Command, list: List): Command {
  return command
    .requiredOption('--cloud <dir>', 'data folder of `chargemesh cloud run`; of several sites <dir>/<name>')
    .option('--limit <n>', `one page of so many, at most ${MAX_PAGE}; else everything`)
    .option('--after <cursor>', 'the page behind the one that named it')
    .option('--json', 'print JSON; a page says in `next` what comes after it')
    .action((options: ListOptions) => show(list, options))
}

async function show(list: List, options: ListOptions): Promise<void> {
  const query = queryOf(options)
  const isPage = options.limit !== undefined || options.after !== undefined
  const page: JsonPage = isPage
    ? ((await (
        await cloudReader(options.cloud)
      )(list.path, query)) as JsonPage)
    : { items: await cloudRows(options.cloud, list.path, query) }
  if (options.json) return printJson(isPage ? page : page.items)
  if (page.items.length === 0) return print(list.none)
  print(tableOf(page.items, list.columns))
  if (page.next !== undefined) print(`more: --after ${page.next}`)
}

function queryOf({ limit, after, state, session }: ListOptions): Readonly<Record<string, string>> {
  if (limit !== undefined) wholeNumber('--limit', limit, { least: 1, most: MAX_PAGE })
  if (state !== undefined && !STATES.includes(state))
    throw new MeshError('CONFIG_INVALID', `--state ${state}: wanted one of ${STATES.join(', ')}`)
  if (session !== undefined && !/^[0-9a-f]{4,32}$/.test(session))
    throw new MeshError('CONFIG_INVALID', `--session ${session}: wanted at least 4 hex digits of its id`)
  return {
    ...(limit !== undefined && { limit }),
    ...(after !== undefined && { cursor: after }),
    ...(state !== undefined && { state }),
    ...(session !== undefined && { session }),
  }
}

const cell = (name: string) => (row: JsonRow) => String(row[name] ?? '-')
const short = (name: string) => (row: JsonRow) => cell(name)(row).slice(0, 8)
const instant = (name: string) => (row: JsonRow) =>
  typeof row[name] === 'number' ? new Date(row[name]).toISOString().slice(0, 16) : '-'

const SITES: List = {
  path: SITES_PATH,
  none: 'no sites',
  columns: [
    ['site', cell('siteId')],
    ['name', cell('name')],
    ['devices', cell('devices')],
    ['events', cell('events')],
    ['sessions', cell('sessions')],
    ['newest event', instant('lastEventAt')],
    ['unacked logs', cell('unacked')],
    ['gaps', cell('gaps')],
    ['forks', cell('forks')],
  ],
}

const SESSIONS: List = {
  path: '/v1/sessions',
  none: 'no sessions',
  columns: [
    ['session', short('sessionId')],
    ['charger', row => `${cell('chargerId')(row)}/${cell('connectorId')(row)}`],
    ['state', cell('state')],
    ['Wh', cell('energyWh')],
    ['started', instant('startedAt')],
    ['ended', instant('endedAt')],
    ['flags', row => (Array.isArray(row.flags) ? row.flags.join(', ') : '')],
  ],
}

const GAPS: List = {
  path: '/v1/gaps',
  none: 'no gaps: every log that a node names is here',
  columns: [
    ['device', short('deviceId')],
    ['log', short('logId')],
    ['what', cell('kind')],
    ['from', cell('fromSeq')],
    ['to', cell('toSeq')],
    ['named by', short('namedBy')],
  ],
}

const FORKS: List = {
  path: '/v1/forks',
  none: 'no forks',
  columns: [
    ['device', short('deviceId')],
    ['log', short('logId')],
    ['from', cell('seq')],
    ['shown by', cell('evidence')],
    ['found', instant('foundAt')],
  ],
}

const PROVISIONAL: List = {
  path: '/v1/provisional',
  none: 'none: all that is known of a session is in its logs',
  columns: [
    ['session', short('sessionId')],
    ['charger', cell('chargerId')],
    ['Wh', cell('energyWh')],
    ['started', instant('startedAt')],
    ['ended', instant('endedAt')],
    ['known since', instant('receivedAt')],
  ],
}

const DIGESTS: List = {
  path: '/v1/digests',
  none: 'none: no node had to send one ahead of its logs',
  columns: [
    ['device', short('deviceId')],
    ['signed', instant('issuedAt')],
    ['logs', cell('logs')],
    ['events', cell('events')],
    ['state', cell('state')],
    ['in log', short('logId')],
    ['at', cell('seq')],
  ],
}
