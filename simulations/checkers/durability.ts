// I5 durable before acknowledged: when a charger or a peer hears anything from a node, every event that the node holds is in
// the fsynced image of its disk, byte for byte. Not asked of a disk that has once lied about a flush or lost a write: there no
// software can know.
import { GENESIS } from '../../src/log/event.ts'
import type { Logs } from '../../src/replica/logs.ts'
import type { LogId } from '../../src/units.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'

type Past = {
  /** A node that had to read its store again holds them anew. */
  readonly logs: Logs | undefined
  readonly changes: number
  readonly path: string
  readonly offset: number
  /** Events of each log that were looked for. */
  readonly counts: Map<LogId, number>
}

const DISHONEST_DISK = ['sync-lies', 'lost-write', 'misdirected-write', 'bit-flip']

export function durabilityChecker(shown: Shown): Observer {
  const past = new Map<Member, Past>()
  const dishonest = new Set<number>()

  const newest = (member: Member): string => {
    const paths = member.disk.durablePaths().filter(path => path.startsWith('journal/'))
    return [...paths].sort().at(-1) ?? ''
  }

  const forget = (member: Member): void => {
    const logs = member.node()?.ledger().logs
    const path = newest(member)
    const offset = member.disk.durableBytes(path)?.length ?? 0
    const before = past.get(member)
    const counts = before && before.logs === logs ? before.counts : new Map<LogId, number>()
    for (const log of logs?.changedSince(counts === before?.counts ? before.changes : 0) ?? [])
      counts.set(log.logId, log.elements.length)
    past.set(member, { logs, changes: logs?.changes() ?? 0, path, offset, counts })
  }

  const look = (member: Member): void => {
    const logs = member.node()?.ledger().logs
    if (!logs) return
    const before = past.get(member)
    if (before?.logs !== logs || dishonest.has(member.number)) {
      forget(member)
      return
    }
    if (before.changes === logs.changes()) return
    const images = imagesSince(member, before)
    for (const log of logs.changedSince(before.changes)) {
      // A log that was frozen has changed, and has nothing new.
      const isLonger = log.elements.length > (before.counts.get(log.logId) ?? 0)
      const element = isLonger ? log.elements.at(-1) : undefined
      if (element && !images.some(image => image.indexOf(element) >= 0))
        shown.object(
          'I5',
          `node ${member.name} speaks, but event ${log.head.seq} of log ${log.logId} (${(log.hashes.at(-1) ?? GENESIS).slice(0, 8)}) is not durable`,
        )
    }
    forget(member)
  }

  return {
    name: 'durability',
    booted: forget,
    injected: fault => {
      if ('node' in fault && DISHONEST_DISK.includes(fault.kind)) dishonest.add(fault.node)
    },
    sending: look,
    answered: look,
  }
}

/** What became durable since the last look: the rest of the file, and newer files. */
function imagesSince(member: Member, before: Past): readonly Buffer[] {
  const images: Buffer[] = []
  for (const path of [...member.disk.durablePaths()].sort()) {
    if (!path.startsWith('journal/') || path < before.path) continue
    const bytes = member.disk.durableBytes(path)
    if (!bytes) continue
    const from = path === before.path ? Math.min(before.offset, bytes.length) : 0
    images.push(Buffer.from(bytes.buffer, bytes.byteOffset + from, bytes.length - from))
  }
  return images
}
