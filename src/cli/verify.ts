// `chargemesh verify`: whether a file that chargemesh wrote is true, with public keys only; no folder of a site is needed. What kind of
// file it is, its first bytes say.
import { type Command, Option } from 'commander'
import { AUDIT_MAGIC } from '../audit/format.ts'
import { MeshError } from '../errors.ts'
import { beginningOf } from '../host/audit-file.ts'
import { rootKeyOf } from '../host/root-key.ts'
import { sameBytes } from '../units.ts'
import { verifyAudit } from './verify-audit.ts'

export type VerifyOptions = {
  readonly root?: string
  readonly json?: boolean
  readonly html?: string
  readonly everySeal?: boolean
}

export type Verifying = VerifyOptions & {
  /** The root key that was given; without it a file vouches for itself, and that is said aloud. */
  readonly rootKey?: Uint8Array
}

type Kind = {
  readonly is: (beginning: Uint8Array) => boolean
  /** Prints what it found; rejects with PROOF_FAILED where something is wrong. */
  readonly verify: (file: string, options: Verifying) => Promise<void>
}

const BEGINNING_BYTES = 64
const KINDS: readonly Kind[] = [
  { is: begun => sameBytes(begun.subarray(0, AUDIT_MAGIC.length), AUDIT_MAGIC), verify: verifyAudit },
]

export function addVerifyCommand(program: Command): void {
  program
    .command('verify <file>')
    .description('check an audit file with public keys only; it needs no folder of the site')
    .option('--root <key>', 'the root key of the site: 64 hex digits, or a file with them (site.json too)')
    .option('--json', 'print JSON; `verdict` is proven, proven-with-remarks or wrong')
    .option('--html <file>', 'write a page that people can read and print')
    .addOption(
      new Option(
        '--every-seal',
        'check each signature by itself: a segment’s last one proves the rest already',
      ),
    )
    .addHelpText(
      'after',
      `
Exit code 0: all is proven (there may be remarks); 1: something is wrong, and it says where.

Example:
  chargemesh verify stadium-june.audit --root site.json --html stadium-june.html`,
    )
    .action(async (file: string, options: VerifyOptions) => {
      const beginning = await beginningOf(file, BEGINNING_BYTES)
      const kind = KINDS.find(one => one.is(beginning))
      if (!kind)
        throw new MeshError(
          'CONFIG_INVALID',
          `${file} is no file that chargemesh wrote: \`verify\` takes what \`chargemesh audit export\` makes`,
        )
      const rootKey = options.root === undefined ? undefined : await rootKeyOf(options.root)
      await kind.verify(file, { ...options, ...(rootKey && { rootKey }) })
    })
}
