// `chargemesh trace`: one session from the charger's words to the cloud's receipt and the bill, told by a node, by the cloud,
// or by both.
import type { Command } from 'commander'
import type { TraceLog, TraceReport } from '../api/trace.ts'
import type { CloudTrace } from '../cloud/trace.ts'
import { MeshError } from '../errors.ts'
import { clientIn } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'
import { type CloudReader, cloudReader } from './receiver.ts'
import { digitsOf, named, sessionsAt } from './session-named.ts'
import { nextTryIn } from './uplink.ts'

type TraceOptions = { readonly via?: string; readonly cloud?: string; readonly json?: boolean }
type Row = Readonly<Record<string, unknown>>
type Told = {
  readonly sessionId: string
  readonly node?: TraceReport | 'unknown'
  readonly cloud?: CloudTrace | 'unknown'
}

export function addTraceCommand(program: Command): void {
  program
    .command('trace <session>')
    .description('one session through everything: who recorded it, who holds it, receipts, bills')
    .option('--via <dir>', 'folder of a running node: what it knows')
    .option('--cloud <dir>', 'data folder of `chargemesh cloud run`: what the cloud has')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The first digits of its id are enough. Each event stands with the node that recorded it and the place in that node's log;
below, each log with who holds it, what of it waits for an uplink, and the newest receipt for it.

Example:
  chargemesh trace 4f2a91c0 --via ./pole-07 --cloud ./cloud-data`,
    )
    .action(async (id: string, options: TraceOptions) => {
      const told = await trace(id, options)
      if (options.json) printJson(told)
      else print(textOf(told))
    })
}

async function trace(id: string, { via, cloud }: TraceOptions): Promise<Told> {
  if (via === undefined && cloud === undefined)
    throw new MeshError('CONFIG_INVALID', 'who is asked? name --via <node folder>, --cloud <dir>, or both')
  const read = cloud === undefined ? undefined : await cloudReader(cloud)
  const atNode = via === undefined ? [] : await sessionsAt(via)
  // A node that let go of it knows it no more, and the cloud does.
  const isThere = read === undefined || atNode.some(one => one.sessionId.startsWith(digitsOf(id)))
  const sessionId = isThere ? named(atNode, id).sessionId : await idIn(read, id)
  const node = via === undefined ? undefined : isThere ? await toldBy(via, sessionId) : 'unknown'
  const held = read && (await heldBy(read, sessionId))
  return { sessionId, ...(node && { node }), ...(held && { cloud: held }) }
}

async function toldBy(via: string, sessionId: string): Promise<TraceReport> {
  return (await (await clientIn(via)).get(`/v1/sessions/${sessionId}/trace`)) as TraceReport
}

async function idIn(read: CloudReader, id: string): Promise<string> {
  const found = await beginning(read, digitsOf(id))
  const [one, other] = found
  if (one === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      `session ${id}: the cloud has none; it may not have been handed in yet`,
    )
  if (other !== undefined)
    throw new MeshError('CONFIG_INVALID', `session ${id}: ${one} and ${other} begin so; say more digits`)
  return one
}

/** The list is sorted, so what begins so stands behind the text before it. */
async function beginning(read: CloudReader, digits: string): Promise<readonly string[]> {
  const page = (await read('/v1/sessions', { cursor: digits.slice(0, -1), limit: '1000' })) as {
    readonly items: readonly { readonly sessionId: string }[]
    readonly next?: string
  }
  return page.items.map(({ sessionId }) => sessionId).filter(sessionId => sessionId.startsWith(digits))
}

/** What a node knows may not have reached the cloud yet: that is an answer too. */
async function heldBy(read: CloudReader, sessionId: string): Promise<CloudTrace | 'unknown'> {
  const [held] = await beginning(read, sessionId)
  return held === undefined ? 'unknown' : ((await read(`/v1/sessions/${sessionId}/trace`)) as CloudTrace)
}

function textOf({ sessionId, node, cloud }: Told): string {
  return [
    `session ${sessionId}`,
    ...(node === 'unknown' ? ['', 'node: it knows nothing of this session, or let go of it'] : []),
    ...(node && node !== 'unknown' ? nodeLines(node) : []),
    ...(cloud === 'unknown' ? ['', 'cloud: it has heard nothing of this session yet'] : []),
    ...(cloud && cloud !== 'unknown' ? cloudLines(cloud) : []),
  ].join('\n')
}

function nodeLines(node: TraceReport): readonly string[] {
  const { startedAt, startedClock, stoppedAt, stoppedClock, flags } = node
  const stopped = stoppedAt === undefined ? 'not stopped' : `stopped ${stoppedAt} (${stoppedClock})`
  return [
    `  ${node.state} at ${node.chargerId}, connector ${node.connectorId}${flags.length > 0 ? `; ${flags.join(', ')}` : ''}`,
    `  started ${startedAt} (by the clock: ${startedClock}), ${stopped}`,
    '',
    `as ${node.toldBy} knows it, ${node.durable ? 'all of it on its disk' : `NOT SAFE ON ITS DISK: ${node.storeReason}`}:`,
    tableOf(node.events, [
      ['recorded', row => row.recordedAt],
      ['clock', row => row.clock],
      ['node', row => row.node],
      ['event', row => row.what],
      ['place', row => shortOf(row.event)],
      ['hash', row => row.hash.slice(0, 8)],
      ['cloud', row => (row.acked ? 'receipt' : 'waits')],
      ['', row => row.detail],
    ]),
    ...node.ticks.map(
      one =>
        `readings: ${one.count} by ${one.node}, ${shortOf(`${one.logId}/${one.firstSeq}`)} to ${one.lastSeq}${one.lastWh === undefined ? '' : `, the last at ${one.lastWh} Wh`}`,
    ),
    '',
    tableOf(node.logs, [
      ['log', row => row.logId.slice(0, 8)],
      ['of', row => row.node],
      ['up to', row => row.lastSeq],
      ['held by', row => [node.toldBy, ...row.holders].join(', ')],
      ['receipt', receiptText],
      ['waits', row => (row.unsent === 0 ? '' : `${row.unsent} events`)],
      ['', row => (row.forkedAt === undefined ? '' : `TWO BRANCHES from ${row.forkedAt} on`)],
    ]),
    ...uplinkLines(node),
  ]
}

function receiptText({ ack, lastSeq }: TraceLog): string {
  if (!ack) return 'none'
  const covers = ack.seq >= lastSeq ? '' : `, only up to ${ack.seq}`
  return `${ack.signature}, ${ack.issuedAt}, durability ${ack.durability}, epoch ${ack.cloudEpoch}${covers}`
}

function uplinkLines({ logs, uplinks }: TraceReport): readonly string[] {
  if (logs.every(({ unsent }) => unsent === 0)) return []
  if (uplinks.length === 0) return ['this node has no uplink: what waits goes out by others']
  return uplinks.map(
    ({ name, state, lastReason, nextTryInMs }) =>
      `uplink ${name}: ${state}${lastReason === undefined ? '' : ` (${lastReason})`}, ${nextTryIn(nextTryInMs)}`,
  )
}

function cloudLines({ session, events, ticks, bills, cloudEpoch }: CloudTrace): readonly string[] {
  const { state, flags } = session as { readonly state: string; readonly flags: readonly string[] }
  return [
    '',
    `cloud, epoch ${cloudEpoch}: ${state}${flags.length > 0 ? `; ${flags.join(', ')}` : ''}`,
    tableOf(events, [
      ['arrived', row => new Date(row.receivedAt).toISOString()],
      ['node', row => row.node],
      ['event', row => row.what],
      ['place', row => shortOf(row.event)],
      ['hash', row => row.hash.slice(0, 8)],
      ['receipt', row => (row.acked ? 'given' : 'due')],
      ['', row => (row.counts ? '' : 'does not count: behind a fork or a revocation')],
    ]),
    ...(ticks.count > 0 ? [`readings: ${ticks.count}`] : []),
    ...(bills.length === 0 ? ['not billed'] : [billTable(bills as readonly Row[])]),
  ]
}

function billTable(bills: readonly Row[]): string {
  const at = (value: unknown): string => (typeof value === 'number' ? new Date(value).toISOString() : '')
  return tableOf(bills, [
    ['revision', row => String(row.revision)],
    ['issued', row => at(row.issuedAt)],
    ['kind', row => String(row.kind)],
    ['reason', row => String(row.reason)],
    ['amount', row => `${row.amount} ${row.currency}`],
    ['payment key', row => String(row.idempotencyKey ?? '').slice(0, 12)],
    ['paid', row => at(row.sentAt) || (row.idempotencyKey ? 'waits' : 'nothing to pay')],
  ])
}

/** `log/seq`, the log by its first digits. */
function shortOf(place: string): string {
  const [log = '', seq] = place.split('/')
  return `${log.slice(0, 8)}/${seq}`
}
