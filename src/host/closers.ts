// What has been opened and must be closed again, in the opposite order: after a stop, and after a start that failed half
// way. One that fails to close keeps no other from closing.
import { reasonOf } from '../errors.ts'
import type { Logger } from '../ports.ts'

export type Closers = {
  readonly push: (name: string, close: () => void | Promise<void>) => void
  /** Closes everything, newest first. A second call finds nothing left; no failure is thrown, each is logged. */
  readonly unwind: () => Promise<void>
}

export function createClosers(logger: Logger): Closers {
  const open: { readonly name: string; readonly close: () => void | Promise<void> }[] = []
  return {
    push: (name, close) => void open.push({ name, close }),
    unwind: async () => {
      for (let one = open.pop(); one; one = open.pop()) {
        try {
          await one.close()
        } catch (error) {
          logger.error('could not be closed', { what: one.name, reason: reasonOf(error) })
        }
      }
    },
  }
}
