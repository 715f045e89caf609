// `chargemesh tariff`: the price of energy.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { isDecimal } from '../tariff/price.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { instantOf } from './time.ts'

export function addTariffCommands(program: Command): void {
  const tariff = program.command('tariff').description('what energy costs')
  operatorOptions(tariff.command('set <pricePerKwh>'))
    .description('set the price of a kWh, in the currency of the site')
    .option('--from <time>', 'when it takes effect (ISO 8601); sessions that run keep their price', 'now')
    .option('--id <id>', 'tariff id, as in OCPI', 'STANDARD')
    .addHelpText('after', '\nExample:\n  chargemesh tariff set 0.25 --site ./stadium --via ./pole-07')
    .action(async (pricePerKwh: string, options: OperatorOptions & { from: string; id: string }) => {
      if (!isDecimal(pricePerKwh)) {
        throw new MeshError(
          'CONFIG_INVALID',
          `price ${pricePerKwh}: wanted a plain decimal number, such as 0.25`,
        )
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
    })
}
