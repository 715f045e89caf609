// `chargemesh uplink`: ways out of the site.
import { type Command, InvalidArgumentError } from 'commander'
import type { UplinkReport } from '../api/uplinks.ts'
import { MeshError } from '../errors.ts'
import { readText } from '../host/identity-files.ts'
import { passwordIn } from './broker.ts'
import { wholeNumber } from './number.ts'
import { clientIn, collect, say } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'
import { addForwardCommands, type CsmsAddOptions, csmsOptions, csmsSetting } from './uplink-forward.ts'

type AddOptions = {
  readonly via: string
  readonly name?: string
  readonly priority?: string
  readonly budget?: number
  readonly window: readonly string[]
  readonly costPerMb?: string
  readonly ca?: string
  readonly username?: string
  readonly passwordFile?: string
  readonly json?: boolean
}
type AllOptions = AddOptions & CsmsAddOptions
type ViaOptions = { readonly via: string; readonly json?: boolean }

/** What each kind says of its target; the rest of a setting is the same for all. */
const KINDS: Readonly<
  Record<string, (target: string, options: AllOptions) => Promise<Readonly<Record<string, unknown>>>>
> = {
  https: async (url, { ca }) => ({
    kind: 'https',
    url,
    ...(ca !== undefined && { caPem: await readText(ca, '--ca') }),
  }),
  mqtt: async (url, { ca, username, passwordFile }) => ({
    ...{ kind: 'mqtt', url },
    ...(ca !== undefined && { caPem: await readText(ca, '--ca') }),
    ...(username !== undefined && { username }),
    ...(passwordFile !== undefined && { password: await passwordIn(passwordFile) }),
  }),
  csms: csmsSetting,
}
/** By what an address begins with, where no kind is named. */
const KIND_OF_SCHEME: Readonly<Record<string, string>> = {
  'https:': 'https',
  'http:': 'https',
  'mqtts:': 'mqtt',
  'mqtt:': 'mqtt',
  'wss:': 'csms',
  'ws:': 'csms',
}
const DEFAULT_NAMES: Readonly<Record<string, string>> = { https: 'cloud', mqtt: 'broker' }

export function addUplinkCommands(program: Command): void {
  const uplink = program.command('uplink').description('ways out of the site: any node may have one')
  csmsOptions(viaOptions(uplink.command('add <kind> [target]')))
    .description('give a running node a way out; it is used at once and remembered')
    .option('--name <name>', 'name of the uplink')
    .option(
      '--priority <n>',
      '1 is used first; a higher number only where all that are lower fail or are spent',
    )
    .option('--budget <bytes/day>', 'at most so much in a day, both ways, such as 20MB/day', budget)
    .option('--window <HH:MM-HH:MM>', 'only then, in UTC; repeat for more', collect, [])
    .option('--cost-per-mb <price>', 'what a megabyte costs, for the lists')
    .option(
      '--ca <file>',
      'PEM of the authority that signed the receiver’s certificate (`cloud run` writes ca.pem), or the broker’s',
    )
    .option('--username <name>', 'who the node is at the broker')
    .option('--password-file <file>', 'its password there, alone in a file')
    .addHelpText(
      'after',
      `
Kinds:
  https <url>     the receiver (\`chargemesh cloud run\`)
  mqtt <url>      the receiver, by way of an MQTT 5 broker at which it listens too (\`cloud run --mqtt\`)
  csms <url>      an existing central system, over OCPP: it is told of sessions that are over, as by chargers that were offline

Examples:
  chargemesh uplink add https https://192.0.2.10:8443 --ca ./cloud-data/ca.pem --via ./pole-07
  chargemesh uplink add https https://192.0.2.10:8443 --ca ./ca.pem --name satellite --priority 2 --budget 20MB/day --window 01:00-05:00 --via ./pole-07
  chargemesh uplink add mqtt mqtts://broker.example:8883 --ca ./broker-ca.pem --username site-7 --password-file ./broker.password --via ./pole-07
  chargemesh uplink add csms wss://csms.example.com/ocpp --passwords chargers.csv --name steve --lost-answers retry --via ./pole-07`,
    )
    .action(async (kind: string, target: string | undefined, options: AllOptions) => {
      const setting = await settingOf(kind, target, options)
      await (await clientIn(options.via)).post('/v1/uplinks', setting)
      say(
        options,
        { added: setting.name },
        `uplink ${setting.name} added; \`chargemesh uplink list\` shows how it does`,
      )
    })
  viaOptions(uplink.command('list'))
    .description('the ways out of a node: state, what waits, what was sent today, next try and why')
    .addHelpText(
      'after',
      `
What waits is the same for all but central systems. A day is one of UTC; a fifth of a budget is kept for what operators say.

Example:
  chargemesh uplink list --via ./pole-07`,
    )
    .action(async (options: ViaOptions) => {
      const uplinks = (await (await clientIn(options.via)).get('/v1/uplinks')) as readonly UplinkReport[]
      if (options.json) printJson(uplinks)
      else
        print(
          uplinks.length === 0
            ? 'none: what this node records leaves by the uplinks of others'
            : tableIn(uplinks),
        )
    })
  viaOptions(uplink.command('remove <name>'))
    .description('take a way out from a node; nothing that waits is lost')
    .addHelpText('after', '\nExample:\n  chargemesh uplink remove satellite --via ./pole-07')
    .action(async (name: string, options: ViaOptions) => {
      await (await clientIn(options.via)).delete(`/v1/uplinks/${encodeURIComponent(name)}`)
      say(options, { removed: name }, `uplink ${name} removed`)
    })
  addForwardCommands(uplink)
  viaOptions(uplink.command('hurry'))
    .description('try all uplinks of a node now instead of at the next round')
    .addHelpText('after', '\nExample:\n  chargemesh uplink hurry --via ./pole-07')
    .action(async (options: ViaOptions) => {
      await (await clientIn(options.via)).post('/v1/uplinks/hurry', {})
      say(options, { hurried: true }, 'trying now')
    })
}

function viaOptions(command: Command): Command {
  return command.requiredOption('--via <dir>', 'folder of the running node').option('--json', 'print JSON')
}

async function settingOf(
  kind: string,
  target: string | undefined,
  options: AllOptions,
): Promise<Readonly<Record<string, unknown>>> {
  // An address alone says its kind.
  if (target === undefined && URL.canParse(kind)) {
    const inferred = KIND_OF_SCHEME[new URL(kind).protocol]
    if (inferred !== undefined) return await settingOf(inferred, kind, options)
  }
  if (kind === 'usb')
    throw new MeshError(
      'CONFIG_INVALID',
      'a stick is no standing uplink: `chargemesh usb export <stick> --via <node folder>` fills it whenever it is there',
    )
  const write = KINDS[kind]
  if (!write)
    throw new MeshError(
      'CONFIG_INVALID',
      `uplink add ${kind}: a kind is one of ${Object.keys(KINDS).join(', ')}`,
    )
  if (target === undefined) throw new MeshError('CONFIG_INVALID', `uplink add ${kind}: where to? See --help`)
  const { name, priority, budget: budgetBytes, window: windows, costPerMb } = options
  return {
    ...(await write(target, options)),
    name: name ?? DEFAULT_NAMES[kind] ?? kind,
    windows,
    ...(priority !== undefined && { priority: wholeNumber('--priority', priority) }),
    ...(budgetBytes !== undefined && { budgetBytes }),
    ...(costPerMb !== undefined && { costPerMb }),
  }
}

const DURATIONS: Readonly<Record<string, number>> = { days: 864e5, h: 36e5, min: 6e4 }
const UNITS: Readonly<Record<string, number>> = { kB: 1e3, MB: 1e6, GB: 1e9 }

/** `20MB/day`, in bytes. */
function budget(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(kB|MB|GB)(?:\/day)?$/.exec(text) ?? []
  if (number === undefined || unit === undefined)
    throw new InvalidArgumentError('wanted bytes a day, such as 20MB/day or 500kB/day')
  return Math.round(Number(number) * (UNITS[unit] ?? 1))
}

function tableIn(uplinks: readonly UplinkReport[]): string {
  return tableOf(uplinks, [
    ['uplink', row => row.name],
    ['kind', row => row.kind],
    ['priority', row => row.priority],
    ['state', row => row.state],
    ['queue', row => queueOf(row)],
    ['oldest', row => durationOf(row.waiting.oldestAgeMs)],
    ['sent today', row => (row.kind === 'csms' ? '' : sentToday(row))],
    ['next try', row => durationOf(row.nextTryInMs)],
    ['why', row => row.why],
  ])
}

function queueOf({ waiting }: UplinkReport): string {
  const { sessions, held = 0, events = 0, bytes = 0 } = waiting
  if (sessions === undefined) return `${events} events, ${sizeOf(bytes)}`
  return `${sessions} sessions${held > 0 ? `, ${held} held` : ''}`
}

function sentToday({ sentTodayBytes, budgetBytes }: UplinkReport): string {
  const sent = sizeOf(sentTodayBytes ?? 0)
  return budgetBytes === undefined ? sent : `${sent} of ${sizeOf(budgetBytes)}`
}

function sizeOf(bytes: number): string {
  const [unit, size] = Object.entries(UNITS).findLast(([, least]) => bytes >= least) ?? ['B', 1]
  return `${(bytes / size).toFixed(size > 1 && bytes < 100 * size ? 1 : 0)} ${unit}`
}

function durationOf(ms: number | undefined): string {
  if (ms === undefined) return ''
  const [unit, size] = Object.entries(DURATIONS).find(([, least]) => ms >= 2 * least) ?? ['s', 1000]
  return `${Math.round(ms / size)} ${unit}`
}

/** When the next push of an uplink is, as a part of a sentence. */
export function nextTryIn(ms: number | undefined): string {
  return ms === undefined ? 'waits for its turn' : `next in ${durationOf(ms)}`
}
