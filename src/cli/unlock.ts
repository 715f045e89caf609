// The options of every command that opens a folder with keys in it: where the secret is that opens them (host/unlock.ts).
import { existsSync, realpathSync } from 'node:fs'
import { join, sep } from 'node:path'
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import {
  CREDENTIAL_NAME,
  chosen,
  fromCommand,
  fromFile,
  NOTHING_CHOSEN,
  type Unlock,
} from '../host/unlock.ts'
import { askNewSecret, askSecret } from './prompt.ts'
import { secretOf } from './secret.ts'

export type UnlockOptions = {
  readonly passphraseFile?: string
  readonly keyFile?: string
  readonly keyCommand?: string
}

const PASSPHRASE_VARIABLE = 'CHARGEMESH_PASSPHRASE_FILE'

/** For a folder that is there; what is not encrypted asks for nothing. */
export function unlockOptions(command: Command): Command {
  return command
    .option(
      '--passphrase-file <file>',
      `where the passphrase of an encrypted folder stands; - reads a line (or ${PASSPHRASE_VARIABLE})`,
    )
    .option('--key-file <file>', 'a key instead, such as on a USB stick')
    .option('--key-command <command>', 'a program that prints the key, such as pkcs11-tool')
}

/** For a folder that is made now. */
export function sealOptions(command: Command): Command {
  return command
    .option('--passphrase-file <file>', 'encrypt the new folder with the passphrase in it; - reads a line')
    .option('--key-file <file>', 'encrypt it with a key instead, such as on a USB stick')
    .option('--key-command <command>', 'encrypt it with what a program prints, such as pkcs11-tool')
}

/** What the options name, or the environment, or systemd; or else a person at a terminal. */
export function unlockOf(options: UnlockOptions, environment: NodeJS.ProcessEnv = process.env): Unlock {
  return (
    named(options) ?? aroundUs(environment) ?? asked(() => askSecret('passphrase: '), false) ?? NOTHING_CHOSEN
  )
}

/** For a new folder: only what was asked for in so many words. Asks for the secret before anything is made with it. */
export async function sealOf(options: UnlockOptions, dir: string): Promise<Unlock> {
  const unlock = named(options) ?? NOTHING_CHOSEN
  if (unlock.isChosen) await unlock.secret()
  warnIfBeside(options, dir)
  return unlock
}

/** To encrypt a folder that is there: a passphrase that is typed is typed twice. */
export async function newSecretOf(
  options: UnlockOptions,
  dir: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<Unlock> {
  const unlock =
    named(options) ??
    aroundUs(environment) ??
    asked(() => askNewSecret('new passphrase: '), true) ??
    NOTHING_CHOSEN
  if (!unlock.isChosen)
    throw new MeshError(
      'KEY_REFUSED',
      'with what? give --passphrase-file, --key-file or --key-command, or type it on a terminal',
    )
  await unlock.secret()
  warnIfBeside(options, dir)
  return unlock
}

function named({ passphraseFile, keyFile, keyCommand }: UnlockOptions): Unlock | undefined {
  const given = [passphraseFile, keyFile, keyCommand].filter(one => one !== undefined)
  if (given.length > 1)
    throw new MeshError('CONFIG_INVALID', 'give one of --passphrase-file, --key-file and --key-command')
  if (passphraseFile === '-') return chosen('the passphrase', readLine)
  if (passphraseFile !== undefined) return fromFile(passphraseFile, 'passphrase')
  if (keyFile !== undefined) return fromFile(keyFile, 'key')
  return keyCommand === undefined ? undefined : fromCommand(keyCommand)
}

async function readLine(): Promise<Uint8Array> {
  if (process.stdin.isTTY) return await askSecret('passphrase: ')
  return new TextEncoder().encode(await secretOf('-'))
}

function aroundUs(environment: NodeJS.ProcessEnv): Unlock | undefined {
  const file = environment[PASSPHRASE_VARIABLE]
  if (file) return fromFile(file, 'passphrase')
  const credential = join(environment.CREDENTIALS_DIRECTORY ?? '', CREDENTIAL_NAME)
  return environment.CREDENTIALS_DIRECTORY && existsSync(credential)
    ? fromFile(credential, 'credential')
    : undefined
}

function asked(ask: () => Promise<Uint8Array>, isChosen: boolean): Unlock | undefined {
  return process.stdin.isTTY ? { ...chosen('this passphrase', ask), isChosen } : undefined
}

function warnIfBeside({ passphraseFile, keyFile }: UnlockOptions, dir: string): void {
  const file = keyFile ?? passphraseFile
  if (file === undefined || file === '-' || !existsSync(dir)) return
  if (realpathSync(file).startsWith(realpathSync(dir) + sep))
    process.stderr.write(`${file} lies in the folder that it opens: it stops no thief there\n`)
}
