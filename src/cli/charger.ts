// `chargemesh charger`: chargers of the site, and commands to those that are connected.
import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { systemRandom } from '../host/system.ts'
import type { AnyBody } from '../log/body.ts'
import { makeCredential } from '../ocpp/credential.ts'
import { addCareCommands } from './charger-care.ts'
import { addCommandCommands } from './charger-command.ts'
import { addLimitCommand } from './charger-limit.ts'
import { addLocalListCommand } from './charger-list.ts'
import { identityOf } from './charger-order.ts'
import { addShowCommand } from './charger-show.ts'
import { connectorTypeOf } from './grant-terms.ts'
import { wholeNumber } from './number.ts'
import { asOperator, clientIn, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'
import { DASH_HELP, secretOf } from './secret.ts'

type AddOptions = OperatorOptions & {
  readonly connectors: string
  readonly zone?: string
  readonly type?: string
  readonly maxKw?: string
  readonly phases?: string
  readonly password?: string
}
type ViaOptions = { readonly via: string; readonly json?: boolean }

export function addChargerCommands(program: Command): void {
  const charger = program.command('charger').description('chargers: let them connect, and command them')
  operatorOptions(charger.command('add <identities...>'))
    .description('let chargers connect; prints each password once, every node knows only its hash')
    .option('--connectors <n>', 'number of connectors', '1')
    .option('--zone <name>', 'zone of the site, for cards that are bound to one')
    .option(
      '--type <type>',
      'connector type, where all are of one, such as IEC_62196_T2; for cards bound to one',
    )
    .option(
      '--max-kw <n>',
      'the most that one connector gives: set in the charger as its limit, and for cards bound to slower ones',
    )
    .option('--phases <n>', 'of its supply, 1 or 3: to count its limit in amperes where it takes no watts')
    .option(
      '--password <text>',
      `set this password (16 to 40 characters) instead of drawing one; ${DASH_HELP}`,
    )
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh charger add CP01 --connectors 2 --site ./stadium --via ./pole-07',
    )
    .action(addCharger)
  charger
    .command('list')
    .description('chargers, as one node sees them')
    .requiredOption('--via <dir>', 'folder of a running node')
    .option('--json', 'print JSON')
    .action(listChargers)
  addShowCommand(charger)
  addLocalListCommand(charger)
  addLimitCommand(charger)
  addCommandCommands(charger)
  addCareCommands(charger)
}

async function addCharger(identities: readonly string[], options: AddOptions): Promise<void> {
  const connectors = wholeNumber('--connectors', options.connectors)
  const about = {
    ...(options.zone !== undefined && { zone: options.zone }),
    ...(options.type !== undefined && { connectorType: connectorTypeOf('--type', options.type) }),
    ...(options.maxKw !== undefined && { maxPowerW: 1000 * wholeNumber('--max-kw', options.maxKw) }),
    ...(options.phases !== undefined && {
      phases: wholeNumber('--phases', options.phases, { least: 1, most: 3 }),
    }),
  }
  const chosen = options.password === undefined ? undefined : await secretOf(options.password)
  const added = identities.map(identity => ({
    identity: identityOf(identity),
    password: passwordOf(chosen),
  }))
  await asOperator(options, async operator => {
    const bodies: AnyBody[] = []
    for (const { identity, password } of added) {
      const { salt, hash, cost } = await makeCredential(password, systemRandom())
      const body = { chargerId: identity, salt, hash, cost, connectors, ...about, withdrawn: false }
      bodies.push({ name: 'charge_point', body })
    }
    await operator.record(bodies)
    const lines = added.map(({ identity, password }) => `${identity}  password ${password}`)
    say(
      options,
      added,
      `may connect to ws://<node>:8887/ocpp/<identity> (wss with a certificate), user = identity\n${lines.join('\n')}\nthe passwords are shown only now`,
    )
  })
}

function passwordOf(chosen: string | undefined): string {
  const password = chosen ?? randomBytes(12).toString('hex')
  if (/^[\x21-\x7e]{16,40}$/.test(password)) return password
  throw new MeshError(
    'CONFIG_INVALID',
    '--password: 16 to 40 printable characters without spaces (OCPP AuthorizationKey)',
  )
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
