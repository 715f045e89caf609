// The terms of a grant that few cards need: whom a card belongs to, and where and how it may charge.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import type { BodyOf } from '../log/body.ts'
import { isDecimal } from '../tariff/price.ts'
import type { TokenRef } from '../units.ts'
import { wholeNumber } from './number.ts'

const MAX_GROUP_CHARS = 48
/** Longer than any card's id, so that no card has the reference of a group. */
const GROUP_PREFIX = 'the group of cards named '

export type TermOptions = {
  readonly group?: string
  readonly class: string
  readonly always?: boolean
  readonly connectorType?: string
  readonly maxKw?: string
  readonly capAmount?: string
}

export function termOptions(command: Command): Command {
  return command
    .option('--group <name>', 'cards of one group may end one another’s sessions')
    .option('--class <word>', 'for `policy set always-allow`, such as fleet or emergency', 'standard')
    .option('--always', 'charges also where `stale-policy` is `allowlist` (OCPI ALWAYS)')
    .option(
      '--connector-type <type>',
      'only at chargers of this type, such as IEC_62196_T2 (`charger add --type`)',
    )
    .option('--max-kw <n>', 'only at chargers that give no more (`charger add --max-kw`)')
    .option('--cap-amount <n>', 'so much money a day while the operator is offline')
}

export type ExtraTerms = {
  readonly groupRef?: TokenRef
  readonly class: string
  readonly whitelist: BodyOf<'grant'>['whitelist']
  readonly scope: Omit<BodyOf<'grant'>['scope'], 'zones'>
  readonly offline: Pick<BodyOf<'grant'>['offline'], 'maxAmountPerDay'>
}

export async function extraTermsOf(
  options: TermOptions,
  reference: (text: string) => Promise<TokenRef>,
): Promise<ExtraTerms> {
  const { group, connectorType, maxKw, capAmount } = options
  if (!/^[A-Za-z0-9_-]{1,24}$/.test(options.class))
    throw new MeshError('CONFIG_INVALID', `--class ${options.class}: wanted 1 to 24 of A-Z a-z 0-9 _ -`)
  if (group !== undefined && (group.trim() === '' || group.length > MAX_GROUP_CHARS))
    throw new MeshError('CONFIG_INVALID', `--group: wanted 1 to ${MAX_GROUP_CHARS} characters`)
  if (capAmount !== undefined && !isDecimal(capAmount))
    throw new MeshError(
      'CONFIG_INVALID',
      `--cap-amount ${capAmount}: wanted a plain decimal number, such as 20.00`,
    )
  return {
    class: options.class,
    whitelist: options.always ? 'ALWAYS' : 'ALLOWED_OFFLINE',
    ...(group !== undefined && { groupRef: await reference(GROUP_PREFIX + group.trim()) }),
    scope: {
      connectorTypes: connectorType === undefined ? [] : [connectorTypeOf('--connector-type', connectorType)],
      ...(maxKw !== undefined && { maxPowerW: 1000 * wholeNumber('--max-kw', maxKw) }),
    },
    offline: capAmount === undefined ? {} : { maxAmountPerDay: capAmount },
  }
}

/** OCPI 2.2.1, 8.4.5 ConnectorType: the words are the operator's choice, as long as cards and chargers use the same. */
export function connectorTypeOf(option: string, text: string): string {
  const type = text.trim().toUpperCase()
  if (/^[A-Z0-9_]{1,24}$/.test(type)) return type
  throw new MeshError(
    'CONFIG_INVALID',
    `${option} ${text}: wanted a type as OCPI names it, such as IEC_62196_T2`,
  )
}
