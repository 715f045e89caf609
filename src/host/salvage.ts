// What a node that is gone for good has left on its disk: its logs, read through the gate and without a change to the disk,
// so that another node may take them. What only that box knew may be worth money.
import type { Handover } from '../api/client.ts'
import { createRoster } from '../identity/roster.ts'
import { ed25519 } from '../identity/signature.ts'
import { createLedger } from '../ledger.ts'
import type { Disk } from '../ports.ts'
import { openJournal } from '../store/journal.ts'
import { requireKeys } from '../store/rekey.ts'
import { unhex } from '../units.ts'
import { SW_VERSION } from '../version.ts'
import { openDisk } from './disk.ts'
import { holdIdentity, siteIdIn, storeKeysIn } from './identity-files.ts'
import { systemRandom } from './system.ts'
import type { Unlock } from './unlock.ts'

export type Salvage = {
  readonly handover: Handover
  /** Events on the disk. */
  readonly events: number
  /** Records that could not be read: damaged, or not what they were when they were written. */
  readonly lost: number
}

/** Refuses with STORE_LOCKED while the node runs, with KEY_REFUSED when its disk is encrypted and does not open. */
export async function salvage(dir: string, unlock?: Unlock): Promise<Salvage> {
  const { identity, lock } = await holdIdentity(dir, unlock)
  const disk = openDisk(dir)
  try {
    const signatures = ed25519()
    const roster = createRoster({ signatures }, siteIdIn(identity.site), unhex(identity.site.rootKey))
    const certificates = identity.certificates.map(unhex)
    for (const encoded of certificates) roster.enrol(encoded)
    const own = roster.all().at(-1)
    if (!own) throw new TypeError('an identity without a certificate')
    const ledger = createLedger({
      ...{ roster, signatures, certificate: own, logKey: unhex(identity.keys.logKey) },
      ...{ random: systemRandom(), swVersion: SW_VERSION },
    })
    const { journal, scan } = await openJournal(
      unchanging(disk),
      held => ledger.recover(held),
      storeKeysIn(identity),
    )
    await journal.close()
    requireKeys(scan)
    const logs = [...ledger.logs.all()]
    return {
      handover: {
        certificates: roster.all().map(one => one.encoded),
        segments: logs.flatMap(({ logId }) => ledger.logs.segments(logId, 0, Number.MAX_SAFE_INTEGER)),
        objects: [],
        written: undefined,
        hashAt: (logId, seq) => ledger.logs.get(logId)?.hashes[seq],
      },
      events: logs.reduce((sum, log) => sum + log.head.seq + 1, 0),
      lost: ledger.rejectedOnRecovery() + scan.damaged.length,
    }
  } finally {
    await disk.close()
    await lock.release()
  }
}

/** Opening a journal mends its end; evidence stays as it was found. */
export function unchanging(disk: Disk): Disk {
  const nothing = async (): Promise<void> => undefined
  return { ...disk, append: nothing, sync: nothing, replace: nothing, remove: nothing }
}
