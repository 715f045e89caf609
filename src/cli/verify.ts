// `chargemesh verify`: judges what a site handed out, with public keys only. What it is, its first bytes say.
import { open } from 'node:fs/promises'
import { stdin } from 'node:process'
import { type Command, Option } from 'commander'
import { AUDIT_MAGIC } from '../audit/format.ts'
import { MAX_TEXT } from '../billing/receipt-forms.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { beginningOf } from '../host/audit-file.ts'
import { sameBytes } from '../units.ts'
import { collect } from './operator.ts'
import { print, printJson } from './output.ts'
import { meterKeyOf } from './session-signed.ts'
import { verifyAudit } from './verify-audit.ts'
import { isReceiptText, judgeReceipt, rootKeyOf } from './verify-receipt.ts'

type VerifyOptions = {
  readonly root?: string
  readonly with?: string
  readonly meterKey: readonly string[]
  readonly json?: boolean
  readonly html?: string
  readonly everySeal?: boolean
}

export function addVerifyCommand(program: Command): void {
  program
    .command('verify <file>')
    .description(
      'judge a receipt or an audit file with the public key of its site alone; - reads standard input',
    )
    .option('--root <key>', "the site's root public key: 64 hex digits, a file with them, or site.json")
    .option('--json', 'print JSON')
    .option('--html <file>', 'of an audit file: write a page that people can read and print')
    .addOption(
      new Option(
        '--every-seal',
        'of an audit file: check each signature by itself; a segment’s last one proves the rest already',
      ),
    )
    .option('--with <file>', 'another receipt of the same node, for a short one without certificates')
    .option(
      '--meter-key <key>',
      "the meter's public key, for signed values in a receipt: hex or base64 (DER), or a PEM file; repeat for more",
      collect,
      [],
    )
    .addHelpText(
      'after',
      `
No network, no folder of the site, no node. A receipt is a file, or the text of its QR code, also in the place of the file.
An audit file is what \`chargemesh audit export\` makes; without --root it is checked against the key that it names itself.
Exit code 0 when it is true, of an audit file with or without remarks (\`verdict\` in JSON); 1 when not; the reason and the place are said.

Examples:
  chargemesh verify 4f2a91c0.receipt --root root.pub
  chargemesh verify scanned.txt --root 7d0c19e2...
  chargemesh verify june.audit --root root.pub --html june.html`,
    )
    .action(verify)
}

async function verify(file: string, options: VerifyOptions): Promise<void> {
  const isPasted = file === '-' || isReceiptText(file)
  if (!isPasted && sameBytes(await beginningOf(file, AUDIT_MAGIC.length), AUDIT_MAGIC)) {
    const rootKey = options.root === undefined ? undefined : await rootKeyOf(options.root)
    await verifyAudit(file, { ...options, ...(rootKey && { rootKey }) })
    return
  }
  const text = isReceiptText(file) ? file : await textOf(file)
  if (!isReceiptText(text))
    throw new MeshError(
      'CONFIG_INVALID',
      `${file}: nothing that can be verified: wanted what chargemesh made, a receipt (a file, or the text of its QR code) or an audit file`,
    )
  await verifyReceipt(text, { ...options, name: isReceiptText(file) ? 'the receipt' : file })
}

async function verifyReceipt(
  text: string,
  options: VerifyOptions & { readonly name: string },
): Promise<void> {
  if (options.root === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      "--root is needed: the site's root public key, with which the receipt is judged",
    )
  const rootKey = await rootKeyOf(options.root)
  const meterKeys = await Promise.all(options.meterKey.map(key => meterKeyOf(key, '--meter-key')))
  const other = options.with === undefined ? undefined : await textOf(options.with)
  const { isValid, json, text: says } = judgeReceipt(text, { rootKey, with: other, meterKeys })
  if (options.json) printJson(json)
  else print(says)
  if (!isValid) throw new MeshError('SIGNATURE_INVALID', `${options.name} is not valid: ${json.why}`)
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
