// I5 durable before acknowledged: when a charger, a peer or the cloud hears anything from a node, every event that the node
// holds is in the fsynced image of its disk, byte for byte. I2 what it held when it last spoke it holds when it has read its
// store again. Neither is asked of a disk that has once rotted, lied about a flush or lost a write: there no software can know.
// Nor I2 of another disk, or of a log that is frozen behind its fork.
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

  /** Its store was read again, after a boot or a failed disk: what everybody believes to be there is there. */
  const remember = (member: Member, logs: Logs): void => {
    for (const [logId, count] of past.get(member)?.counts ?? []) {
      const log = logs.get(logId)
      const held = log?.elements.length ?? 0
      if (log?.fork || held >= count) continue
      shown.object(
        'I2',
        `node ${member.name} spoke when it held ${count} events of log ${logId}, and read ${held} from its disk`,
      )
    }
  }

  const look = (member: Member): void => {
    const logs = member.node()?.ledger().logs
    if (!logs) return
    const before = past.get(member)
    const isHonest = !dishonest.has(member.number)
    if (before && before.logs !== logs && isHonest) remember(member, logs)
    if (before?.logs !== logs || !isHonest) {
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
    booted: member => {
      look(member)
      forget(member)
    },
    gone: (member, how) => {
      if (how === 'wiped' || how === 'restored') past.delete(member)
    },
    injected: fault => {
      if ('node' in fault && DISHONEST_DISK.includes(fault.kind)) dishonest.add(fault.node)
    },
    sending: look,
    pushing: look,
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
