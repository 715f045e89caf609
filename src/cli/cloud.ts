// `chargemesh cloud`: the receiver that the nodes of one site or several push to.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { PaymentProvider } from '../cloud/payments.ts'
import type { ReceiverSite } from '../cloud/site.ts'
import { parseHostPort } from '../config.ts'
import { MeshError } from '../errors.ts'
import { type Closers, createClosers } from '../host/closers.ts'
import { readIdentity, readText, siteIdIn, writeSecret } from '../host/identity-files.ts'
import { systemClock, systemLogger, systemRandom } from '../host/system.ts'
import { ed25519 } from '../identity/signature.ts'
import type { Logger } from '../ports.ts'
import { hex, unhex } from '../units.ts'
import type { BrokerAccess } from '../uplink/broker.ts'
import { passwordIn } from './broker.ts'
import { certificateIn, operatorTokenIn, tokenIn } from './cloud-door.ts'
import { addCloudLists } from './cloud-lists.ts'
import { collect } from './operator.ts'
import { print, untilStopped } from './output.ts'
import { ADMIN_FILE, RECEIVER_FILE } from './receiver.ts'
import { type UnlockOptions, unlockOf, unlockOptions } from './unlock.ts'

type RunOptions = {
  readonly credentials: readonly string[]
  readonly dir: string
  readonly listen: string
  readonly host: readonly string[]
  readonly databaseUrl?: string
  readonly epoch?: number
  readonly durability?: 1 | 2
  readonly payments?: string
  readonly paymentsTokenFile?: string
  readonly paymentsKeyHours: number
  readonly mqtt?: string
  readonly mqttCa?: string
  readonly mqttUsername?: string
  readonly mqttPasswordFile?: string
  readonly retryPayments?: boolean
  readonly metricsTokenFile?: string
  readonly json?: boolean
} & UnlockOptions

export function addCloudCommands(program: Command): void {
  const cloud = program
    .command('cloud')
    .description('the receiver: verifies, bills once, answers with signed acks')
  unlockOptions(cloud.command('run'))
    .description('run the receiver until it is stopped')
    .option(
      '--credentials <dir>',
      'the cloud folder of a site (`site init` made it); repeat for more sites',
      collect,
      [],
    )
    .requiredOption('--dir <dir>', 'data folder: embedded PostgreSQL, certificate, operator token')
    .option('--listen <host:port>', 'address of the HTTPS server', '127.0.0.1:8443')
    .option('--host <name>', 'name or address that nodes will use; repeat for more', collect, [
      'localhost',
      '127.0.0.1',
    ])
    .option('--database-url <url>', 'a PostgreSQL server instead of the embedded one (or DATABASE_URL)')
    .option(
      '--epoch <n>',
      'after a restore or a fail-over that may have lost something: one more than before',
      cloudEpoch,
    )
    .option(
      '--durability <n>',
      'of a PostgreSQL server whose replicas cannot be seen: 2 promises that each commit waits for a second disk and is archived; nodes let go of old logs on that promise',
      durability,
    )
    .option('--payments <url>', 'payment provider that takes bills (https; see src/cloud/payments-http.ts)')
    .option('--payments-token-file <file>', 'its bearer token, alone in a file')
    .option('--payments-key-hours <n>', 'how long it remembers an Idempotency-Key', hours, 24)
    .option('--metrics-token-file <file>', 'a token that may read /metrics and nothing else, alone in a file')
    .option('--mqtt <url>', 'listen to nodes at an MQTT 5 broker, too: mqtts://host:8883')
    .option('--mqtt-ca <file>', 'PEM of the authority that signed the broker’s certificate')
    .option('--mqtt-username <name>', 'who the receiver is at the broker')
    .option('--mqtt-password-file <file>', 'its password there, alone in a file')
    .option('--retry-payments', 'offer bills that it refused once more')
    .option('--json', 'print its address as JSON when it is ready')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh cloud run --credentials ./stadium/cloud --dir ./cloud-data --listen 0.0.0.0:8443 --host 192.0.2.10\n  chargemesh cloud run --credentials ./stadium/cloud --dir ./cloud-data --epoch 2    # a backup was restored\n  chargemesh cloud run --credentials ./north/cloud --credentials ./south/cloud --dir ./cloud-data    # several sites',
    )
    .action(runCloud)
  addCloudLists(cloud)
}

function cloudEpoch(text: string): number {
  const epoch = Number(text)
  if (!/^\d+$/.test(text) || epoch < 1) throw new InvalidArgumentError('a whole number from 1 on')
  return epoch
}

function durability(text: string): number {
  if (text !== '1' && text !== '2') throw new InvalidArgumentError('1 or 2')
  return Number(text)
}

function hours(text: string): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < 1 || number > 8760)
    throw new InvalidArgumentError('a whole number from 1 to 8760')
  return number
}

async function runCloud(options: RunOptions): Promise<void> {
  const logger = systemLogger('info', 'cloud')
  const closers = createClosers(logger)
  try {
    await openCloud(options, logger, closers)
    const signal = await untilStopped()
    process.stderr.write(`${signal}: stopping\n`)
  } finally {
    await closers.unwind()
  }
}

async function openCloud(options: RunOptions, logger: Logger, closers: Closers): Promise<void> {
  const listen = parseHostPort(options.listen)
  if (!listen) throw new MeshError('CONFIG_INVALID', `--listen ${options.listen}: wanted host:port`)
  // Loaded only here: the embedded database would slow down every other command.
  const [{ openDatabase }, { openReceiver }] = await Promise.all([
    import('../cloud/database.ts'),
    import('../cloud/receiver.ts'),
  ])
  const sites = await sitesOf(options)
  await mkdir(options.dir, { recursive: true, mode: 0o700 })
  const [clock, random] = [systemClock(), systemRandom()]
  const url = options.databaseUrl ?? process.env.DATABASE_URL
  if (options.durability === 2 && url === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      '--durability 2 needs --database-url: the embedded database has one disk',
    )
  const database = await openDatabase({
    ...(url !== undefined && { url }),
    dir: join(options.dir, 'database'),
  })
  closers.push('database', () => database.close())
  const { key, cert, caPem } = await certificateIn(options.dir, options.host)
  const token = await operatorTokenIn(options.dir, random)
  const adminToken = hex(random.bytes(24))
  const { metricsTokenFile } = options
  const receiver = await openReceiver({
    listen,
    database,
    sites,
    ...(options.epoch !== undefined && { cloudEpoch: options.epoch }),
    ...(options.durability !== undefined && { durability: options.durability }),
    ...(options.payments !== undefined && { payments: await providerOf(options, options.payments) }),
    ...(options.mqtt !== undefined && { broker: await brokerOf(options, options.mqtt) }),
    tls: { key, cert },
    operatorToken: token,
    adminToken,
    ...(metricsTokenFile !== undefined && {
      metricsToken: await tokenIn(metricsTokenFile, 'the token of whoever reads metrics'),
    }),
    signatures: ed25519(),
    clock,
    random,
    logger,
  })
  closers.push('receiver', () => receiver.close())
  if (options.retryPayments) {
    const { retryRefused } = await import('../cloud/payments.ts')
    for (const { siteId } of sites) {
      const again = await retryRefused({ database, siteId, clock })
      logger.info('payments-offered-again', { siteId, bills: again })
    }
  }
  const caFile = join(options.dir, 'ca.pem')
  await writeSecret(caFile, caPem)
  const file = { url: receiver.url, token, sites: sites.map(({ siteId, name }) => ({ siteId, name })) }
  await writeSecret(join(options.dir, ADMIN_FILE), `${adminToken}\n`)
  await writeSecret(join(options.dir, RECEIVER_FILE), `${JSON.stringify(file)}\n`)
  if (options.json) print(JSON.stringify({ ready: true, url: receiver.url, caFile }))
  else
    print(
      `cloud runs at ${receiver.url}\n  nodes reach it with: chargemesh uplink add ${receiver.url} --ca ${caFile} --via <node folder>`,
    )
}

/** One secret opens the folders of all sites. */
async function sitesOf(options: RunOptions): Promise<readonly ReceiverSite[]> {
  if (options.credentials.length === 0)
    throw new MeshError('CONFIG_INVALID', 'wanted --credentials <dir>: the cloud folder of a site')
  const sites: ReceiverSite[] = []
  for (const dir of options.credentials) {
    const { site, certificates: encoded, keys } = await readIdentity(dir, unlockOf(options))
    const certificates = encoded.map(unhex)
    const certificate = certificates.at(-1)
    if (!certificate) throw new MeshError('CONFIG_INVALID', `${dir}: no certificate`)
    const cloud = { certificate, logKey: unhex(keys.logKey) }
    sites.push({ siteId: siteIdIn(site), rootKey: unhex(site.rootKey), name: site.name, certificates, cloud })
  }
  return sites
}

async function brokerOf(options: RunOptions, url: string): Promise<BrokerAccess> {
  const { mqttCa, mqttUsername: username, mqttPasswordFile } = options
  return {
    url,
    ...(mqttCa !== undefined && { caPem: await readText(mqttCa, '--mqtt-ca') }),
    ...(username !== undefined && { username }),
    ...(mqttPasswordFile !== undefined && { password: await passwordIn(mqttPasswordFile) }),
  }
}

/** In the clear only on this machine: the token would be read on the way. */
async function providerOf(options: RunOptions, url: string): Promise<PaymentProvider> {
  const at = URL.canParse(url) ? new URL(url) : undefined
  const isHere = at?.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(at.hostname)
  if (!at || (at.protocol !== 'https:' && !isHere))
    throw new MeshError('CONFIG_INVALID', `--payments ${url}: wanted https://..., or http:// on this machine`)
  if (options.paymentsTokenFile === undefined)
    throw new MeshError('CONFIG_INVALID', '--payments needs --payments-token-file')
  const token = await tokenIn(options.paymentsTokenFile, 'the token of the payment provider')
  const { httpProvider } = await import('../cloud/payments-http.ts')
  return httpProvider({ url, token, keyWindowMs: options.paymentsKeyHours * 3_600_000 })
}
