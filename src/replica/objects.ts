// The newest object of every name (PROTOCOL 1.12). Older versions change nothing, so order does not matter.
import type { ObjectKind, ObjectName, SignedObject } from '../log/object.ts'

/** One ack a log, one sign of life a node, one beacon an issuer: far above any site. */
const MAX_OBJECTS = 100_000
const MIN_TIMELINE = 64

export type HeldObject = { readonly object: SignedObject; readonly changedAt: number }

export type Objects = {
  /** True when it was news. */
  readonly add: (object: SignedObject) => boolean
  readonly get: (name: ObjectName) => SignedObject | undefined
  readonly ofKind: <K extends ObjectKind>(kind: K) => readonly Extract<SignedObject, { kind: K }>[]
  readonly all: () => IterableIterator<HeldObject>
  /** Objects that came after the counter `since`, in that order; 0 gives all. */
  readonly changedSince: (since: number) => readonly SignedObject[]
  readonly changes: () => number
  /** The newest epoch of the cloud that an ack has named, or a later one that the cloud itself named last; 0 for none. */
  readonly cloudEpoch: () => number
  /**
   * The cloud has answered so, and signed nothing of it: its next answer may take it back, if it was asked (by the counter of
   * changes) after that was heard. Else one wrong number would make every receipt void for good.
   */
  readonly sawCloud: (epoch: number, askedAt: number) => void
  /** The newest time that an operator or the cloud has signed; what nodes say of the time proves nothing. */
  readonly signedAt: () => number
}

export function createObjects(): Objects {
  const held = new Map<ObjectName, HeldObject>()
  // Apart by kind: there are many acks and few beacons, and beacons are asked for with every message of a charger.
  const kinds = new Map<ObjectKind, Map<ObjectName, SignedObject>>()
  let changes = 0
  let signedEpoch = 0
  let said = { epoch: 0, heardAt: 0 }
  let signedAt = 0
  const cloudEpoch = (): number => Math.max(signedEpoch, said.epoch)
  const sawCloud = (epoch: number, askedAt: number): void => {
    if (epoch === said.epoch || (epoch < said.epoch && askedAt < said.heardAt)) return
    const before = cloudEpoch()
    said = { epoch, heardAt: changes + 1 }
    // What was acknowledged by then may not be so any more, or is so again.
    if (cloudEpoch() !== before) changes += 1
  }
  // What came, in order; entries that a newer version has outdated are dropped now and then.
  let timeline: HeldObject[] = []
  const shelf = (kind: ObjectKind): Map<ObjectName, SignedObject> => {
    const found = kinds.get(kind) ?? new Map<ObjectName, SignedObject>()
    kinds.set(kind, found)
    return found
  }
  return {
    add: object => {
      const before = held.get(object.name)
      if (before ? before.object.version >= object.version : held.size >= MAX_OBJECTS) return false
      changes += 1
      if (object.kind === 'ack') signedEpoch = Math.max(signedEpoch, object.body.cloudEpoch)
      if (object.kind !== 'uplink') signedAt = Math.max(signedAt, object.body.issuedAt)
      held.set(object.name, { object, changedAt: changes })
      timeline.push({ object, changedAt: changes })
      if (timeline.length > 2 * held.size + MIN_TIMELINE)
        timeline = timeline.filter(one => held.get(one.object.name)?.changedAt === one.changedAt)
      shelf(object.kind).set(object.name, object)
      return true
    },
    get: name => held.get(name)?.object,
    ofKind: <K extends ObjectKind>(kind: K) =>
      // A shelf holds one kind only, which the checker cannot see.
      [...shelf(kind).values()] as Extract<SignedObject, { kind: K }>[],
    all: () => held.values(),
    changedSince: since => {
      const changed: SignedObject[] = []
      for (let i = timeline.length - 1; i >= 0; i--) {
        const one = timeline[i]
        if (!one || one.changedAt <= since) break
        if (held.get(one.object.name)?.changedAt === one.changedAt) changed.push(one.object)
      }
      return changed.reverse()
    },
    changes: () => changes,
    ...{ sawCloud, cloudEpoch, signedAt: () => signedAt },
  }
}
