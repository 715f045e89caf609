// `chargemesh charger limit`: the most that a charger or one of its connectors may give, held by the charger itself.
import type { Command } from 'commander'
import type { ChargingProfile } from '../charging-profile.ts'
import {
  type Cap,
  capabilitiesIn,
  LIMIT_KEYS,
  type Limit,
  limitFor,
  PERSON_PROFILE,
} from '../defaults/limits.ts'
import { type Setting, type Settings, shownIn } from '../defaults/settings.ts'
import { MeshError } from '../errors.ts'
import type { ChargerCommand, CommandOutcome } from '../ports.ts'
import { type OrderOptions, ordered, orderOptions, refusalOf } from './charger-order.ts'
import { wholeNumber } from './number.ts'
import { say } from './operator.ts'

type Options = OrderOptions & {
  readonly amps?: string
  readonly kw?: string
  readonly phases?: string
  readonly connector?: string
  readonly clear?: boolean
}

export function addLimitCommand(charger: Command): void {
  orderOptions(charger.command('limit <identity>'))
    .description('the most that a charger may give; it keeps that by itself, also without any node')
    .option('--amps <n>', 'amperes of each phase')
    .option('--kw <n>', 'kilowatts')
    .option(
      '--phases <n>',
      'of its supply, to count the one from the other where the charger takes only that',
    )
    .option('--connector <n>', 'of this connector, for every session; the whole charger without it')
    .option('--clear', 'take such a limit back')
    .addHelpText(
      'after',
      '\nExamples:\n  chargemesh charger limit CP01 --amps 16 --via ./pole-07\n  chargemesh charger limit CP01 --connector 2 --clear --via ./pole-07 --site ./stadium',
    )
    .action(limitCharger)
}

type Send = (command: ChargerCommand) => Promise<CommandOutcome>

async function limitCharger(identity: string, options: Options): Promise<void> {
  const connectorId =
    options.connector === undefined
      ? 0
      : wholeNumber('--connector', options.connector, { least: 1, most: 99 })
  const cap = capIn(options)
  const send: Send = async command => await ordered(identity, command, options)
  const where = connectorId === 0 ? identity : `${identity} connector ${connectorId}`
  if (!cap) {
    const outcome = await send({ kind: 'clearProfile', profileId: PERSON_PROFILE + connectorId })
    // Unknown is what it should be.
    const isGone = outcome.kind === 'rejected' && outcome.status === 'Unknown'
    if (!isGone) mustAccept(identity, outcome)
    say(options, { identity, connectorId, cleared: true }, `${where}: the limit is taken back`)
    return
  }
  const { limit, maxStackLevel } = await limitIn(identity, cap, send)
  const profile: ChargingProfile = {
    profileId: PERSON_PROFILE + connectorId,
    // Above what every session begins with.
    stackLevel: Math.min(1, maxStackLevel ?? 1),
    purpose: connectorId === 0 ? 'charger' : 'default',
    ...{ unit: limit.unit, periods: [{ fromS: 0, limit: limit.limit }] },
  }
  mustAccept(identity, await send({ kind: 'setProfile', connectorId, profile }))
  const note = limit.note === undefined ? '' : ` (${limit.note})`
  say(options, { identity, connectorId, ...limit }, `${where}: at most ${limit.limit} ${limit.unit}${note}`)
}

function capIn({ amps, kw, phases, clear }: Options): Cap | undefined {
  const given = [amps, kw, clear].filter(one => one !== undefined).length
  if (given !== 1) throw new MeshError('CONFIG_INVALID', 'wanted one of --amps, --kw and --clear')
  if (clear) return undefined
  return {
    ...(amps !== undefined && { amps: wholeNumber('--amps', amps, { least: 1, most: 10_000 }) }),
    ...(kw !== undefined && { watts: 1000 * wholeNumber('--kw', kw, { least: 1, most: 10_000 }) }),
    ...(phases !== undefined && { phases: wholeNumber('--phases', phases, { least: 1, most: 3 }) }),
    isDirect: false,
  }
}

/** In the unit that the charger says it takes. */
async function limitIn(
  identity: string,
  cap: Cap,
  send: Send,
): Promise<{ readonly limit: Limit; readonly maxStackLevel: number | undefined }> {
  const read = await send({ kind: 'getConfiguration', keys: Object.values(LIMIT_KEYS) })
  if (read.kind === 'unreachable') mustAccept(identity, read)
  const can = capabilitiesIn(read.kind === 'accepted' ? settingsIn(read.detail) : new Map())
  const limit = limitFor(cap, can)
  if (typeof limit === 'string') throw new MeshError('CHARGER_REFUSED', `${identity}: ${limit}`)
  return { limit, maxStackLevel: can.maxStackLevel }
}

function settingsIn(detail: unknown): Settings {
  const settings = shownIn(detail).configurationKey.map(
    ({ key, value = '' }) => [key.toLowerCase(), { value, isReadOnly: true } satisfies Setting] as const,
  )
  return new Map(settings)
}

function mustAccept(identity: string, outcome: CommandOutcome): void {
  if (outcome.kind !== 'accepted') throw refusalOf(identity, outcome)
}
