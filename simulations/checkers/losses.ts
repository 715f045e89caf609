// What no software can keep: events that were only on disks which a fault then destroyed. Kept apart from what was lost by us.
// I6 an event that a charger's answer acknowledged is in the union of the surviving stores and the cloud.
import type { Ledger } from '../../src/ledger.ts'
import { decodeBody } from '../../src/log/body.ts'
import { decodeElement } from '../../src/log/event.ts'
import type { ChargerId, LogId } from '../../src/units.ts'
import { FORGETTING } from '../plan.ts'
import type { Gone, Member, Observer, Shown } from '../world/observer.ts'

export type Losses = Observer & {
  readonly destroyedEvents: () => number
  /** Whether words of this register at this charger were among what was destroyed. */
  readonly tookRegister: (chargerId: ChargerId, registerWh: number) => boolean
  /** Of the logs that were cut short, the number of the last event that survived. */
  readonly survivingSeq: (logId: LogId) => number | undefined
  /** The same for what only the cloud still has: billed, and open for ever on the nodes. */
  readonly leftToCloud: (chargerId: ChargerId, registerWh: number) => boolean
  readonly missing: () => number
}

type Holding = { readonly heads: Map<LogId, number>; readonly elements: Map<LogId, readonly Uint8Array[]> }
const ROTTING = ['bit-flip', 'lost-write', 'misdirected-write', 'sync-lies']

export function watchLosses(shown: Shown): Losses {
  /** What a node that is down held when it went. */
  const holdings = new Map<Member, Holding>()
  const rotten = new Set<number>()
  const ledgers = new Map<Member, Ledger>()
  const acked = new Map<LogId, number>()
  const cutAt = new Map<LogId, number>()
  const registers = new Set<string>()
  const offNodes = new Set<string>()
  let destroyed = 0
  let missing = 0

  const holding = (member: Member): Holding => {
    const logs = member.node()?.ledger().logs
    if (!logs) return holdings.get(member) ?? { heads: new Map(), elements: new Map() }
    const all = [...logs.all()]
    return {
      heads: new Map(all.map(log => [log.logId, log.head.seq])),
      elements: new Map(all.map(log => [log.logId, log.elements])),
    }
  }

  /** `member` no longer has what it held: whatever nobody else holds is gone for good. */
  const lose = (member: Member, lost: Holding, kept: ReadonlyMap<LogId, number>): void => {
    const cloudHeads = shown.cloud.headsNow()
    for (const [logId, seq] of lost.heads) {
      const onNodes = Math.max(
        kept.get(logId) ?? -1,
        ...shown.members().map(other => (other === member ? -1 : (holding(other).heads.get(logId) ?? -1))),
      )
      if (onNodes >= seq) continue
      const elements = lost.elements.get(logId) ?? []
      for (const element of elements.slice(onNodes + 1, seq + 1)) noteRegisters(element, offNodes)
      const elsewhere = Math.max(onNodes, cloudHeads.get(logId)?.seq ?? -1)
      if (elsewhere >= seq) continue
      destroyed += seq - elsewhere
      cutAt.set(logId, Math.min(elsewhere, cutAt.get(logId) ?? elsewhere))
      if ((acked.get(logId) ?? -1) > elsewhere) acked.set(logId, elsewhere)
      for (const element of elements.slice(elsewhere + 1, seq + 1)) noteRegisters(element, registers)
    }
  }

  /** The cloud forgets: what it alone still had may be gone. Whoever has it pushes it again. */
  const loseCloud = (): void => {
    for (const [logId, { seq }] of shown.cloud.headsNow()) {
      const onNodes = Math.max(-1, ...shown.members().map(member => holding(member).heads.get(logId) ?? -1))
      if (onNodes >= seq) continue
      destroyed += seq - onNodes
      cutAt.set(logId, Math.min(onNodes, cutAt.get(logId) ?? onNodes))
      if ((acked.get(logId) ?? -1) > onNodes) acked.set(logId, onNodes)
    }
    for (const name of offNodes) registers.add(name)
  }

  const noteRegisters = (element: Uint8Array | undefined, into: Set<string>): void => {
    // Of what was pruned: the cloud has it twice over.
    if (!element) return
    const read = decodeElement(element)
    const said = typeof read === 'string' ? undefined : decodeBody(read.type, read.body)
    if (said?.name === 'session_start') into.add(`${said.body.chargerId}/${said.body.meterStartWh}`)
    if (said?.name === 'session_end') into.add(`${said.body.chargerId}/${said.body.meterStopWh}`)
  }

  return {
    name: 'losses',
    destroyedEvents: () => destroyed,
    missing: () => missing,
    survivingSeq: logId => cutAt.get(logId),
    leftToCloud: (chargerId, registerWh) => offNodes.has(`${chargerId}/${registerWh}`),
    tookRegister: (chargerId, registerWh) => registers.has(`${chargerId}/${registerWh}`),
    injected: fault => {
      if ('node' in fault && ROTTING.includes(fault.kind)) rotten.add(fault.node)
      if (FORGETTING.includes(fault.kind)) loseCloud()
    },
    answered: (member, _input, _answer) => {
      const ledger = member.node()?.ledger()
      const own = ledger?.ownLog()
      const seq = own === undefined ? undefined : ledger?.logs.get(own)?.head.seq
      if (own !== undefined && seq !== undefined) acked.set(own, seq)
    },
    leaving: (member, how: Gone) => {
      const held = holding(member)
      holdings.set(member, held)
      if (how === 'wiped' || how === 'restored' || how === 'disposed') lose(member, held, new Map())
    },
    // A store that failed is read again without a boot, and what rotted meanwhile is missed only then.
    second: () => {
      for (const member of shown.members()) {
        const ledger = rotten.has(member.number) ? member.node()?.ledger() : undefined
        if (!ledger) continue
        const before = holdings.get(member)
        if (before && ledgers.get(member) !== undefined && ledgers.get(member) !== ledger)
          lose(member, before, holding(member).heads)
        ledgers.set(member, ledger)
        holdings.set(member, holding(member))
      }
    },
    booted: member => {
      const ledger = member.node()?.ledger()
      if (ledger) ledgers.set(member, ledger)
      const before = holdings.get(member)
      const after = holding(member)
      if (before && rotten.has(member.number)) lose(member, before, after.heads)
      else if (before)
        for (const [logId, seq] of acked) {
          const had = before.heads.get(logId) ?? -1
          const has = after.heads.get(logId) ?? -1
          if (had >= seq && has < seq && ownsLog(member, logId))
            shown.object(
              'I6',
              `node ${member.name} acknowledged event ${seq} of its log ${logId} and holds ${has} after a reboot`,
            )
        }
      holdings.delete(member)
    },
    gone: (member, how) => {
      if (how === 'wiped' || how === 'restored' || how === 'disposed') holdings.delete(member)
    },
    finished: () => {
      const cloudHeads = shown.cloud.headsNow()
      for (const [logId, seq] of acked) {
        const best = Math.max(
          cloudHeads.get(logId)?.seq ?? -1,
          ...shown.members().map(member => holding(member).heads.get(logId) ?? -1),
        )
        if (best >= seq) continue
        missing += seq - best
        shown.object('I6', `log ${logId}: ${seq - best} events that chargers were told of are nowhere`)
      }
    },
  }

  function ownsLog(member: Member, logId: LogId): boolean {
    return member.node()?.ledger().logs.get(logId)?.certificate.deviceId === member.deviceId
  }
}
