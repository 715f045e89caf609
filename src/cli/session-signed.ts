// `chargemesh session signed`: what the meter itself signed of a session, opened with the operator's key, written out byte
// for byte and verified.
import type { KeyObject } from 'node:crypto'
import { mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { isoOf } from '../api/report.ts'
import type { SignedReport } from '../api/signed.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { readText } from '../host/identity-files.ts'
import { wallOf } from '../log/hlc.ts'
import { readPublicKey } from '../ocpp/ocmf.ts'
import { type Agreement, compare, type Examined, examine } from '../ocpp/signed.ts'
import { asOperator, clientIn, collect } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'
import { openSealedReader } from './sealed-reader.ts'
import { named, sessionsAt } from './session-named.ts'
import { type UnlockOptions, unlockOptions } from './unlock.ts'

type SignedOptions = UnlockOptions & {
  readonly site: string
  readonly via: string
  readonly out?: string
  readonly publicKey: readonly string[]
  readonly json?: boolean
}

export function addSignedCommand(session: Command): void {
  unlockOptions(session.command('signed <id>'))
    .description('the signed meter values of a session (OCMF): read, verify, write them out byte for byte')
    .requiredOption('--site <dir>', "the site's folder: its keys open them")
    .requiredOption('--via <dir>', 'folder of a running node that has the session')
    .option(
      '--out <dir>',
      'write each value there as the charger sent it, and what the meter signed beside it',
    )
    .option(
      '--public-key <key>',
      "the meter's public key: hex or base64 of its DER, or a PEM file; repeat for more",
      collect,
      [],
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Each value is valid, not valid, key unknown or format unknown. A key that comes along with a value shows only that nothing
was changed since; whose meter it is, only a key from elsewhere shows (its label, its type approval). What is printed and
written may name the card.

Example:
  chargemesh session signed 4f2a91c0 --site ./stadium --via ./pole-07 --out ./signed`,
    )
    .action(showSigned)
}

type Opened = Examined & {
  readonly text: string
  readonly event: string
  readonly sampledAt: string
  readonly nodes: readonly string[]
}

async function showSigned(id: string, options: SignedOptions): Promise<void> {
  const keys = await Promise.all(options.publicKey.map(key => meterKeyOf(key, '--public-key')))
  const { sessionId } = named(await sessionsAt(options.via), id)
  const client = await clientIn(options.via)
  const report = (await client.get(`/v1/sessions/${sessionId}/signed`)) as SignedReport
  const { opened, closed, destroyed } = await openAll(options, report, keys)
  const agreement = agreementOf(report, opened)
  const files = options.out === undefined ? undefined : await writeOut(options.out, opened)
  if (options.json)
    printJson({ ...about(report), ...agreement, values: opened.map(toJson), closed, destroyed, files })
  else print(textOf(report, { opened, closed, ...(destroyed && { destroyed }), agreement, files }))
  const wrong = opened.filter(one => one.verdict === 'not-valid').length
  if (wrong > 0 || closed > 0 || agreement.registers === 'differ')
    throw new MeshError('SIGNATURE_INVALID', faultOf({ wrong, closed, agreement }))
}

/** `option`: where it was given, for whoever got it wrong. */
export async function meterKeyOf(text: string, option: string): Promise<KeyObject> {
  const file = 'an elliptic curve key in hex or base64 (DER), or the path of a PEM file'
  const key = readPublicKey(text) ?? readPublicKey(await readText(text, `${option} wants ${file}`))
  if (key) return key
  throw new MeshError('CONFIG_INVALID', `${option} ${text.slice(0, 40)}: wanted ${file}`)
}

type OpenedAll = {
  readonly opened: readonly Opened[]
  readonly closed: number
  /** They were sealed to an account that was forgotten. */
  readonly destroyed?: { readonly values: number; readonly at: string; readonly reason: string }
}

/** The charger may have told two nodes the same: it is shown once. */
async function openAll(
  options: SignedOptions,
  { values, tokenRef }: SignedReport,
  keys: readonly KeyObject[],
): Promise<OpenedAll> {
  return await asOperator({ ...options, via: [], json: true, mayBeWithdrawn: true }, async operator => {
    const found = new Map<string, Opened>()
    const reader = await openSealedReader(operator)
    let closed = 0
    for (const { event, node, sampledAt, sealed } of values) {
      const text = reader.open(sealed, tokenRef)
      if (text === undefined) {
        closed += 1
        continue
      }
      const held = found.get(`${sampledAt} ${text}`)
      const one = held ?? { ...examine(text, keys), text, event, sampledAt, nodes: [] }
      found.set(`${sampledAt} ${text}`, { ...one, nodes: [...new Set([...one.nodes, node])] })
    }
    const forgotten = reader.forgotten(tokenRef)
    if (!forgotten || closed === 0) return { opened: [...found.values()], closed }
    const destroyed = { values: closed, at: isoOf(wallOf(forgotten.hlc)), reason: forgotten.body.reason }
    return { opened: [...found.values()], closed: 0, destroyed }
  })
}

type Registers = {
  readonly registers: Agreement['verdict']
  readonly signedBeginWh?: number
  readonly signedEndWh?: number
}

/** Values that are not valid say nothing. */
function agreementOf({ meterStartWh, meterStopWh }: SignedReport, opened: readonly Opened[]): Registers {
  if (meterStopWh === undefined) return { registers: 'unknown' }
  const records = opened.flatMap(({ ocmf, verdict }) => (ocmf && verdict !== 'not-valid' ? [ocmf] : []))
  const { verdict, signed } = compare(records, { beginWh: meterStartWh, endWh: meterStopWh })
  return {
    registers: verdict,
    ...(signed && { signedBeginWh: signed.beginWh, signedEndWh: signed.endWh }),
  }
}

/** Byte for byte; what is there already is not written over. */
async function writeOut(dir: string, opened: readonly Opened[]): Promise<readonly string[]> {
  const files: string[] = []
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    for (const [i, { text, content, format }] of opened.entries()) {
      const name = join(dir, String(i + 1).padStart(3, '0'))
      const ending = format === 'OCMF' ? 'ocmf' : 'meter'
      for (const [path, bytes] of [
        [`${name}.signed`, text],
        [`${name}.${ending}`, content],
      ] as const) {
        const file = await open(path, 'wx', 0o600)
        await file.writeFile(bytes, 'utf8').finally(async () => await file.close())
        files.push(path)
      }
    }
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `--out ${dir} cannot be written: ${reasonOf(error)}`, error)
  }
  return files
}

function about({
  sessionId,
  chargerId,
  meterStartWh,
  meterStopWh,
}: SignedReport): Omit<SignedReport, 'values'> {
  return { sessionId, chargerId, meterStartWh, ...(meterStopWh !== undefined && { meterStopWh }) }
}

function toJson({ ocmf, text: _, content: __, ...rest }: Opened): Readonly<Record<string, unknown>> {
  const { meter, gateway, page, algorithm, readings } = ocmf ?? {}
  return { ...rest, ...(ocmf && { meter, gateway, page, algorithm, readings }) }
}

type Shown = OpenedAll & { readonly agreement: Registers; readonly files: readonly string[] | undefined }

const WORDS = {
  valid: 'valid',
  'not-valid': 'NOT VALID',
  'key-unknown': 'key unknown',
  'format-unknown': 'format unknown',
}

function textOf(report: SignedReport, { opened, closed, destroyed, agreement, files }: Shown): string {
  const { sessionId, chargerId } = report
  if (opened.length === 0 && closed === 0 && !destroyed)
    return `session ${sessionId.slice(0, 8)} at ${chargerId}: its charger sent no signed values`
  const table = tableOf(opened, [
    ['sampled', row => row.sampledAt],
    ['format', row => row.format],
    ['meter', row => row.ocmf?.meter],
    ['page', row => row.ocmf?.page],
    ['readings', row => readingsText(row)],
    ['signature', row => WORDS[row.verdict]],
    ['', row => row.reason ?? (row.keyFrom === 'value' ? 'by the key that came along' : '')],
  ])
  return [
    `session ${sessionId.slice(0, 8)} at ${chargerId}`,
    table,
    agreementText(report, agreement),
    ...(closed > 0 ? [`${closed} values do not open with this operator's keys`] : []),
    ...(destroyed
      ? [
          `${destroyed.values} values cannot be read by anybody: the key of this account was destroyed at ${destroyed.at} (${destroyed.reason})`,
        ]
      : []),
    ...(files ? [`written: ${files.length} files, from ${files[0] ?? 'none'} on`] : []),
  ].join('\n')
}

function readingsText({ ocmf }: Opened): string {
  return (ocmf?.readings ?? [])
    .map(
      ({ reason, energyWh, errors }) =>
        `${reason || '?'} ${energyWh ?? '?'} Wh${errors === '' ? '' : ` (${errors})`}`,
    )
    .join(', ')
}

function agreementText({ meterStartWh, meterStopWh }: SignedReport, agreement: Registers): string {
  const { registers, signedBeginWh, signedEndWh } = agreement
  const signed = signedBeginWh === undefined ? '' : `signed ${signedBeginWh} to ${signedEndWh} Wh, `
  const ours = `session ${meterStartWh} to ${meterStopWh ?? '...'} Wh`
  if (registers === 'unknown') return `registers: no begin and end were signed, or it has not ended; ${ours}`
  return `registers: ${signed}${ours}: ${registers === 'agree' ? 'they agree' : 'THEY DIFFER'}`
}

type Fault = { readonly wrong: number; readonly closed: number; readonly agreement: Registers }

function faultOf({ wrong, closed, agreement }: Fault): string {
  return [
    ...(wrong > 0 ? [`${wrong} signed values are not valid`] : []),
    ...(closed > 0
      ? [`${closed} do not open with the keys in --site: they were sealed to another operator`]
      : []),
    ...(agreement.registers === 'differ' ? ['what was signed is not what the session says'] : []),
  ].join('; ')
}
