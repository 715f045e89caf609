// The trace of a run: one line for everything that leaves a port. Its hash is equal for equal worlds, on any machine and any
// version of Node; the lines themselves are kept only when somebody reads them.
import { createHash } from 'node:crypto'
import type { DeviceId } from '../../src/units.ts'

export type Trace = {
  readonly line: (atMs: number, text: string) => void
  readonly message: (atMs: number, from: DeviceId, to: DeviceId, bytes: Uint8Array) => void
  readonly hash: () => string
}

export function createTrace(onLine: ((line: string) => void) | undefined): Trace {
  const hash = createHash('sha256')
  let waiting = ''
  const line = (atMs: number, text: string): void => {
    const whole = `${atMs} ${text}\n`
    onLine?.(whole.trimEnd())
    waiting += whole
    if (waiting.length < 65_536) return
    hash.update(waiting)
    waiting = ''
  }
  return {
    line,
    message: (atMs, from, to, bytes) =>
      line(atMs, `${from.slice(0, 6)}>${to.slice(0, 6)} ${bytes.length} ${checksum(bytes)}`),
    hash: () => {
      hash.update(waiting)
      waiting = ''
      return hash.copy().digest('hex')
    },
  }
}

/** FNV-1a, 32 bits: to see a difference, not to withstand an attack. */
function checksum(bytes: Uint8Array): string {
  let sum = 0x811c9dc5
  for (let i = 0; i < bytes.length; i++) sum = Math.imul(sum ^ (bytes[i] ?? 0), 0x01000193)
  return (sum >>> 0).toString(16)
}
