// `chargemesh status`, `sessions`: what is going on.
import type { Command } from 'commander'
import type { SessionReport } from '../api/report.ts'
import { clientIn } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'
import { nextTryIn } from './uplink.ts'

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
    readonly nextTryInMs?: number
  }[]
  readonly forks: readonly unknown[]
}

function textOf(status: Status): string {
  const { store } = status
  const uplinks = status.uplinks.map(
    uplink =>
      `${uplink.name} ${uplink.state}${uplink.lastReason === undefined ? '' : ` (${uplink.lastReason})`}, ${nextTryIn(uplink.nextTryInMs)}`,
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
