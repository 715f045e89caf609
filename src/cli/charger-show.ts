// `chargemesh charger show`: everything that is known of one charger, wherever it is connected.
import type { Command } from 'commander'
import { identityOf } from './charger-order.ts'
import { clientIn } from './operator.ts'
import { print, printJson } from './output.ts'

type Options = { readonly via: string; readonly json?: boolean }
type Progress = { readonly status: string; readonly requestId: number; readonly at: string }
/** As the node answers; what is not known is left out. */
type Report = {
  readonly chargerId: string
  readonly admitted: boolean
  readonly connectorsConfigured?: number
  readonly zone?: string
  readonly node?: string
  readonly since?: string
  readonly lastHeard?: string
  readonly version?: string
  readonly vendor?: string
  readonly model?: string
  readonly firmware?: string
  readonly booted?: string
  readonly update?: Progress
  readonly upload?: Progress
  readonly connectors?: readonly {
    readonly connectorId: number
    readonly status: string
    readonly errorCode: string
    readonly since: string
  }[]
  readonly repairs?: Readonly<Record<string, number>>
  readonly refused?: Readonly<Record<string, number>>
  readonly localList?: { readonly state: string; readonly version?: number; readonly entries?: number }
  readonly alsoHeldBy?: readonly string[]
  readonly lastSessionAt?: string
  readonly sessions: {
    readonly total: number
    readonly open: readonly { readonly sessionId: string; readonly connectorId: number }[]
  }
  readonly securityEvents: readonly {
    readonly event: string
    readonly recorded: string
    readonly by: string
  }[]
}

export function addShowCommand(charger: Command): void {
  charger
    .command('show <identity>')
    .description('where a charger is connected, what it is, its connectors, sessions, repairs and alarms')
    .requiredOption('--via <dir>', 'folder of any running node')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  chargemesh charger show CP01 --via ./pole-07')
    .action(async (identity: string, options: Options) => {
      const path = `/v1/chargers/${encodeURIComponent(identityOf(identity))}`
      const report = (await (await clientIn(options.via)).get(path)) as Report
      if (options.json) printJson(report)
      else print(textOf(report))
    })
}

function textOf(report: Report): string {
  const { node, vendor, model, firmware, localList, sessions, update, upload } = report
  const lines = [
    line(
      'charger',
      report.admitted
        ? admittedAs(report)
        : `${report.chargerId}, which this site does not let in: \`charger add\``,
    ),
    line('connected', placeOf(report)),
    report.alsoHeldBy &&
      line('also', `${report.alsoHeldBy.join(', ')} holds an older connection, not yet noticed to be dead`),
    node && line('make', vendor === undefined ? UNTOLD : [vendor, model, firmware].filter(Boolean).join(' ')),
    report.version && line('speaks', report.version),
    report.booted && line('booted', report.booted),
    ...(report.connectors ?? []).map(({ connectorId, status, errorCode, since }) =>
      line(
        `connector ${connectorId}`,
        `${status}${errorCode === 'NoError' ? '' : `, ${errorCode}`}, since ${since}`,
      ),
    ),
    line('sessions', `${sessions.total}, ${openOf(sessions.open)}`),
    update && line('firmware', progressOf(update)),
    upload && line('log', progressOf(upload)),
    localList && line('card list', listOf(localList)),
    counted('mended', report.repairs),
    counted('refused', report.refused),
    ...report.securityEvents.map(({ event, by }, i) =>
      line(i === 0 ? 'alarms' : '', `${event}, recorded by ${by}`),
    ),
  ]
  return lines.filter(one => one !== undefined && one !== '').join('\n')
}

const UNTOLD =
  'not said to this node since it started: ask with `charger trigger <identity> BootNotification`'

function line(title: string, text: string): string {
  return `${title.padEnd(12)} ${text}`
}

function admittedAs({ chargerId, connectorsConfigured, zone }: Report): string {
  return `${chargerId}, ${connectorsConfigured} connectors${zone === undefined ? '' : `, zone ${zone}`}`
}

function placeOf({ node, since, lastHeard, lastSessionAt }: Report): string {
  if (node !== undefined) return `to ${node} since ${since}, last heard ${lastHeard}`
  const last = lastSessionAt === undefined ? '' : `; its last session was recorded by ${lastSessionAt}`
  return `to none of the nodes that this one is connected to${last}`
}

function openOf(open: Report['sessions']['open']): string {
  if (open.length === 0) return 'none open'
  return `open: ${open.map(({ sessionId, connectorId }) => `${sessionId.slice(0, 8)} on connector ${connectorId}`).join(', ')}`
}

function progressOf({ status, requestId, at }: Progress): string {
  return `${status}${requestId === 0 ? '' : ` (request ${requestId})`}, ${at}`
}

function listOf({ state, version, entries }: NonNullable<Report['localList']>): string {
  return version === undefined ? state : `${state}; version ${version}, ${entries ?? 'unknown'} cards`
}

function counted(title: string, words: Readonly<Record<string, number>> | undefined): string | undefined {
  const all = Object.entries(words ?? {})
  return all.length === 0 ? undefined : line(title, all.map(([word, count]) => `${word} ${count}`).join(', '))
}
