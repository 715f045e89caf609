// Where the secret comes from that opens what is encrypted in a folder: a file with a passphrase or a key, systemd's
// credentials, or a program that asks a token (PKCS#11, a TPM) for it. All give bytes, and the same bytes open the same box,
// wherever they came from. None is asked before something has to be opened, and each is asked once.
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { MeshError, reasonOf } from '../errors.ts'

export type Unlock = {
  /** For messages: "the passphrase in /etc/key". */
  readonly what: string
  /** True when somebody said where the secret is: then what is made anew is encrypted. */
  readonly isChosen: boolean
  /** Rejects with KEY_REFUSED when it is not to be had. */
  readonly secret: () => Promise<Uint8Array>
}

/** The name under which a unit of systemd loads it: `LoadCredentialEncrypted=chargemesh.key:...`. */
export const CREDENTIAL_NAME = 'chargemesh.key'
const MAX_SECRET_BYTES = 4096
/** Less can be guessed whatever it is stretched with. */
export const MIN_SECRET_BYTES = 8
/** A person may have to touch a token. */
const COMMAND_MS = 60_000

/** For who was told of no secret: everything plain goes on, and what is encrypted says what is missing. */
export const NOTHING_CHOSEN: Unlock = {
  what: 'nothing',
  isChosen: false,
  secret: async () => {
    throw new MeshError(
      'KEY_REFUSED',
      'it is encrypted: give --passphrase-file, --key-file or --key-command, or set CHARGEMESH_PASSPHRASE_FILE',
    )
  },
}

/** A passphrase or a key: the whole file, without the line end that editors put behind it. */
export function fromFile(path: string, kind: 'passphrase' | 'key' | 'credential'): Unlock {
  const what = `the ${kind} in ${path}`
  return chosen(what, async () => {
    try {
      return withoutLineEnd(await readFile(path))
    } catch (error) {
      throw new MeshError('KEY_REFUSED', `${what} cannot be read: ${reasonOf(error)}`, error)
    }
  })
}

/** A program that prints the secret and nothing else. It runs in a shell, and may ask on the terminal for a PIN. */
export function fromCommand(command: string, withinMs = COMMAND_MS): Unlock {
  return chosen('what --key-command printed', async () => withoutLineEnd(await outputOf(command, withinMs)))
}

/** Something that asks for it, such as a prompt. */
export function chosen(what: string, ask: () => Promise<Uint8Array>): Unlock {
  let asked: Promise<Uint8Array> | undefined
  return { what, isChosen: true, secret: () => (asked ??= ask().then(secret => bounded(what, secret))) }
}

function bounded(what: string, secret: Uint8Array): Uint8Array {
  if (secret.length >= MIN_SECRET_BYTES && secret.length <= MAX_SECRET_BYTES) return secret
  throw new MeshError(
    'KEY_REFUSED',
    `${what} has ${secret.length} bytes, wanted ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES}`,
  )
}

function withoutLineEnd(bytes: Uint8Array): Uint8Array {
  const end = bytes.at(-1) === 10 ? (bytes.at(-2) === 13 ? -2 : -1) : bytes.length
  return bytes.subarray(0, end)
}

function outputOf(command: string, withinMs: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const refuse = (reason: string, cause?: unknown): void => {
      clearTimeout(giveUp)
      reject(new MeshError('KEY_REFUSED', `--key-command gave no key: ${reason}`, cause))
    }
    const child = spawn(command, {
      shell: true,
      stdio: ['inherit', 'pipe', 'inherit'],
    })
    // Ending the shell is not enough: a program that it left behind may keep the pipe, and "close" never comes.
    const giveUp = setTimeout(() => {
      child.kill()
      child.stdout.destroy()
      child.unref()
      refuse(`it did not end within ${withinMs / 1000} s`)
    }, withinMs)
    const parts: Buffer[] = []
    let length = 0
    child.stdout.on('data', (part: Buffer) => {
      length += part.length
      // One byte too many is kept, so that the length is refused and not cut.
      if (length <= MAX_SECRET_BYTES + part.length) parts.push(part)
    })
    child.once('error', error => refuse(error.message, error))
    child.once('close', (code, signal) => {
      clearTimeout(giveUp)
      if (code === 0) resolve(Buffer.concat(parts))
      else refuse(signal ? `it was ended by ${signal}` : `it ended with exit code ${code}`)
    })
  })
}
