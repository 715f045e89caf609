// `chargemesh verify`: judges what a site handed out, with public keys only.
import { open } from 'node:fs/promises'
import { stdin } from 'node:process'
import type { Command } from 'commander'
import { MAX_TEXT } from '../billing/receipt-forms.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { collect } from './operator.ts'
import { print, printJson } from './output.ts'
import { meterKeyOf } from './session-signed.ts'
import { isReceiptText, judgeReceipt, rootKeyOf } from './verify-receipt.ts'

type VerifyOptions = {
  readonly root: string
  readonly with?: string
  readonly meterKey: readonly string[]
  readonly json?: boolean
}

export function addVerifyCommand(program: Command): void {
  program
    .command('verify <file>')
    .description('judge a receipt with the public key of its site alone; - reads standard input')
    .requiredOption(
      '--root <key>',
      "the site's root public key: 64 hex digits, a file with them, or site.json",
    )
    .option('--with <file>', 'another receipt of the same node, for a short one without certificates')
    .option(
      '--meter-key <key>',
      "the meter's public key, for signed values in a receipt: hex or base64 (DER), or a PEM file; repeat for more",
      collect,
      [],
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
No network, no folder of the site, no node. A receipt is a file, or the text of its QR code, also in the place of the file.
Exit code 1 when it is not valid; the reason is said.

Examples:
  chargemesh verify 4f2a91c0.receipt --root root.pub
  chargemesh verify scanned.txt --root 7d0c19e2...`,
    )
    .action(verify)
}

async function verify(file: string, options: VerifyOptions): Promise<void> {
  const rootKey = await rootKeyOf(options.root)
  const text = isReceiptText(file) ? file : await textOf(file)
  if (!isReceiptText(text))
    throw new MeshError(
      'CONFIG_INVALID',
      `${file}: nothing that can be verified: wanted a receipt, as a file or the text of its QR code`,
    )
  const meterKeys = await Promise.all(options.meterKey.map(key => meterKeyOf(key, '--meter-key')))
  const other = options.with === undefined ? undefined : await textOf(options.with)
  const { isValid, json, text: says } = judgeReceipt(text, { rootKey, with: other, meterKeys })
  if (options.json) printJson(json)
  else print(says)
  if (!isValid)
    throw new MeshError(
      'SIGNATURE_INVALID',
      `${isReceiptText(file) ? 'the receipt' : file} is not valid: ${json.why}`,
    )
}

async function textOf(path: string): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  try {
    const stream = path === '-' ? stdin : (await open(path)).createReadStream()
    for await (const part of stream) {
      parts.push(Buffer.from(part))
      length += part.length
      if (length > MAX_TEXT) throw new Error('it is longer than any receipt')
    }
  } catch (error) {
    throw new MeshError(
      'CONFIG_INVALID',
      `${path === '-' ? 'standard input' : path} cannot be read: ${reasonOf(error)}`,
      error,
    )
  }
  return Buffer.concat(parts).toString('utf8')
}
