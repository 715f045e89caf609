// Asks for a passphrase on the terminal and shows nothing of it.
import type { Readable } from 'node:stream'
import { MeshError } from '../errors.ts'

export type Terminal = Readable & {
  readonly isTTY?: boolean
  readonly setRawMode?: (raw: boolean) => unknown
}

const END = ['\r', '\n', '\u0004']
const INTERRUPT = '\u0003'
const ERASE = ['\u007f', '\b']

/** Rejects with KEY_REFUSED when the person gives up. `say` writes to the terminal. */
export async function askSecret(
  question: string,
  input: Terminal = process.stdin,
  say: (text: string) => void = text => void process.stderr.write(text),
): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let typed: string[] = []
  const take = (text: string): void => {
    for (const key of text) {
      if (END.includes(key)) resolve(typed.join(''))
      else if (key === INTERRUPT) reject(new MeshError('KEY_REFUSED', 'nothing was entered'))
      else if (ERASE.includes(key)) typed = typed.slice(0, -1)
      else typed.push(key)
    }
  }
  const gone = (): void => reject(new MeshError('KEY_REFUSED', 'the terminal is gone, nothing was entered'))
  say(question)
  input.setEncoding('utf8')
  input.setRawMode?.(true)
  input.on('data', take)
  input.once('end', gone)
  input.resume()
  try {
    return new TextEncoder().encode(await promise)
  } finally {
    input.off('data', take)
    input.off('end', gone)
    input.setRawMode?.(false)
    input.pause()
    say('\n')
  }
}

/** Twice, since nobody sees a slip: what is encrypted with it could never be opened. */
export async function askNewSecret(
  question: string,
  ask: (question: string) => Promise<Uint8Array> = askSecret,
): Promise<Uint8Array> {
  const first = await ask(question)
  const again = await ask('the same once more: ')
  if (Buffer.compare(first, again) !== 0)
    throw new MeshError('KEY_REFUSED', 'these were two different passphrases: nothing is changed')
  return first
}
