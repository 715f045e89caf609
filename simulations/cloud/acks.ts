// The receipts of the cloud in memory: production's signObject, under versions that grow as in src/cloud/acks.ts, where
// they are rows; but of a cloud with a replica and an archive, so that nodes may let go of what it has. A log keeps its newest
// ack alone; a new epoch of the cloud makes every ack due again, above all before.
import { MAX_ACKS_PER_ANSWER } from '../../src/cloud/acks.ts'
import type { LogHead } from '../../src/log/event.ts'
import {
  type ObjectName,
  type ObjectSigner,
  type SignedObject,
  signObject,
  VERSIONS_PER_EPOCH,
} from '../../src/log/object.ts'
import { PRUNING_DURABILITY } from '../../src/replica/cut.ts'
import type { LogId } from '../../src/units.ts'

/** Of a cloud that never lost anything; its versions begin with the first ack. */
const FIRST_EPOCH = 1
/** Acks that were replaced are dropped when there are so many more of them than of those that count. */
const SLACK = 1_000

export type AckPage = { readonly version: number; readonly acks: readonly Uint8Array[] }

export type CloudAcks = {
  /** The log has grown: its ack is out of date. */
  readonly due: (logId: LogId) => void
  /** Signs what is due, in the order of the log ids. */
  readonly sign: (headOf: (logId: LogId) => LogHead | undefined, issuedAt: number) => void
  /** A beacon that was brought; it goes to everybody, like an ack. */
  readonly state: (object: SignedObject) => void
  /** Acks newer than a version, oldest first, and those of what was pushed. Who has seen more than there is has seen another cloud: it gets all. */
  readonly since: (version: number, pushed: readonly LogId[]) => AckPage
}

type Signed = { readonly name: ObjectName; readonly version: number; readonly encoded: Uint8Array }

export function createAcks(signer: ObjectSigner, cloudEpoch: number): CloudAcks {
  const due = new Set<LogId>()
  const newest = new Map<ObjectName, number>()
  const stated = new Map<ObjectName, number>()
  let signed: Signed[] = []
  let version = cloudEpoch === FIRST_EPOCH ? 0 : cloudEpoch * VERSIONS_PER_EPOCH
  const counts = (ack: Signed): boolean => newest.get(ack.name) === ack.version
  /** Where it is not newer. */
  const encodedAt = (name: ObjectName, from: number): Signed | undefined => {
    const at = newest.get(name)
    if (at === undefined || at > from) return undefined
    const found = signed[behind(signed, at - 1)]
    return found?.name === name ? found : undefined
  }
  const give = (name: ObjectName, encoded: Uint8Array): void => {
    version = Math.max(version, cloudEpoch * VERSIONS_PER_EPOCH) + 1
    signed.push({ name, version, encoded })
    newest.set(name, version)
  }
  return {
    due: logId => void due.add(logId),
    sign: (headOf, issuedAt) => {
      for (const logId of [...due].sort()) {
        const head = headOf(logId)
        if (!head) continue
        const body = {
          logId,
          seq: head.seq,
          hash: head.hash,
          durability: PRUNING_DURABILITY,
          cloudEpoch,
          issuedAt,
        }
        // The codec may answer with a Buffer; a database gives plain bytes back.
        give(`ack/${logId}`, new Uint8Array(signObject(signer, { kind: 'ack', body })))
      }
      due.clear()
      if (signed.length > 2 * newest.size + SLACK) signed = signed.filter(counts)
    },
    state: ({ name, version: stateVersion, encoded }) => {
      if ((stated.get(name) ?? -1) >= stateVersion) return
      stated.set(name, stateVersion)
      give(name, encoded)
    },
    since: (asked, pushed) => {
      const from = asked > version ? 0 : asked
      const again = pushed.flatMap(logId => encodedAt(`ack/${logId}`, from) ?? [])
      const page: Signed[] = []
      for (let i = behind(signed, from); i < signed.length && page.length < MAX_ACKS_PER_ANSWER; i++) {
        const ack = signed[i]
        if (ack && counts(ack)) page.push(ack)
      }
      const acks = [...again.sort((a, b) => a.version - b.version), ...page].slice(0, MAX_ACKS_PER_ANSWER)
      return {
        version: acks.findLast(ack => ack.version > from)?.version ?? version,
        acks: acks.map(ack => ack.encoded),
      }
    },
  }
}

/** Where the first ack above a version stands. */
function behind(signed: readonly Signed[], version: number): number {
  let low = 0
  let high = signed.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((signed[middle]?.version ?? 0) <= version) low = middle + 1
    else high = middle
  }
  return low
}
