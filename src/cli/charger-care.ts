// `chargemesh charger unlock|availability|reserve|firmware|logs|clear-cache|data`: what a charger needs besides sessions.
import { randomInt } from 'node:crypto'
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { readText } from '../host/identity-files.ts'
import { connectorIn, type OnConnector } from './charger-command.ts'
import { type OrderOptions, order, orderOptions } from './charger-order.ts'
import { wholeNumber } from './number.ts'
import { DASH_HELP, secretOf } from './secret.ts'
import { instantOf } from './time.ts'

const MAX_ID = 2 ** 31 - 1
const MINUTE_MS = 60_000
const DAY_MINUTES = 24 * 60

type Retrying = OrderOptions & { readonly retries?: string; readonly every?: string }
type FirmwareOptions = Retrying & {
  readonly at?: string
  readonly installAt?: string
  readonly certificate?: string
  readonly signature?: string
}
type LogOptions = Retrying & { readonly security?: boolean; readonly since?: string; readonly until?: string }

export function addCareCommands(charger: Command): void {
  const command = (line: string, description: string, example: string): Command =>
    orderOptions(charger.command(line))
      .description(description)
      .addHelpText('after', `\nExample:\n  chargemesh charger ${example} --via ./pole-07`)
  const retrying = (one: Command): Command =>
    one
      .option('--retries <n>', 'how often the charger tries the transfer')
      .option('--every <seconds>', 'how long it waits between two tries')
  command('unlock <identity>', 'let go of the cable', 'unlock CP01 --connector 1')
    .option('--connector <n>', 'which connector', '1')
    .action(async (identity: string, options: OrderOptions & { connector: string }) => {
      const connectorId = wholeNumber('--connector', options.connector)
      await order(identity, { kind: 'unlock', connectorId }, options)
    })
  command(
    'availability <identity> <on|off>',
    'take a charger or a connector in or out of service',
    'availability CP01 off --connector 2',
  )
    .option('--connector <n>', 'which connector; the whole charger without it')
    .action(async (identity: string, word: string, options: OnConnector) => {
      const operative = onOrOff(word)
      await order(identity, { kind: 'setAvailability', operative, ...connectorIn(options) }, options)
    })
  command(
    'clear-cache <identity>',
    'make it forget the cards that it let charge before',
    'clear-cache CP01',
  ).action(
    async (identity: string, options: OrderOptions) => await order(identity, { kind: 'clearCache' }, options),
  )
  command(
    'reserve <identity> <card>',
    `keep a connector for a card; card: ${DASH_HELP}`,
    'reserve CP01 04A2B3C4 --connector 1 --minutes 20',
  )
    .option('--connector <n>', 'which connector; any, where the charger can do that, without it', '0')
    .option('--minutes <n>', 'for how long', '15')
    .option('--id <n>', 'number of the reservation, to change one that is there')
    .action(reserve)
  command(
    'cancel-reservation <identity> <id>',
    'give a reserved connector free',
    'cancel-reservation CP01 4711',
  ).action(async (identity: string, id: string, options: OrderOptions) => {
    const reservationId = wholeNumber('id', id, { least: 0, most: MAX_ID })
    await order(identity, { kind: 'cancelReservation', reservationId }, options)
  })
  retrying(
    command(
      'firmware <identity> <url>',
      'let a charger fetch and install firmware; `charger show` says how far it is',
      'firmware CP01 ftp://10.0.0.5/pole.bin',
    ),
  )
    .option('--at <time>', 'when it may fetch it', 'now')
    .option('--install-at <time>', 'when it may install it, where the charger knows such a time')
    .option('--certificate <file>', "the maker's certificate (PEM); the charger then checks the file")
    .option('--signature <file>', 'the signature of the firmware (base64)')
    .action(updateFirmware)
  retrying(
    command(
      'logs <identity> <url>',
      'let a charger upload its logs; `charger show` says how far it is',
      'logs CP01 ftp://10.0.0.5/logs/',
    ),
  )
    .option('--security', 'the log of security events')
    .option('--since <time>', 'nothing older')
    .option('--until <time>', 'nothing newer')
    .action(uploadLogs)
  command(
    'network-profile <identity> <url>',
    'write the address of another node into a slot of the charger (OCPP 2.0.1)',
    'network-profile CP01 wss://10.0.0.6:8887/ocpp --slot 2',
  )
    .requiredOption(
      '--slot <n>',
      'which slot; NetworkConfigurationPriority says in which order they are tried',
    )
    .option('--profile <n>', 'security profile, 0 to 3', '2')
    .option('--interface <name>', 'Wired0 to Wired3, Wireless0 to Wireless3', 'Wired0')
    .option('--timeout <seconds>', 'how long the charger waits for an answer', '30')
    .action(setNetworkProfile)
  command(
    'data <identity> <vendorId> [messageId] [data]',
    "a vendor's own message",
    'data CP01 com.example Blink 3',
  ).action(
    async (
      identity: string,
      vendorId: string,
      messageId: string | undefined,
      data: string | undefined,
      options: OrderOptions,
    ) => {
      const said = { ...(messageId !== undefined && { messageId }), ...(data !== undefined && { data }) }
      await order(identity, { kind: 'dataTransfer', vendorId, ...said }, options)
    },
  )
}

function onOrOff(word: string): boolean {
  if (word === 'on') return true
  if (word === 'off') return false
  throw new MeshError('CONFIG_INVALID', `availability ${word}: wanted on or off`)
}

type ReserveOptions = OrderOptions & { connector: string; minutes: string; id?: string }

async function reserve(identity: string, card: string, options: ReserveOptions): Promise<void> {
  const minutes = wholeNumber('--minutes', options.minutes, { least: 1, most: DAY_MINUTES })
  const reservationId =
    options.id === undefined
      ? randomInt(1, MAX_ID)
      : wholeNumber('--id', options.id, { least: 0, most: MAX_ID })
  const connectorId = wholeNumber('--connector', options.connector)
  const untilAt = Date.now() + minutes * MINUTE_MS
  const idTag = await secretOf(card)
  if (!options.json) process.stderr.write(`reservation ${reservationId}\n`)
  await order(identity, { kind: 'reserve', reservationId, connectorId, idTag, untilAt }, options)
}

function again({ retries, every }: Retrying): {
  readonly retries?: number
  readonly retryIntervalS?: number
} {
  return {
    ...(retries !== undefined && { retries: wholeNumber('--retries', retries) }),
    ...(every !== undefined && { retryIntervalS: wholeNumber('--every', every) }),
  }
}

async function updateFirmware(identity: string, location: string, options: FirmwareOptions): Promise<void> {
  const { at, installAt, certificate, signature } = options
  if ((certificate === undefined) !== (signature === undefined))
    throw new MeshError('CONFIG_INVALID', 'a signed update needs both --certificate and --signature')
  const nowAt = Date.now()
  const signed = certificate !== undefined &&
    signature !== undefined && {
      certificate: await readText(certificate, '--certificate'),
      signature: (await readText(signature, '--signature')).trim(),
    }
  await order(
    identity,
    {
      ...{ kind: 'updateFirmware', requestId: randomInt(1, MAX_ID), location, ...again(options) },
      retrieveAt: instantOf('--at', at ?? 'now', nowAt),
      ...(installAt !== undefined && { installAt: instantOf('--install-at', installAt, nowAt) }),
      ...(signed && { signed }),
    },
    options,
  )
}

async function uploadLogs(identity: string, location: string, options: LogOptions): Promise<void> {
  const { since, until, security } = options
  const nowAt = Date.now()
  await order(
    identity,
    {
      ...{ kind: 'uploadLog', requestId: randomInt(1, MAX_ID), location, ...again(options) },
      log: security ? 'security' : 'diagnostics',
      ...(since !== undefined && { fromAt: instantOf('--since', since, nowAt) }),
      ...(until !== undefined && { untilAt: instantOf('--until', until, nowAt) }),
    },
    options,
  )
}

type ProfileOptions = OrderOptions & { slot: string; profile: string; interface: string; timeout: string }

async function setNetworkProfile(identity: string, url: string, options: ProfileOptions): Promise<void> {
  await order(
    identity,
    {
      ...{ kind: 'setNetworkProfile', url, interface: options.interface },
      slot: wholeNumber('--slot', options.slot),
      securityProfile: wholeNumber('--profile', options.profile),
      messageTimeoutS: wholeNumber('--timeout', options.timeout),
    },
    options,
  )
}
