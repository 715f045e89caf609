// `chargemesh keys encrypt|decrypt|passwd`: what a stolen disk gives away.
import type { Command } from 'commander'
import { type AtRest, changeSecret, decryptFolder, encryptFolder } from '../host/at-rest.ts'
import { say } from './operator.ts'
import { newSecretOf, type UnlockOptions, unlockOf, unlockOptions } from './unlock.ts'

type Options = UnlockOptions & { readonly dir: string; readonly json?: boolean }
type NewOptions = {
  readonly newPassphraseFile?: string
  readonly newKeyFile?: string
  readonly newKeyCommand?: string
}

const WITHOUT_IT = `Keep a copy of the passphrase or key somewhere else: without it nobody opens this folder again, you neither.
What lay here in the clear before may still be found in unused blocks of the disk; a new folder on a new disk has none of it.`

/** On `chargemesh keys`. */
export function addAtRestCommands(keys: Command): void {
  folderOptions(keys.command('encrypt'))
    .description('encrypt the keys and the store of a node or of a site, while nothing runs in the folder')
    .addHelpText(
      'after',
      `
Without an option a passphrase is asked for. A key file of 64 characters is made by \`openssl rand -hex 32\`.
When it was interrupted, the same command goes on.

Examples:
  chargemesh keys encrypt --dir ./stadium
  chargemesh keys encrypt --dir ./pole-07 --key-file /media/stick/pole-07.key
  chargemesh keys encrypt --dir ./pole-07 --key-command "pkcs11-tool --login --pin env:PIN --id 01 --decrypt --mechanism RSA-PKCS-OAEP --input-file pole-07.wrapped"`,
    )
    .action(async (options: Options) => {
      const done = await encryptFolder(options.dir, await newSecretOf(options, options.dir))
      tell(options, done, `encrypted: ${wordsOf(done)}\n${WITHOUT_IT}`)
    })
  folderOptions(keys.command('decrypt'))
    .description('lay keys and store of a folder in the clear again, while nothing runs in it')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh keys decrypt --dir ./pole-07 --passphrase-file /etc/pole-07.pass',
    )
    .action(async (options: Options) => {
      const done = await decryptFolder(options.dir, unlockOf(options))
      tell(options, done, `in the clear: ${wordsOf(done)}\nwho takes this disk has all of it`)
    })
  folderOptions(keys.command('passwd'))
    .description('another passphrase or key for an encrypted folder')
    .option('--new-passphrase-file <file>', 'the passphrase from now on; - reads a line')
    .option('--new-key-file <file>', 'a key from now on')
    .option('--new-key-command <command>', 'from now on what this program prints')
    .addHelpText(
      'after',
      `
The key of the store stays: an old copy of identity.json still opens with the old passphrase. \`keys decrypt\` and \`keys encrypt\` draw another.

Example:
  chargemesh keys passwd --dir ./pole-07 --passphrase-file old.pass --new-passphrase-file new.pass`,
    )
    .action(async (options: Options & NewOptions) => {
      const { newPassphraseFile, newKeyFile, newKeyCommand } = options
      const named = {
        ...(newPassphraseFile !== undefined && { passphraseFile: newPassphraseFile }),
        ...(newKeyFile !== undefined && { keyFile: newKeyFile }),
        ...(newKeyCommand !== undefined && { keyCommand: newKeyCommand }),
      }
      const from = unlockOf(options)
      // What opens it now is asked for first; the environment means that one, not the new one.
      await from.secret()
      const done = await changeSecret(options.dir, { from, to: await newSecretOf(named, options.dir, {}) })
      tell(
        options,
        done,
        `changed: ${wordsOf(done)}\nold copies of these files still open with what opened them`,
      )
    })
}

function folderOptions(command: Command): Command {
  return unlockOptions(
    command.requiredOption('--dir <dir>', 'a node’s folder, a site’s, or the cloud’s'),
  ).option('--json', 'print JSON')
}

function tell(options: Options, done: AtRest, text: string): void {
  if (done.keptBytes > 0)
    process.stderr.write(
      `${done.keptBytes} damaged bytes of the journal cannot be read and stay as they are; what they show in the clear is not hidden\n`,
    )
  say(options, done, text)
}

function wordsOf({ files, journalFiles }: AtRest): string {
  const parts = [
    ...files,
    ...(journalFiles > 0 ? [`journal (${journalFiles} ${journalFiles === 1 ? 'file' : 'files'})`] : []),
  ]
  return parts.length > 0 ? parts.join(', ') : 'nothing, it was so already'
}
