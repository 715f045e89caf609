// Card ids and passwords on the command line: whoever else is on the machine can read a process's arguments, so `-`
// stands for a line of standard input.
import type { Readable } from 'node:stream'
import { MeshError } from '../errors.ts'

const MAX_SECRET_CHARS = 256
export const DASH_HELP = '`-` reads it from standard input, where no process list shows it'

/** The word itself, or for `-` the first line of `input`. Refuses an endless line. */
export async function secretOf(word: string, input: Readable = process.stdin): Promise<string> {
  if (word !== '-') return word
  let text = ''
  input.setEncoding('utf8')
  for await (const chunk of input) {
    text += String(chunk)
    if (text.includes('\n')) break
    if (text.length > MAX_SECRET_CHARS)
      throw new MeshError('CONFIG_INVALID', 'standard input: wanted one short line')
  }
  const [line = ''] = text.split(/\r?\n/)
  if (line === '') throw new MeshError('CONFIG_INVALID', 'standard input: wanted one line, it is empty')
  return line
}
