// `chargemesh charger`: chargers of the site, and commands to those that are connected.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { addChargerAdd } from './charger-add.ts'
import { addCertificateCommands } from './charger-certificate.ts'
import { addCertificateTalk } from './charger-certificate-talk.ts'
import { addLimitCommand } from './charger-limit.ts'
import { addLocalListCommand } from './charger-list.ts'
import { wholeNumber } from './number.ts'
import { clientIn, say } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'
import { DASH_HELP, secretOf } from './secret.ts'

type ViaOptions = { readonly via: string; readonly json?: boolean }

export function addChargerCommands(program: Command): void {
  const charger = program.command('charger').description('chargers: let them connect, and command them')
  addChargerAdd(charger)
  addCertificateTalk(addCertificateCommands(charger))
  charger
    .command('list')
    .description('chargers, as one node sees them')
    .requiredOption('--via <dir>', 'folder of a running node')
    .option('--json', 'print JSON')
    .action(listChargers)
  addLocalListCommand(charger)
  addLimitCommand(charger)
  addCommands(charger)
}

type ChargerRow = {
  readonly chargerId: string
  readonly connectedHere: boolean
  readonly status: Readonly<Record<string, string>>
  readonly openSessions: number
  readonly onboarding?: { readonly state: string; readonly notSet: readonly string[] }
}

async function listChargers(options: ViaOptions): Promise<void> {
  const rows = (await (await clientIn(options.via)).get('/v1/chargers')) as readonly ChargerRow[]
  if (options.json) {
    printJson(rows)
    return
  }
  print(
    tableOf(rows, [
      ['charger', row => row.chargerId],
      ['here', row => (row.connectedHere ? 'yes' : 'no')],
      [
        'connectors',
        row =>
          Object.entries(row.status)
            .map(([id, status]) => `${id}:${status}`)
            .join(' '),
      ],
      ['open sessions', row => row.openSessions],
      ['settings', row => (row.connectedHere ? (row.onboarding?.state ?? '') : '')],
    ]),
  )
  for (const { chargerId, onboarding } of rows)
    for (const line of onboarding?.notSet ?? []) print(`${chargerId}: ${line}`)
}

function addCommands(charger: Command): void {
  const command = (line: string, description: string): Command =>
    charger
      .command(line)
      .description(description)
      .requiredOption('--via <dir>', 'folder of the running node that the charger is connected to')
      .option('--json', 'print JSON')
  command('start <identity> <card>', `start a session from here (RemoteStartTransaction); card: ${DASH_HELP}`)
    .option('--connector <n>', 'which connector')
    .action(async (identity: string, card: string, options: ViaOptions & { connector?: string }) => {
      const connector =
        options.connector === undefined ? {} : { connectorId: wholeNumber('--connector', options.connector) }
      await send(identity, { kind: 'remoteStart', idTag: await secretOf(card), ...connector }, options)
    })
  command(
    'stop <identity> <transactionId>',
    'stop a session from here (RemoteStopTransaction); `sessions` shows the id',
  ).action(
    async (identity: string, transactionId: string, options: ViaOptions) =>
      await send(
        identity,
        { kind: 'remoteStop', transactionId: wholeNumber('transactionId', transactionId) },
        options,
      ),
  )
  command('reset <identity>', 'restart a charger')
    .option('--hard', 'even while it charges')
    .action(
      async (identity: string, options: ViaOptions & { hard?: boolean }) =>
        await send(identity, { kind: 'reset', hard: options.hard ?? false }, options),
    )
  command('get <identity> [keys...]', 'read configuration keys; all without a key').action(
    async (identity: string, keys: readonly string[], options: ViaOptions) =>
      await send(identity, { kind: 'getConfiguration', keys }, options),
  )
  command('set <identity> <key> <value>', 'change a configuration key').action(
    async (identity: string, key: string, value: string, options: ViaOptions) =>
      await send(identity, { kind: 'changeConfiguration', key, value }, options),
  )
  command('trigger <identity> <message>', 'ask for a message, such as StatusNotification')
    .option('--connector <n>', 'which connector')
    .action(async (identity: string, message: string, options: ViaOptions & { connector?: string }) => {
      const connector =
        options.connector === undefined ? {} : { connectorId: wholeNumber('--connector', options.connector) }
      await send(identity, { kind: 'trigger', message, ...connector }, options)
    })
}

async function send(identity: string, body: unknown, options: ViaOptions): Promise<void> {
  const client = await clientIn(options.via)
  const outcome = (await client.post(`/v1/chargers/${encodeURIComponent(identity)}/commands`, body)) as {
    kind: string
    status?: string
    reason?: string
    detail?: unknown
  }
  const detail = outcome.detail === undefined ? '' : `\n${JSON.stringify(outcome.detail, null, 2)}`
  if (outcome.kind === 'accepted') say(options, outcome, `accepted${detail}`)
  else if (outcome.kind === 'rejected')
    throw new MeshError('CHARGER_REFUSED', `${identity}: refused, ${outcome.status}${detail}`)
  else throw new MeshError('CHARGER_ABSENT', `${identity}: ${outcome.reason ?? 'not connected to this node'}`)
}
