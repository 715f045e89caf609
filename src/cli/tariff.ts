// `chargemesh tariff`: what is paid at the site.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { isDecimal } from '../tariff/price.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { addTariffImport } from './tariff-import.ts'
import { addTariffPrice } from './tariff-price.ts'
import { addTariffShow } from './tariff-show.ts'
import { instantOf } from './time.ts'

export function addTariffCommands(program: Command): void {
  const tariff = program.command('tariff').description('what is paid: for energy, time, parking and once')
  operatorOptions(tariff.command('set <pricePerKwh>'))
    .description('set one price of a kWh for all, in the currency of the site')
    .option('--from <time>', 'when it takes effect (ISO 8601); sessions that run keep their price', 'now')
    .option('--id <id>', 'tariff id, as in OCPI', 'STANDARD')
    .addHelpText('after', '\nExample:\n  chargemesh tariff set 0.25 --site ./stadium --via ./pole-07')
    .action(setTariff)
  addTariffImport(tariff)
  addTariffShow(tariff)
  addTariffPrice(tariff)
}

type SetOptions = OperatorOptions & { readonly from: string; readonly id: string }

async function setTariff(pricePerKwh: string, options: SetOptions): Promise<void> {
  if (!isDecimal(pricePerKwh)) {
    throw new MeshError('CONFIG_INVALID', `price ${pricePerKwh}: wanted a plain decimal number, such as 0.25`)
  }
  const effectiveAt = instantOf('--from', options.from, Date.now())
  await asOperator(options, async operator => {
    const { currency } = operator.site
    await operator.record([
      { name: 'tariff', body: { tariffId: options.id, currency, pricePerKwh, effectiveAt } },
    ])
    say(
      options,
      { tariffId: options.id, pricePerKwh, currency },
      `${pricePerKwh} ${currency} a kWh from ${new Date(effectiveAt).toISOString()}`,
    )
  })
}
