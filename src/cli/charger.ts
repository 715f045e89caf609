// `chargemesh charger`: chargers of the site, and commands to those that are connected.
import type { Command } from 'commander'
import { addChargerAdd } from './charger-add.ts'
import { addCareCommands } from './charger-care.ts'
import { addCertificateCommands } from './charger-certificate.ts'
import { addCertificateTalk } from './charger-certificate-talk.ts'
import { addCommandCommands } from './charger-command.ts'
import { addLimitCommand } from './charger-limit.ts'
import { addLocalListCommand } from './charger-list.ts'
import { addShowCommand } from './charger-show.ts'
import { clientIn } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'

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
  addShowCommand(charger)
  addLocalListCommand(charger)
  addLimitCommand(charger)
  addCommandCommands(charger)
  addCareCommands(charger)
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
