// `chargemesh audit`: one file that proves what was billed.
import type { Command } from 'commander'
import { z } from 'zod'
import { apiFileIn } from '../api/client.ts'
import { HEADER, KIND, SEGMENT } from '../audit/format.ts'
import { type AuditRecord, createAuditReader } from '../audit/reader.ts'
import { fromBytes } from '../cbor.ts'
import { MeshError } from '../errors.ts'
import { readJson } from '../host/identity-files.ts'
import { writeStream } from '../host/stream-file.ts'
import { countOf } from '../replica/canonical.ts'
import { download, type Source } from './download.ts'
import { say } from './operator.ts'
import { startLines } from './progress.ts'
import { cloudPlace } from './receiver.ts'
import { instantOf } from './time.ts'

type ExportOptions = {
  readonly via?: string
  readonly cloud?: string
  readonly from?: string
  readonly to?: string
  readonly out: string
  readonly json?: boolean
}

export function addAuditCommands(program: Command): void {
  const audit = program.command('audit').description('one file that proves what was billed')
  audit
    .command('export')
    .description(
      'write all logs, acks and bills into a file that `chargemesh verify` checks without the site',
    )
    .option('--via <dir>', 'folder of a running node: what this node holds, and what it makes of it')
    .option(
      '--cloud <dir>',
      'data folder of `chargemesh cloud run`: what every node has pushed, and all bills',
    )
    .option('--from <time>', 'report on sessions that began then or later; a date is UTC midnight')
    .option('--to <time>', 'report on sessions that began before')
    .requiredOption('--out <file>', 'the file; there must be none of this name')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The logs stand in the file whole: a session of June may be corrected in August. --from and --to
say which sessions and bills are reported on.

Example:
  chargemesh audit export --cloud ./cloud-data --from 2026-06-01 --to 2026-07-01 --out june.audit`,
    )
    .action(runExport)
}

async function runExport(options: ExportOptions): Promise<void> {
  const source = await sourceOf(options)
  const path = `${source.path}?${queryOf(options)}`
  const progress = startLines('events', options.json !== true)
  const taken = { events: 0, bills: 0, sessions: 0, records: 0 }
  const note = ({ kind, payload }: AuditRecord): void => {
    taken.records += 1
    if (kind === KIND.header) progress.total(fromBytes(HEADER, payload).events)
    if (kind === KIND.bill) taken.bills += 1
    if (kind === KIND.session) taken.sessions += 1
    if (kind !== KIND.segment) return
    const events = countOf(fromBytes(SEGMENT, payload).update)
    taken.events += events
    progress.step(events)
  }
  const bytes = await writeStream(options.out, checked(download(source, path), note)).finally(() =>
    progress.end(),
  )
  say(
    options,
    { file: options.out, bytes, ...taken },
    `${options.out}: ${bytes} bytes, ${taken.events} events, ${taken.bills} bills\ncheck it with: chargemesh verify ${options.out} --root <the site's root key>`,
  )
}

/** Hands on what is a whole audit file by its own sums; what was cut on the way is no file at all. */
async function* checked(
  pieces: AsyncIterable<Uint8Array>,
  note: (record: AuditRecord) => void,
): AsyncGenerator<Uint8Array, void, void> {
  const reader = createAuditReader()
  try {
    for await (const piece of pieces) {
      for (const record of reader.push(piece)) note(record)
      yield piece
    }
    reader.end()
  } catch (error) {
    if (error instanceof MeshError || !(error instanceof Error)) throw error
    throw new MeshError(
      'PROOF_FAILED',
      `what came is no whole audit file, nothing was written: ${error.message}`,
      error,
    )
  }
}

const PLANE = z.object({ url: z.url(), token: z.string() })

const PATH = '/v1/audit'

async function sourceOf({ via, cloud }: ExportOptions): Promise<Source & { readonly path: string }> {
  if ((via === undefined) === (cloud === undefined))
    throw new MeshError('CONFIG_INVALID', 'say where from: --via <node folder> or --cloud <data folder>')
  if (via !== undefined) {
    const plane = await readJson(apiFileIn(via), PLANE, 'is the node running, and is this its folder?')
    return { ...plane, path: PATH, name: 'the node', code: 'NODE_UNREACHABLE' }
  }
  const { url, token, ca, pathOf } = await cloudPlace(cloud ?? '')
  return { url, token, ca, path: pathOf(PATH), name: 'the cloud', code: 'UPLINK_FAILED' }
}

function queryOf({ from, to }: ExportOptions): URLSearchParams {
  const nowAt = Date.now()
  const fromAt = from === undefined ? undefined : instantOf('--from', from, nowAt)
  const toAt = to === undefined ? undefined : instantOf('--to', to, nowAt)
  if (fromAt !== undefined && toAt !== undefined && fromAt >= toAt)
    throw new MeshError('CONFIG_INVALID', `--from ${from} is not before --to ${to}`)
  const query = new URLSearchParams()
  if (fromAt !== undefined) query.set('from', String(fromAt))
  if (toAt !== undefined) query.set('to', String(toAt))
  return query
}
