// `chargemesh verify` of an audit file: what was found, in lines, as JSON or as a page.
import { writeFile } from 'node:fs/promises'
import type { FindingKind } from '../audit/findings.ts'
import { pageOf } from '../audit/page.ts'
import { type AuditReport, meaningOf } from '../audit/report.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { checkAuditFile } from '../host/audit-file.ts'
import { ed25519 } from '../identity/signature.ts'
import { print, printJson } from './output.ts'
import { startLines } from './progress.ts'

/** Findings of a kind that are printed; `--json` and `--html` have more. */
const MAX_LINES_OF_KIND = 10

export type Verifying = {
  /** Without it the file vouches for itself, and that is said aloud. */
  readonly rootKey?: Uint8Array
  readonly json?: boolean
  readonly html?: string
  readonly everySeal?: boolean
}

export async function verifyAudit(file: string, options: Verifying): Promise<void> {
  const progress = startLines('MiB', options.json !== true)
  let shown = 0
  const report = await checkAuditFile(file, {
    ...{ signatures: ed25519(), everySeal: options.everySeal ?? false },
    ...(options.rootKey && { rootKey: options.rootKey }),
    onBytes: (done, total) => {
      const mebibytes = Math.floor(done / 2 ** 20)
      progress.total(Math.ceil(total / 2 ** 20))
      if (mebibytes > shown) progress.step(mebibytes - shown)
      shown = Math.max(shown, mebibytes)
    },
  }).finally(() => progress.end())
  if (options.html !== undefined) await writePage(options.html, report)
  if (options.json) printJson(report)
  else print(textOf(report))
  if (!report.rootGiven)
    process.stderr.write(
      `NO ROOT KEY WAS GIVEN: the file is checked against its own, ${report.site?.rootKey ?? 'which it does not say'}. Compare it with the one that the operator gave you, or give --root.\n`,
    )
  if (report.verdict !== 'wrong') return
  const first = report.findings.find(one => one.severity === 'wrong')
  throw new MeshError(
    'PROOF_FAILED',
    first ? `${meaningOf(first.kind)}: ${first.text}` : 'the file proves nothing',
  )
}

async function writePage(path: string, report: AuditReport): Promise<void> {
  try {
    await writeFile(path, pageOf(report))
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `--html ${path} cannot be written: ${reasonOf(error)}`, error)
  }
}

const VERDICTS = {
  proven: 'PROVEN: nothing is wrong, and there is nothing to remark',
  'proven-with-remarks': 'PROVEN, with remarks: nothing is wrong',
  wrong: 'WRONG: this file does not prove what it should',
} as const

function textOf(report: AuditReport): string {
  const { counts, sessions, site, file } = report
  return [
    VERDICTS[report.verdict],
    ...(site
      ? [
          `site      ${plain(site.name)} (${site.siteId}), root key ${site.rootKey}${report.rootGiven ? '' : ' (the file’s own)'}`,
        ]
      : []),
    `file      ${file.bytes} bytes${file.madeAt === undefined ? '' : `, made by ${file.source} ${plain(file.madeBy ?? '')} at ${new Date(file.madeAt).toISOString()}`}`,
    ...(counts
      ? [
          `read      ${counts.events} events in ${report.logs.length} logs of ${report.devices.length} devices, ${report.seals} seals checked, ${counts.object} acks and beacons, ${counts.certificate} certificates`,
        ]
      : []),
    ...(sessions
      ? [
          `report    ${rangeOf(file)}`,
          `sessions  ${sessions.sessions}${sessions.sessions > 0 ? ` (${listOf(sessions.states)})` : ''}, ${(sessions.energyWh / 1000).toFixed(3)} kWh${sessions.outside > 0 ? `; ${sessions.outside} outside the time that is reported on` : ''}`,
          `due       ${listOf(sessions.due) || 'nothing'}`,
          ...(file.source === 'cloud'
            ? [`billed    ${listOf(sessions.billed) || 'nothing'}, in ${sessions.bills} revisions`]
            : []),
          ...(sessions.sessions > 0
            ? [
                `clocks    of nodes: ${listOf(sessions.nodeClocks)}; times told by: ${listOf(sessions.timesBy)}`,
              ]
            : []),
        ]
      : []),
    ...findingLines(report),
    'cannot be proven from any such file:',
    ...report.cannotBeProven.map(line => `  ${line}`),
  ].join('\n')
}

function findingLines({ found, findings }: AuditReport): readonly string[] {
  return (Object.entries(found) as [FindingKind, number][]).flatMap(([kind, count]) => {
    const ofKind = findings.filter(one => one.kind === kind)
    const shown = ofKind.slice(0, MAX_LINES_OF_KIND)
    const sign = ofKind[0]?.severity === 'wrong' ? 'WRONG' : 'remark'
    return [
      `${sign} ${kind} (${count}): ${meaningOf(kind)}`,
      ...shown.map(one => `  ${plain(one.text)}`),
      ...(count > shown.length ? [`  and ${count - shown.length} more`] : []),
    ]
  })
}

function rangeOf({ fromAt, toAt }: AuditReport['file']): string {
  const time = (at: number): string => (at <= 8.64e15 ? new Date(at).toISOString() : String(at))
  if (fromAt === undefined && toAt === undefined) return 'on all sessions'
  const from = fromAt === undefined ? '' : ` from ${time(fromAt)} on`
  return `on sessions that began${from}${toAt === undefined ? '' : ` before ${time(toAt)}`}, and on no others`
}

function listOf(counts: Readonly<Record<string, string | number>>): string {
  return Object.entries(counts)
    .map(([name, value]) => `${value} ${plain(name)}`)
    .join(', ')
}

/** Names come from chargers and devices: nothing of them reaches the terminal but letters. */
function plain(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, '?')
}
