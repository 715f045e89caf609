// Logs under the hostile device's own, certified key: well-formed and properly signed, whatever they say, with as many
// branches as it likes. Every append is one group that ends in a seal, so a group is a segment. Bounded: honest nodes
// must keep what it writes, so a world must not fill up with it.
import type { AnyBody } from '../../src/log/body.ts'
import { encodeElement, type LogEvent } from '../../src/log/event.ts'
import { hlcOf } from '../../src/log/hlc.ts'
import { headAfter, logIdOf, write } from '../../src/log/writer.ts'
import { encodeUpdate } from '../../src/replica/canonical.ts'
import { type CertHash, type EpochId, hex, type LogId, unhex } from '../../src/units.ts'
import { type Scene, say } from './scene.ts'

export const MAX_OWN_LOGS = 24
/** Over all logs and branches. */
export const MAX_OWN_EVENTS = 2000
/** Answers to one question for one log. */
const MAX_ANSWERS = 4

/** One history: groups of events, each of which ends in a seal. */
type Branch = LogEvent[][]
export type OwnLog = {
  readonly logId: LogId
  /** The first is the one that is continued when nothing is forked. */
  readonly branches: readonly Branch[]
  readonly openedAtMs: number
}

export type OwnLogs = {
  /** Undefined when it has written enough. */
  readonly open: (scene: Writing, options?: OpenOptions) => OwnLog | undefined
  /** A log without branches to go on with: a new one, or when there are enough, one of those. */
  readonly diary: (scene: Writing, options?: Pick<OpenOptions, 'wallMs'>) => OwnLog | undefined
  /** Adds a group to one branch; the messages that say it, none when it has written enough. */
  readonly append: (scene: Writing, log: OwnLog, group: Group) => readonly Uint8Array[]
  /** One branch from a number on, as messages. */
  readonly read: (log: OwnLog, branch: number, fromSeq?: number) => readonly Uint8Array[]
  readonly get: (logId: LogId) => OwnLog | undefined
  readonly all: () => readonly OwnLog[]
  readonly events: () => number
}

export type Writing = Pick<Scene, 'self' | 'site' | 'signatures' | 'dice' | 'wallMs' | 'nowMs'>
type OpenOptions = {
  readonly branches?: number
  /** What its clock says then, when not the truth. */
  readonly wallMs?: number
  /** Named as the author's certificate. */
  readonly certHash?: CertHash
}
export type Group = {
  readonly bodies: readonly AnyBody[]
  readonly branch?: number
  readonly wallMs?: number
  readonly monoMs?: number
}

export function createOwnLogs(): OwnLogs {
  const logs = new Map<LogId, OwnLog>()
  let written = 0

  const extend = (scene: Writing, log: OwnLog, group: Group): readonly LogEvent[] => {
    const branch = log.branches[group.branch ?? 0]
    if (!branch || written + group.bodies.length > MAX_OWN_EVENTS) return []
    const wallMs = group.wallMs ?? scene.wallMs()
    const last = branch.at(-1)?.at(-1)
    const head = last && headAfter(last)
    const writer = {
      ...{ logId: log.logId, logKey: scene.self.keys.logKey },
      ...{ signatures: scene.signatures, head },
    }
    const monoMs = group.monoMs ?? scene.nowMs() - log.openedAtMs
    const events = write(writer, group.bodies, { hlc: head?.hlc ?? hlcOf(0), wallMs, monoMs })
    if (events.length > 0) branch.push([...events])
    written += events.length
    return events
  }

  const open = (scene: Writing, options: OpenOptions = {}): OwnLog | undefined => {
    const { certificate } = scene.self
    if (logs.size >= MAX_OWN_LOGS || written >= MAX_OWN_EVENTS) return undefined
    const epochId = hex<EpochId>(scene.dice.random.bytes(16))
    const openedAtMs = scene.nowMs()
    const first: Branch = []
    const log: OwnLog = { logId: logIdOf(certificate.deviceId, epochId), branches: [first], openedAtMs }
    const bodies: readonly AnyBody[] = [
      {
        name: 'epoch_open',
        body: {
          ...{ epochId, certHash: options.certHash ?? certificate.hash, siteId: scene.site.siteId },
          ...{ bootReason: 'start', storeState: 'fresh', swVersion: 'other', policyHead: [] },
        },
      },
    ]
    if (
      extend(scene, log, { bodies, ...(options.wallMs !== undefined && { wallMs: options.wallMs }) })
        .length === 0
    )
      return undefined
    const others = Array.from({ length: (options.branches ?? 1) - 1 }, (): Branch => [...first])
    const opened = { ...log, branches: [first, ...others] }
    logs.set(opened.logId, opened)
    return opened
  }

  return {
    open,
    diary: (scene, options) => {
      const plain = [...logs.values()].filter(log => log.branches.length === 1)
      return open(scene, options) ?? (plain.length > 0 ? scene.dice.pick(plain) : undefined)
    },
    append: (scene, log, group) => {
      const before = log.branches[group.branch ?? 0]?.at(-1)?.at(-1)
      const events = extend(scene, log, group)
      return events.length > 0 ? [segmentMessage(events, before)] : []
    },
    read: (log, branch, fromSeq = 0) => {
      const groups = log.branches[branch % log.branches.length] ?? []
      const wanted = groups.flatMap((group, i) =>
        (group.at(-1)?.seq ?? -1) >= fromSeq ? [{ group, before: groups[i - 1]?.at(-1) }] : [],
      )
      const more = wanted.length > MAX_ANSWERS
      return wanted
        .slice(0, MAX_ANSWERS)
        .map(({ group, before }, i) => segmentMessage(group, before, more && i === MAX_ANSWERS - 1))
    },
    get: logId => logs.get(logId),
    all: () => [...logs.values()],
    events: () => written,
  }
}

/** Events of one log, whatever they are, behind `before`. */
export function segmentMessage(
  events: readonly LogEvent[],
  before: Pick<LogEvent, 'hash'> | undefined,
  more = false,
): Uint8Array {
  const [first] = events
  if (!first) throw new RangeError('a segment needs events')
  return say({
    ...{ kind: 'segment', logId: first.logId, fromSeq: first.seq, more },
    update: encodeUpdate(first.seq, events.map(encodeElement)),
    prevHash: before ? unhex(before.hash.slice(0, 16)) : new Uint8Array(0),
  })
}
