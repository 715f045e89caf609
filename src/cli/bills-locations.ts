// `chargemesh bills locations`: the file that OCPI exports need, to be filled in, from the chargers that the site knows.
import type { Command } from 'commander'
import type { View } from '../view.ts'
import { asOperator } from './operator.ts'
import { print, printJson } from './output.ts'
import { type UnlockOptions, unlockOptions } from './unlock.ts'

type Options = UnlockOptions & { readonly site: string; readonly json?: boolean }
type ChargePoint = ReturnType<View['policy']['chargePoints']>[number]

export function addBillLocations(bills: Command): void {
  unlockOptions(bills.command('locations'))
    .description('write a file of locations for OCPI exports, to be filled in')
    .requiredOption('--site <dir>', "the site's folder, whose chargers it names")
    .option('--json', 'print JSON: the same fields')
    .addHelpText(
      'after',
      '\nEmpty fields are to be filled in; what a bill needs and does not find is an error of the export.\n\nExample:\n  chargemesh bills locations --site ./stadium > location.yaml',
    )
    .action(async (options: Options) => {
      const chargers = await asOperator({ ...options, via: [], json: true }, async ({ ledger }) =>
        ledger.view().policy.chargePoints(),
      )
      const evses = chargers.flatMap(evsesOf)
      if (options.json) printJson({ ...SITE, evses })
      else print(templateOf(evses))
    })
}

const SITE = {
  ...{
    country_code: '',
    party_id: '',
    id: '',
    name: '',
    address: '',
    city: '',
    postal_code: '',
    country: '',
  },
  ...{ latitude: '', longitude: '', tax_name: 'VAT' },
}

const HINTS: Readonly<Record<string, string>> = {
  country_code: 'yours as an operator, ISO 3166-1 alpha-2, such as BE',
  party_id: 'yours as an operator, three letters or digits',
  id: 'of this place, for ever',
  name: 'may stay empty',
  postal_code: 'may stay empty where there is none',
  country: 'ISO 3166-1 alpha-3, such as BEL',
  latitude: 'in quotes, with 5 to 7 decimals, such as "51.047599"',
  tax_name: 'what taxes are called on bills (OCPI 2.3.0)',
  evse_id: 'such as BE*BEC*E041503001',
  connector_standard: 'OCPI ConnectorType, such as IEC_62196_T2',
  connector_format: 'SOCKET or CABLE',
  connector_power_type: 'AC_1_PHASE, AC_2_PHASE, AC_2_PHASE_SPLIT, AC_3_PHASE or DC',
}

type EvseFields = Readonly<Record<string, string | number>>

/** What the site does not know of its chargers stays empty. */
function evsesOf({ chargerId, connectors, connectorType = '' }: ChargePoint): readonly EvseFields[] {
  return Array.from({ length: connectors }, (_, i) => ({
    ...{ charger: chargerId, connector: i + 1, evse_id: '', connector_standard: connectorType },
    ...{ connector_format: '', connector_power_type: '' },
  }))
}

function templateOf(evses: readonly EvseFields[]): string {
  const hinted = new Set<string>()
  const lineOf = (indent: string, [field, value]: readonly [string, string | number]): string => {
    const hint = hinted.has(field) ? undefined : HINTS[field]
    hinted.add(field)
    return `${indent}${field}: ${JSON.stringify(value)}${hint === undefined ? '' : `  # ${hint}`}`
  }
  return [
    '# Where the chargers stand, for `chargemesh bills export --format ocpi --locations <this file>`.',
    ...Object.entries(SITE).map(entry => lineOf('', entry)),
    evses.length === 0 ? 'evses: []' : 'evses:',
    ...evses.flatMap(evse =>
      Object.entries(evse).map((entry, i) => lineOf(i === 0 ? '  - ' : '    ', entry)),
    ),
  ].join('\n')
}
