// `chargemesh status`, `sessions`, `bills`: what is going on.
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import type { Command } from 'commander'
import { z } from 'zod'
import type { SessionReport } from '../api/report.ts'
import { MeshError } from '../errors.ts'
import { readJson, readText } from '../host/identity-files.ts'
import { clientIn } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'

const RECEIVER = z.object({ url: z.string(), token: z.string() })
export const RECEIVER_FILE = 'receiver.json'
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

export function addStatusCommands(program: Command): void {
  program
    .command('status')
    .description('one node: its peers, chargers, store, uplinks and what it refused')
    .requiredOption('--via <dir>', 'folder of a running node')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  chargemesh status --via ./pole-07')
    .action(async (options: { via: string; json?: boolean }) => {
      const status = await (await clientIn(options.via)).get('/v1/status')
      if (options.json) printJson(status)
      else print(textOf(status as Status))
    })
  program
    .command('sessions')
    .description('the same as `session list`')
    .requiredOption('--via <dir>', 'folder of a running node')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  chargemesh sessions --via ./pole-07')
    .action(async (options: { via: string; json?: boolean }) => {
      const sessions = (await (await clientIn(options.via)).get('/v1/sessions')) as readonly SessionReport[]
      if (options.json) printJson(sessions)
      else print(sessionTable(sessions))
    })
  program
    .command('bills')
    .description('bills, as the cloud has them')
    .requiredOption('--cloud <dir>', 'data folder of `chargemesh cloud run`')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  chargemesh bills --cloud ./cloud-data')
    .action(async (options: { cloud: string; json?: boolean }) => {
      const bills = await cloudRows(options.cloud, '/v1/bills')
      if (options.json) printJson(bills)
      else print(billTable(bills))
    })
}

type Status = {
  readonly name: string
  readonly peers: readonly string[]
  readonly chargersConnected: readonly string[]
  readonly store: {
    readonly store: string
    readonly storeReason?: string
    readonly recovered: string
    readonly journalBytes: number
  }
  readonly sessions: { readonly open: number; readonly ended: number; readonly orphanStops: number }
  readonly cards: number
  readonly unsentEvents: number
  readonly uplinks: readonly {
    readonly name: string
    readonly state: string
    readonly lastReason?: string
    readonly nextTryInMs: number
  }[]
  readonly forks: readonly unknown[]
}

function textOf(status: Status): string {
  const { store } = status
  const uplinks = status.uplinks.map(
    uplink =>
      `${uplink.name} ${uplink.state}${uplink.lastReason === undefined ? '' : ` (${uplink.lastReason})`}, next in ${Math.round(uplink.nextTryInMs / 1000)} s`,
  )
  return [
    `node      ${status.name}`,
    `peers     ${status.peers.length === 0 ? 'none: this node is alone' : status.peers.join(', ')}`,
    `chargers  ${status.chargersConnected.join(', ') || 'none connected'}`,
    `store     ${store.store}${store.storeReason === undefined ? '' : `: ${store.storeReason}`} (${store.journalBytes} bytes; at boot: ${store.recovered})`,
    `sessions  ${status.sessions.open} open, ${status.sessions.ended} ended, ${status.sessions.orphanStops} stops without a session`,
    `cards     ${status.cards}`,
    `unsent    ${status.unsentEvents} events`,
    `uplinks   ${uplinks.join('; ') || 'none'}`,
    ...(status.forks.length > 0 ? [`FORKS     ${JSON.stringify(status.forks)}`] : []),
  ].join('\n')
}

export function sessionTable(sessions: readonly SessionReport[]): string {
  return tableOf(sessions, [
    ['session', row => row.sessionId.slice(0, 8)],
    ['state', row => row.state],
    ['card', row => row.card],
    ['charger', row => `${row.chargerId}/${row.connectorId}`],
    ['transaction', row => row.transactionId],
    [
      'started',
      row =>
        `${row.startedAt.slice(0, 16)}Z${row.clock.started === 'charger' ? '' : ` (${row.clock.started})`}`,
    ],
    ['nodes', row => row.recordedBy.join(' ')],
    ['kWh', kWhOf],
    ['cost', row => (row.cost === undefined ? '' : `${row.cost} ${row.currency}`)],
    ['receipt', row => row.receipt],
    ['flags', row => row.flags.join(' ')],
  ])
}

/** What is still flowing stands with an ellipsis. */
export function kWhOf(row: SessionReport): string {
  if (row.energyWh !== undefined) return (row.energyWh / 1000).toFixed(3)
  return row.energySoFarWh === undefined ? '' : `${(row.energySoFarWh / 1000).toFixed(3)}…`
}

/** Rows of a list at the cloud, all pages. */
export async function cloudRows(
  dir: string,
  path: string,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const receiver = await readJson(
    join(dir, RECEIVER_FILE),
    RECEIVER,
    'is the cloud running, and is this its data folder?',
  )
  const ca = await readText(join(dir, 'ca.pem'), 'the receiver’s certificate')
  const rows: Readonly<Record<string, unknown>>[] = []
  let cursor: string | undefined
  do {
    const query = `?limit=1000${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`
    const page = JSON.parse(
      await getText(`${receiver.url}${path}${query}`, { ca, token: receiver.token }),
    ) as {
      items: readonly Readonly<Record<string, unknown>>[]
      next?: string | null
    }
    rows.push(...page.items)
    cursor = page.next ?? undefined
  } while (cursor !== undefined)
  return rows
}

function getText(
  url: string,
  { ca, token }: { readonly ca: string; readonly token: string },
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const request = httpsRequest(url, { ca, headers: { authorization: `Bearer ${token}` } }, response => {
    const parts: Buffer[] = []
    let bytes = 0
    response.on('data', (part: Buffer) => {
      bytes += part.length
      if (bytes > MAX_ANSWER_BYTES) request.destroy(new Error('the answer is too long'))
      parts.push(part)
    })
    response.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8')
      if (response.statusCode === 200) resolve(text)
      else
        reject(
          new MeshError('UPLINK_FAILED', `the cloud answered ${response.statusCode}: ${text.slice(0, 200)}`),
        )
    })
  })
  request.on('error', error =>
    reject(new MeshError('UPLINK_FAILED', `the cloud does not answer at ${url}: ${error.message}`, error)),
  )
  request.end()
  return promise
}

function billTable(bills: readonly Readonly<Record<string, unknown>>[]): string {
  const cell = (name: string) => (row: Readonly<Record<string, unknown>>) => String(row[name] ?? '')
  return tableOf(bills, [
    ['session', row => String(row.sessionId).slice(0, 8)],
    ['revision', cell('revision')],
    ['kind', cell('kind')],
    ['Wh', cell('energyWh')],
    ['amount', cell('amount')],
    ['currency', cell('currency')],
    ['reason', cell('reason')],
  ])
}
