// `chargemesh charger start|stop|reset|get|set|config|trigger`: sessions, restarts and settings of one charger.
import type { Command } from 'commander'
import { shownIn } from '../defaults/settings.ts'
import { withoutControls } from '../ocpp/repair.ts'
import { type OrderOptions, order, ordered, orderOptions, refusalOf } from './charger-order.ts'
import { wholeNumber } from './number.ts'
import { say } from './operator.ts'
import { DASH_HELP, secretOf } from './secret.ts'

export type OnConnector = OrderOptions & { readonly connector?: string }

export function connectorIn({ connector }: OnConnector): { readonly connectorId?: number } {
  return connector === undefined ? {} : { connectorId: wholeNumber('--connector', connector) }
}

export function addCommandCommands(charger: Command): void {
  const command = (line: string, description: string): Command =>
    orderOptions(charger.command(line)).description(description)
  command('start <identity> <card>', `start a session from here; card: ${DASH_HELP}`)
    .option('--connector <n>', 'which connector')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh charger start CP01 04A2B3C4 --connector 1 --via ./pole-07 --site ./stadium',
    )
    .action(async (identity: string, card: string, options: OnConnector) => {
      const idTag = await secretOf(card)
      await order(identity, { kind: 'remoteStart', idTag, ...connectorIn(options) }, options)
    })
  command(
    'stop <identity> <transactionId>',
    'stop a session by its transaction id; `session stop` finds charger and id itself',
  ).action(
    async (identity: string, id: string, options: OrderOptions) =>
      await order(identity, { kind: 'remoteStop', transactionId: wholeNumber('transactionId', id) }, options),
  )
  command('reset <identity>', 'restart a charger')
    .option('--hard', 'even while it charges')
    .action(
      async (identity: string, options: OrderOptions & { hard?: boolean }) =>
        await order(identity, { kind: 'reset', hard: options.hard ?? false }, options),
    )
  command('trigger <identity> <message>', 'ask for a message, such as StatusNotification')
    .option('--connector <n>', 'which connector')
    .action(
      async (identity: string, message: string, options: OnConnector) =>
        await order(identity, { kind: 'trigger', message, ...connectorIn(options) }, options),
    )
  command('get <identity> [keys...]', 'the same as `config get`').action(getKeys)
  command('set <identity> <key> <value>', 'the same as `config set`').action(setKey)
  const config = charger.command('config').description('settings that a charger keeps')
  orderOptions(config.command('get <identity> [keys...]'))
    .description('read settings; all without a key')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh charger config get CP01 HeartbeatInterval --via ./pole-07',
    )
    .action(getKeys)
  orderOptions(config.command('set <identity> <key> <value>'))
    .description('change a setting')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh charger config set CP01 HeartbeatInterval 300 --via ./pole-07',
    )
    .action(setKey)
}

async function getKeys(identity: string, keys: readonly string[], options: OrderOptions): Promise<void> {
  const outcome = await ordered(identity, { kind: 'getConfiguration', keys }, options)
  if (outcome.kind !== 'accepted') throw refusalOf(identity, outcome)
  const { configurationKey, unknownKey } = shownIn(outcome.detail)
  const lines = [
    ...configurationKey.map(
      ({ key, value, readonly }) => `${key} = ${value ?? '(not shown)'}${readonly ? '  (read-only)' : ''}`,
    ),
    ...unknownKey.map(key => `${key}: the charger does not know it`),
  ]
  say(options, outcome, lines.map(withoutControls).join('\n') || 'the charger shows no settings')
}

async function setKey(identity: string, key: string, value: string, options: OrderOptions): Promise<void> {
  await order(identity, { kind: 'changeConfiguration', key, value }, options)
}
