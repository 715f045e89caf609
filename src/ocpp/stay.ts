// Whether a charger that is connected would still be let in: one that was withdrawn, or whose certificate counts no longer,
// is put out. One whose password was changed stays until it leaves: it may be in the middle of a session, and has to show
// the new one when it comes again.
import type { Logger } from '../ports.ts'
import type { ChargerId } from '../units.ts'
import type { Link } from './link.ts'
import { demandOf, type Peer, type Registration } from './profile.ts'

type Rules = {
  readonly credential: (chargerId: ChargerId) => Registration | undefined
  readonly insecure: boolean
}

/** Asked when it comes in, by what it has shown; the answer is asked again for as long as it stays. */
export function stayOf(chargerId: ChargerId, peer: Peer, { credential, insecure }: Rules): () => boolean {
  const needsNoPassword = (): boolean => {
    const registered = credential(chargerId)
    if (!registered) return false
    return demandOf({ chargerId, registered, peer, hasPassword: false, isOpen: insecure }).kind === 'nothing'
  }
  const isByCertificate = peer.certificate !== undefined && needsNoPassword()
  return isByCertificate ? needsNoPassword : () => credential(chargerId) !== undefined
}

type Here = {
  readonly links: ReadonlyMap<ChargerId, Link>
  readonly mayStay: ReadonlyMap<ChargerId, () => boolean>
}

const RECHECK_MS = 1000

/** Puts out who may not stay, within a second; answers how to end that. */
export function recheck(here: Here, logger: Logger): () => void {
  const checking = setInterval(() => putOut(here, logger), RECHECK_MS)
  checking.unref()
  return () => clearInterval(checking)
}

function putOut({ links, mayStay }: Here, logger: Logger): void {
  for (const [chargerId, link] of links) {
    if (mayStay.get(chargerId)?.() !== false) continue
    const reason = 'it is no longer let in'
    logger.warn('charger-put-out', { charger: chargerId, reason })
    link.silence(reason)
  }
}
