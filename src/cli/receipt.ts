// `chargemesh receipt`: what a driver is given of a session, signed by the node that is asked.
import { open } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Client } from '../api/client.ts'
import type { ReceiptAnswer } from '../api/receipt.ts'
import { armoured, qrText } from '../billing/receipt-forms.ts'
import { parseReceipt, shortened } from '../billing/receipt-signed.ts'
import { receiptText } from '../billing/receipt-text.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { clientIn } from './operator.ts'
import { print, printJson } from './output.ts'
import { drawQr, MOST_CAPITALS, pictureOfQr } from './qr.ts'
import { enclosing } from './receipt-enclose.ts'
import { jsonOf, signedByIn } from './receipt-json.ts'
import { named, sessionsAt } from './session-named.ts'
import { type UnlockOptions, unlockOptions } from './unlock.ts'

type ReceiptOptions = UnlockOptions & {
  readonly via: string
  readonly site?: string
  readonly qr?: boolean
  readonly short?: boolean
  readonly out?: string
  readonly json?: boolean
}

export function addReceiptCommand(program: Command): void {
  unlockOptions(program.command('receipt <session>'))
    .description('the receipt of a session, signed by a node: as text, QR code or file')
    .requiredOption('--via <dir>', 'folder of a running node that knows the session')
    .option('--qr', 'a QR code below the text: it holds the whole signed receipt')
    .option('--short', 'with --qr: without the certificates, for readers who have them; a smaller code')
    .option(
      '--out <file>',
      'write the signed receipt there, or with --qr and .svg the picture; never over a file that exists',
    )
    .option('--site <dir>', "the site's folder, to enclose in the file what the meter itself signed (OCMF)")
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The first digits of the session's id are enough. Whoever has the site's root public key verifies a receipt anywhere, without
network: \`chargemesh verify <file> --root <key>\`. The card is named by the last signs of its printed number only; what a meter signed, and only --site encloses, may name it in full.

Examples:
  chargemesh receipt 4f2a91c0 --via ./pole-07
  chargemesh receipt 4f2a91c0 --via ./pole-07 --qr --out 4f2a91c0.svg
  chargemesh receipt 4f2a91c0 --via ./pole-07 --out 4f2a91c0.receipt`,
    )
    .action(receipt)
}

async function receipt(id: string, options: ReceiptOptions): Promise<void> {
  checkTogether(options)
  const { via, site, out, json } = options
  const { sessionId } = named(await sessionsAt(via), id)
  const client = await clientIn(via)
  const signed = await signedBy(client, sessionId)
  const read = parseReceipt(signed)
  if (typeof read === 'string')
    throw new MeshError(
      'CERTIFICATE_INVALID',
      `the node's receipt cannot be read (${read}): is it newer than this program?`,
    )
  const qr = options.qr ? qrOf(options.short ? shortened(signed) : signed) : undefined
  const whole = site === undefined ? signed : await enclosing({ ...options, site, client, sessionId }, signed)
  const file = armoured(whole)
  if (out !== undefined)
    await writeOut(out, qr !== undefined && out.endsWith('.svg') ? pictureOfQr(qr) : file)
  if (json) {
    printJson({ ...jsonOf(read.receipt), signed: file, ...(qr !== undefined && { qr }), file: out })
    return
  }
  const lines = [receiptText(read.receipt, signedByIn(read))]
  if (qr !== undefined) lines.push(drawQr(qr))
  if (out !== undefined) lines.push(`written: ${out}`)
  print(lines.join('\n'))
}

function checkTogether({ short, qr, site, out, json }: ReceiptOptions): void {
  if (short && !qr) throw new MeshError('CONFIG_INVALID', '--short goes with --qr')
  const isPicture = qr && out?.endsWith('.svg') === true
  if (site !== undefined && !json && (out === undefined || isPicture))
    throw new MeshError(
      'CONFIG_INVALID',
      '--site goes with --out or --json: signed meter values fit in a file only',
    )
}

async function signedBy(client: Client, sessionId: string): Promise<Uint8Array> {
  const answer = (await client.get(`/v1/sessions/${sessionId}/receipt`)) as ReceiptAnswer
  return new Uint8Array(Buffer.from(answer.receipt, 'base64'))
}

function qrOf(signed: Uint8Array): string {
  const text = qrText(signed)
  if (text.length <= MOST_CAPITALS) return text
  throw new MeshError(
    'CONFIG_INVALID',
    'this receipt is too long for a QR code that phones read: give it as a file (--out), or try --short',
  )
}

async function writeOut(path: string, text: string): Promise<void> {
  try {
    const file = await open(path, 'wx', 0o644)
    await file.writeFile(text).finally(async () => await file.close())
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `--out ${path} cannot be written: ${reasonOf(error)}`, error)
  }
}
