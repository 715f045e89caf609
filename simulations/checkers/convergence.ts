// When the faults are over, all honest nodes hold the same (PROTOCOL 6.5).
// I7 equal logs, and equal sessions folded from them. I8 a log's Yjs document is a pure function of its events.
// I9 whoever saw two branches of one log has told everybody, and no honest node is ever banned by another. I26 the fold does not depend on the order of delivery.

import { sha256, utf8Bytes } from '../../src/identity/hash.ts'
import { encodeUpdate } from '../../src/replica/canonical.ts'
import { documentOf, elementsOf, stateOf } from '../../src/replica/document.ts'
import type { Log } from '../../src/replica/logs.ts'
import type { Session } from '../../src/session/fold.ts'
import { hex, sameBytes } from '../../src/units.ts'
import { viewOf } from '../../src/view.ts'
import type { Dice } from '../dice.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'

const FORK = 'its fork'
/** Logs whose documents are built and compared at the end; each costs a document. */
const DOCUMENTS = 8

export type ConvergenceWatch = Observer & {
  /** From the end of the faults until all held the same for the first time. */
  readonly convergedMs: () => number | undefined
}

export function convergenceChecker(shown: Shown, dice: Dice): ConvergenceWatch {
  let convergedMs: number | undefined
  const honest = new Map(shown.members().map(member => [member.deviceId, member.name]))
  const up = (): readonly Member[] => shown.members().filter(member => !member.isClone)

  const apart = (): string | undefined => {
    const [first, ...others] = up()
    const reference = first?.node()?.ledger().logs
    if (!first || !reference) return `node ${first?.name} is not up`
    for (const other of others) {
      const logs = other.node()?.ledger().logs
      if (!logs) return `node ${other.name} is not up`
      if (logs.count() !== reference.count())
        return `nodes ${first.name} and ${other.name} hold ${reference.count()} and ${logs.count()} logs`
      for (const log of reference.all()) {
        const said = differenceOf(log, logs.get(log.logId))
        if (said) return `nodes ${first.name} and ${other.name}, log ${log.logId}: ${said}`
      }
    }
    return undefined
  }

  return {
    name: 'convergence',
    convergedMs: () => convergedMs,
    banning: (member, peer, reason) => {
      const name = honest.get(peer)
      if (name !== undefined)
        shown.object('I9', `node ${member.name} bans node ${name}, which is honest: ${reason}`)
    },
    awaits: () => {
      const said = apart()
      if (said === undefined) convergedMs ??= shown.nowMs() - shown.plan.durationMs
      return said && (said.includes(FORK) ? `I9 ${said}` : `I7 ${said}`)
    },
    finished: () => {
      const nodes = up().flatMap(member => member.node() ?? [])
      // Each lets go of a log at its own minute; what some have let go of nobody is asked about.
      const gone = new Set(nodes.flatMap(node => [...node.ledger().logs.all()].filter(log => log.cut)))
      const cut = new Set([...gone].map(log => log.logId))
      const sessions = nodes.map(node => {
        const kept = node
          .ledger()
          .view()
          .sessions()
          .filter(one => !one.logIds.some(id => cut.has(id)))
        return hex(sha256(utf8Bytes(told(kept).join('\n'))))
      })
      const logs = nodes[0] ? [...nodes[0].ledger().logs.all()] : []
      for (const log of dice.shuffled(logs).slice(0, DOCUMENTS)) if (!log.cut) checkDocument(shown, log)
      if (shown.members().length <= 24) checkFolds(shown, dice)
      if (new Set(sessions).size > 1)
        shown.object('I7', 'nodes that hold the same logs fold different sessions')
    },
  }
}

function differenceOf(ours: Log, theirs: Log | undefined): string | undefined {
  if (!theirs) return 'one does not have it'
  if (ours.fork || theirs.fork) {
    if (!ours.fork || !theirs.fork) return `${FORK} is proven to one, and not to the other`
    return ours.fork.seq === theirs.fork.seq ? undefined : `${FORK} is known at different places`
  }
  return ours.head.hash === theirs.head.hash
    ? undefined
    : `${ours.head.seq} and ${theirs.head.seq} are its newest events`
}

function checkDocument(shown: Shown, log: Log): void {
  const whole = documentOf(encodeUpdate(0, log.elements))
  const elements = elementsOf(whole)
  const isSame =
    elements.length === log.elements.length &&
    elements.every((element, i) => sameBytes(element, log.elements[i] ?? new Uint8Array()))
  if (!isSame) shown.object('I8', `the document of log ${log.logId} does not hold its events`)
  const middle = Math.floor(log.elements.length / 2)
  const parts = [
    encodeUpdate(0, log.elements.slice(0, middle)),
    encodeUpdate(middle, log.elements.slice(middle)),
  ]
  const inParts = documentOf(...parts.filter((_, i) => i > 0 || middle > 0))
  if (!sameBytes(stateOf(inParts), stateOf(whole)))
    shown.object('I8', `the document of log ${log.logId} depends on how it was cut`)
}

/** The same events, log by log, in another order of logs: the same sessions. */
function checkFolds(shown: Shown, dice: Dice): void {
  const node = shown.members()[0]?.node()
  if (!node) return
  const ledger = node.ledger()
  // What was let go of a moment ago leaves the node's own view a little later.
  ledger.refold(Number.MAX_SAFE_INTEGER)
  const shuffled = dice.shuffled([...ledger.logs.all()])
  const view = viewOf(shown.site.roster(), { ...ledger.logs, all: () => shuffled.values() })
  const ours = told(ledger.view().sessions())
  const other = told(view.sessions()).find((session, i) => session !== ours[i])
  if (other !== undefined || view.sessions().length !== ours.length)
    shown.object('I26', `the same events in another order fold to other sessions, such as ${other}`)
}

/** All that a session says, the records that count included: one field that depends on the order is one too many. */
function told(sessions: readonly Session[]): readonly string[] {
  return sessions.map(session => JSON.stringify(session, plainly)).sort()
}

function plainly(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value
}
