// News of the operator (PROTOCOL 6.5). I16 what a node acted upon it never forgets, through crashes and reboots; only a new or
// rotten disk may. The same of beacons and receipts: no older one ever stands where a newer one stood. I18 in fair weather a revocation reaches all nodes of an island within ten rounds of gossip.

import type { ObjectName } from '../../src/log/object.ts'
import type { Objects } from '../../src/replica/objects.ts'
import type { FaultKind } from '../plan.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'

/** Ten rounds of gossip, which is every two seconds. */
const SPREAD_MS = 20_000
/** While one of these lasts somewhere, spreading may take longer. */
const FOUL: readonly FaultKind[] = [
  ...(['split', 'one-way', 'flap', 'swizzle', 'quality', 'slow-reader', 'stall', 'slow-disk'] as const),
  ...([
    'disk-full',
    'sync-error',
    'crash-loop',
    'kill',
    'power-cut',
    'power-cut-at',
    'clone',
    'clock-1970',
  ] as const),
]
const ROTTING = ['bit-flip', 'lost-write', 'misdirected-write', 'sync-lies']
const SETTLING_MS = 60_000
const FAIR_LOSS = 0.05

export type PolicyWatch = Observer & {
  /** Of each revocation, when each node knew of it. */
  readonly known: () => ReadonlyMap<number, ReadonlyMap<number, number>>
}

export function policyChecker(shown: Shown): PolicyWatch {
  const acted = new Map<Member, number>()
  /** Whose disk cannot be relied on any more. */
  const rotten = new Set<number>()
  const known = new Map<number, Map<number, number>>()
  const exposed = new Map<string, number>()
  let foulUntilMs = 0
  const isFair =
    shown.plan.quality.lossRate <= FAIR_LOSS &&
    shown.plan.hostile.length === 0 &&
    !shown.plan.quality.bytesPerS

  const headOf = (member: Member): number =>
    member.node()?.ledger().logs.get(shown.operator.logId)?.head.seq ?? -1

  const statements = watchStatements(shown, member => rotten.has(member.number))
  const note = (member: Member): void => {
    acted.set(member, headOf(member))
  }
  const noteAll = (member: Member): void => {
    statements.note(member)
    note(member)
  }

  return {
    name: 'policy',
    known: () => known,
    sending: noteAll,
    pushing: noteAll,
    // Heard of a moment after it was given: by then an answer of the cloud may have brought receipts that are not yet durable.
    answered: note,
    gone: (member, how) => {
      // Another disk: it begins anew.
      if (how !== 'wiped' && how !== 'restored') return
      acted.delete(member)
      statements.forget(member)
    },
    injected: fault => {
      if ('node' in fault && ROTTING.includes(fault.kind)) rotten.add(fault.node)
      if (!FOUL.includes(fault.kind)) return
      const lastsMs = 'forMs' in fault ? fault.forMs : 'downMs' in fault ? fault.downMs : 0
      foulUntilMs = Math.max(foulUntilMs, shown.nowMs() + lastsMs + SETTLING_MS)
    },
    booted: member => {
      foulUntilMs = Math.max(foulUntilMs, shown.nowMs() + SETTLING_MS)
      const before = acted.get(member) ?? -1
      if (headOf(member) < before && !rotten.has(member.number))
        shown.object(
          'I16',
          `node ${member.name} acted on news ${before} of the operator, and holds ${headOf(member)} after a reboot`,
        )
      noteAll(member)
    },
    second: () => {
      const nowMs = shown.nowMs()
      const revocations = shown.operator.revocations()
      if (revocations.length === 0) return
      const members = shown.members().filter(member => member.node() && !member.isClone)
      const component = shown.network.componentOf()
      for (const { seq } of revocations) {
        const at = known.get(seq) ?? new Map<number, number>()
        known.set(seq, at)
        if (at.size === members.length) continue
        const informed = new Set<number | undefined>()
        for (const member of members) {
          if (headOf(member) < seq) continue
          if (!at.has(member.number)) at.set(member.number, nowMs)
          informed.add(component.get(member.deviceId))
        }
        for (const member of members) {
          const name = `${seq}/${member.number}`
          const near = headOf(member) < seq && informed.has(component.get(member.deviceId))
          const since = near && isFair && nowMs > foulUntilMs ? (exposed.get(name) ?? nowMs) : nowMs
          exposed.set(name, since)
          if (nowMs - since !== SPREAD_MS) continue
          shown.object(
            'I18',
            `node ${member.name} does not know revocation ${seq} after ${SPREAD_MS / 1000} s among nodes that do`,
          )
        }
      }
    },
  }
}

type Statements = { readonly note: (member: Member) => void; readonly forget: (member: Member) => void }
/** `objects`: a node that had to read its store again holds them anew. */
type Stated = { objects: Objects; changes: number; readonly versions: Map<ObjectName, number> }

/** Beacons and receipts, looked at whenever a node speaks: what it held then is durable, and no later boot may know less. */
function watchStatements(shown: Shown, isRotten: (member: Member) => boolean): Statements {
  const stated = new Map<Member, Stated>()
  const compare = (
    member: Member,
    name: ObjectName,
    versions: readonly [number, number | undefined],
  ): void => {
    const [before, now] = versions
    if (now !== undefined && now >= before) return
    shown.object(
      'I16',
      `node ${member.name} held ${name} in version ${before}, and now holds ${now ?? 'none'}`,
    )
  }
  return {
    note: member => {
      const objects = member.node()?.ledger().objects
      if (!objects) return
      const past = stated.get(member) ?? { objects, changes: 0, versions: new Map() }
      stated.set(member, past)
      if (past.objects !== objects) {
        Object.assign(past, { objects, changes: 0 })
        if (isRotten(member)) past.versions.clear()
        for (const [name, version] of past.versions)
          compare(member, name, [version, objects.get(name)?.version])
      }
      if (past.changes === objects.changes()) return
      for (const { kind, name, version } of objects.changedSince(past.changes)) {
        // Signs of life are worth nothing after a minute, and are not kept.
        if (kind === 'uplink') continue
        compare(member, name, [past.versions.get(name) ?? version, version])
        past.versions.set(name, version)
      }
      past.changes = objects.changes()
    },
    forget: member => void stated.delete(member),
  }
}
