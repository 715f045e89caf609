// What a handler above the network throws must not tear libp2p's own event down.
import { InvariantBroken, reasonOf } from '../errors.ts'

/** A handler that fails costs the peer that it was about; a broken invariant stops the process, as anywhere. */
export function guarded(call: () => void, onThrown: (reason: string) => void): void {
  try {
    call()
  } catch (error) {
    if (error instanceof InvariantBroken)
      queueMicrotask(() => {
        throw error
      })
    onThrown(reasonOf(error))
  }
}
