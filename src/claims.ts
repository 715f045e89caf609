// Receipts that a node says back to the cloud. A cloud that lost what it had acknowledged and was not told so (it signed before it
// had committed, or somebody restored a backup and raised no epoch) is shown its own signature, and begins a new epoch
// (PROTOCOL 3.5). Nobody else would ever notice: the node takes what is gone for delivered.
import type { Ledger } from './ledger.ts'
import type { PushAnswer } from './ports.ts'
import type { LogId } from './units.ts'

/** Besides the newest. */
const MAX_DOUBTED = 16

/** Logs that the cloud could not go on with where its own receipt ends. */
export function doubtedIn({ refused }: PushAnswer): readonly LogId[] {
  return refused.flatMap(({ logId, reason }) => (reason === 'gap' ? [logId] : [])).slice(0, MAX_DOUBTED)
}

/** What was lost was what came last: so the newest receipt is among it, whichever log it is of. */
export function claimsOf({ objects }: Ledger, doubted: readonly LogId[]): readonly Uint8Array[] {
  const acks = objects.ofKind('ack')
  const newest = acks.reduce<(typeof acks)[number] | undefined>(
    (best, ack) => (best && best.body.issuedAt >= ack.body.issuedAt ? best : ack),
    undefined,
  )
  const claims = new Set(newest ? [newest.encoded] : [])
  for (const logId of doubted) {
    const ack = objects.get(`ack/${logId}`)
    if (ack) claims.add(ack.encoded)
  }
  return [...claims]
}
