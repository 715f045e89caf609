// The newest object of every name (PROTOCOL 1.12). Older versions change nothing, so order does not matter.
import type { ObjectKind, ObjectName, SignedObject } from '../log/object.ts'

/** One ack a log, one sign of life a node, one beacon an issuer: far above any site. */
const MAX_OBJECTS = 100_000

export type HeldObject = { readonly object: SignedObject; readonly changedAt: number }

export type Objects = {
  /** True when it was news. */
  readonly add: (object: SignedObject) => boolean
  readonly get: (name: ObjectName) => SignedObject | undefined
  readonly ofKind: <K extends ObjectKind>(kind: K) => readonly Extract<SignedObject, { kind: K }>[]
  readonly all: () => IterableIterator<HeldObject>
  readonly changes: () => number
}

export function createObjects(): Objects {
  const held = new Map<ObjectName, HeldObject>()
  // Apart by kind: there are many acks and few beacons, and beacons are asked for with every message of a charger.
  const kinds = new Map<ObjectKind, Map<ObjectName, SignedObject>>()
  let changes = 0
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
      held.set(object.name, { object, changedAt: changes })
      shelf(object.kind).set(object.name, object)
      return true
    },
    get: name => held.get(name)?.object,
    ofKind: <K extends ObjectKind>(kind: K) =>
      // A shelf holds one kind only, which the checker cannot see.
      [...shelf(kind).values()] as Extract<SignedObject, { kind: K }>[],
    all: () => held.values(),
    changes: () => changes,
  }
}
