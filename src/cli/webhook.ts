// `chargemesh webhook`: who the cloud tells what happens, at once and signed.
import { type Command, InvalidArgumentError } from 'commander'
import { NEWS } from '../cloud/news.ts'
import type { WebhookReport } from '../cloud/webhooks.ts'
import { MeshError } from '../errors.ts'
import { say } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'
import { cloudReader, cloudWriter } from './receiver.ts'
import { instantOf } from './time.ts'

type Options = { readonly cloud: string; readonly json?: boolean }
type AddOptions = Options & {
  readonly name: string
  readonly events: readonly string[]
  readonly network: string
}
type ReplayOptions = Options & { readonly from: string; readonly to?: string; readonly session?: string }

const PATH = '/v1/webhooks'
const DAY_MS = 86_400_000

const WORDS = Object.entries(NEWS)
  .map(([type, words]) => `  ${type.padEnd(20)}${words}`)
  .join('\n')

export function addWebhookCommands(program: Command): void {
  const webhook = program
    .command('webhook')
    .description('who the cloud tells what happens, at once and signed (standardwebhooks.com)')
  addAddCommand(webhook)
  cloudOptions(webhook.command('list'))
    .description('who is told what, and how it goes')
    .addHelpText('after', '\nExample:\n  chargemesh webhook list --cloud ./cloud-data')
    .action(listWebhooks)
  cloudOptions(webhook.command('remove <name>'))
    .description('tell it nothing any more; what waits is let go of')
    .addHelpText('after', '\nExample:\n  chargemesh webhook remove shop --cloud ./cloud-data')
    .action(async (name: string, options: Options) => {
      await (await cloudWriter(options.cloud))('DELETE', pathOf(name))
      say(options, { removed: name }, `webhook ${name} removed`)
    })
  cloudOptions(webhook.command('replay <name>'))
    .description('tell it again what it was told, or should have been, under the same ids')
    .requiredOption('--from <time>', 'told from then on; a month is kept')
    .option('--to <time>', 'and before then; now unless said')
    .option('--session <id>', 'only of this session, by its first digits')
    .addHelpText(
      'after',
      '\nExamples:\n  chargemesh webhook replay shop --from 2026-07-04T08:00Z --cloud ./cloud-data\n  chargemesh webhook replay shop --from 2026-07-01 --session 4f2a91c0 --cloud ./cloud-data',
    )
    .action(replayWebhook)
  addCareCommands(webhook)
}

function addAddCommand(webhook: Command): void {
  cloudOptions(webhook.command('add <url>'))
    .description('tell an address from now on; prints the secret that signs, once')
    .option('--name <name>', 'name of the webhook', 'webhook')
    .option('--events <list>', 'only these, separated by commas', eventsIn, [])
    .option(
      '--network <which>',
      'public: the internet, or this machine where the address says so; private: networks of your own, too; any: link-local ones, too',
      'public',
    )
    .addHelpText(
      'after',
      `
Events:
${WORDS}

Examples:
  chargemesh webhook add https://shop.example/hooks/charging --name shop --cloud ./cloud-data
  chargemesh webhook add http://127.0.0.1:3000/ --events bill.issued,session.disputed --cloud ./cloud-data
  chargemesh webhook add https://erp.lan/hooks --network private --cloud ./cloud-data`,
    )
    .action(async (url: string, options: AddOptions) => {
      const { name, events, network } = options
      const write = await cloudWriter(options.cloud)
      const added = (await write('POST', PATH, { name, url, events, network })) as { readonly secret: string }
      say(
        options,
        { added: name, secret: added.secret },
        `webhook ${name} added; what it is sent is signed with this secret, which is not shown again:\n${added.secret}`,
      )
    })
}

function addCareCommands(webhook: Command): void {
  cloudOptions(webhook.command('test <name>'))
    .description('tell it webhook.tested; `webhook list` shows how it went')
    .addHelpText('after', '\nExample:\n  chargemesh webhook test shop --cloud ./cloud-data')
    .action(async (name: string, options: Options) => {
      await (await cloudWriter(options.cloud))('POST', `${pathOf(name)}/test`, {})
      say(options, { tested: name }, 'on its way; `chargemesh webhook list` shows how it went')
    })
  cloudOptions(webhook.command('rotate <name>'))
    .description('a new secret; the one before signs as well for a day')
    .addHelpText('after', '\nExample:\n  chargemesh webhook rotate shop --cloud ./cloud-data')
    .action(async (name: string, options: Options) => {
      const write = await cloudWriter(options.cloud)
      const { secret } = (await write('POST', `${pathOf(name)}/rotate`, {})) as { readonly secret: string }
      say(
        options,
        { rotated: name, secret },
        `webhook ${name} has a new secret, which is not shown again; the one before signs as well for a day:\n${secret}`,
      )
    })
  cloudOptions(webhook.command('enable <name>'))
    .description('go on with one that answered 410, or try at once what waits')
    .addHelpText('after', '\nExample:\n  chargemesh webhook enable shop --cloud ./cloud-data')
    .action(async (name: string, options: Options) => {
      await (await cloudWriter(options.cloud))('POST', `${pathOf(name)}/enable`, {})
      say(
        options,
        { enabled: name },
        `webhook ${name} is on; what it missed: \`webhook replay ${name} --from ...\``,
      )
    })
}

function cloudOptions(command: Command): Command {
  return command
    .requiredOption('--cloud <dir>', 'data folder of `chargemesh cloud run`')
    .option('--json', 'print JSON')
}

function pathOf(name: string): string {
  return `${PATH}/${encodeURIComponent(name)}`
}

function eventsIn(text: string): readonly string[] {
  const events = text.split(',').map(one => one.trim())
  const unknown = events.find(one => !(one in NEWS))
  if (unknown !== undefined)
    throw new InvalidArgumentError(`there is no event ${unknown}: ${Object.keys(NEWS).join(', ')}`)
  return events
}

async function replayWebhook(name: string, options: ReplayOptions): Promise<void> {
  const nowAt = Date.now()
  const { from, to, session } = options
  const fromAt = instantOf('--from', from, nowAt)
  const toAt = to === undefined ? undefined : instantOf('--to', to, nowAt)
  if (toAt !== undefined && toAt <= fromAt)
    throw new MeshError('CONFIG_INVALID', `--to ${to} is not after --from ${from}`)
  const asked = { fromAt, ...(toAt !== undefined && { toAt }), ...(session !== undefined && { session }) }
  const write = await cloudWriter(options.cloud)
  const { events } = (await write('POST', `${pathOf(name)}/replay`, asked)) as { readonly events: number }
  const none = 'nothing was told then; webhooks are told from when the first was added, and a month is kept'
  const many =
    events === 1 ? '1 event is sent again, under its id' : `${events} events are sent again, under their ids`
  say(options, { events }, events === 0 ? none : many)
}

async function listWebhooks(options: Options): Promise<void> {
  const { items } = (await (
    await cloudReader(options.cloud)
  )(PATH)) as {
    readonly items: readonly WebhookReport[]
  }
  if (options.json) return printJson(items)
  if (items.length === 0) return print('nobody is told; `chargemesh webhook add`')
  print(
    tableOf(items, [
      ['webhook', row => row.name],
      ['url', row => row.url],
      ['events', row => (row.events.length === 0 ? 'all' : row.events.join(', '))],
      ['state', row => row.state],
      ['waiting', row => row.waiting],
      ['oldest', row => ageText(row.oldestAt)],
      ['gave up', row => row.gaveUp || ''],
      ['last sent', row => (row.lastSentAt === undefined ? '' : new Date(row.lastSentAt).toISOString())],
      ['last error', row => row.lastError],
    ]),
  )
}

function ageText(sinceAt: number | undefined): string {
  if (sinceAt === undefined) return ''
  const ms = Date.now() - sinceAt
  return ms >= DAY_MS ? `${Math.floor(ms / DAY_MS)} d` : `${Math.max(0, Math.round(ms / 60_000))} min`
}
