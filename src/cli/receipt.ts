// `chargemesh receipt`: what a driver is given of a session, signed by the node that is asked.
import { open } from 'node:fs/promises'
import type { Command } from 'commander'
import type { ReceiptAnswer } from '../api/receipt.ts'
import { armoured, qrText } from '../billing/receipt-forms.ts'
import { parseReceipt, shortened } from '../billing/receipt-signed.ts'
import { receiptText } from '../billing/receipt-text.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { clientIn } from './operator.ts'
import { print, printJson } from './output.ts'
import { drawQr, MOST_CAPITALS, pictureOfQr } from './qr.ts'
import { jsonOf, signedByIn } from './receipt-json.ts'
import { named, sessionsAt } from './session-named.ts'

type ReceiptOptions = {
  readonly via: string
  readonly qr?: boolean
  readonly short?: boolean
  readonly out?: string
  readonly json?: boolean
}

export function addReceiptCommand(program: Command): void {
  program
    .command('receipt <session>')
    .description('the receipt of a session, signed by a node: as text, QR code or file')
    .requiredOption('--via <dir>', 'folder of a running node that knows the session')
    .option('--qr', 'a QR code below the text: it holds the whole signed receipt')
    .option('--short', 'with --qr: without the certificates, for readers who have them; a smaller code')
    .option(
      '--out <file>',
      'write the signed receipt there, or with --qr and .svg the picture; never over a file that exists',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
The first digits of the session's id are enough. Whoever has the site's root public key verifies a receipt anywhere, without
network: \`chargemesh verify <file> --root <key>\`. The card is named by the last signs of its printed number only.

Examples:
  chargemesh receipt 4f2a91c0 --via ./pole-07
  chargemesh receipt 4f2a91c0 --via ./pole-07 --qr --out 4f2a91c0.svg
  chargemesh receipt 4f2a91c0 --via ./pole-07 --out 4f2a91c0.receipt`,
    )
    .action(receipt)
}

async function receipt(id: string, options: ReceiptOptions): Promise<void> {
  if (options.short && !options.qr) throw new MeshError('CONFIG_INVALID', '--short goes with --qr')
  const { sessionId } = named(await sessionsAt(options.via), id)
  const client = await clientIn(options.via)
  const answer = (await client.get(`/v1/sessions/${sessionId}/receipt`)) as ReceiptAnswer
  const signed = new Uint8Array(Buffer.from(answer.receipt, 'base64'))
  const read = parseReceipt(signed)
  if (typeof read === 'string')
    throw new MeshError(
      'CERTIFICATE_INVALID',
      `the node's receipt cannot be read (${read}): is it newer than this program?`,
    )
  const qr = options.qr ? qrOf(options.short ? shortened(signed) : signed) : undefined
  if (options.out !== undefined)
    await writeOut(
      options.out,
      qr !== undefined && options.out.endsWith('.svg') ? pictureOfQr(qr) : armoured(signed),
    )
  if (options.json) {
    printJson({
      ...jsonOf(read.receipt),
      signed: armoured(signed),
      ...(qr !== undefined && { qr }),
      file: options.out,
    })
    return
  }
  print(receiptText(read.receipt, signedByIn(read)))
  if (qr !== undefined) print(drawQr(qr))
  if (options.out !== undefined) print(`written: ${options.out}`)
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
