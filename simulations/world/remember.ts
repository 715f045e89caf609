// The memory of a world: its nodes are sent the very same bytes, and what one of them read, all have read. Weak, so that it
// holds nothing longer than a node does. Readings are pure, so a world without it is the same world, only slower.
import type { Reading, Remember } from '../../src/remember.ts'

export function createMemory(): Remember {
  const shelves = new Map<Reading, WeakMap<object, { readonly value: unknown }>>()
  return <V>(kind: Reading, of: object, read: () => V): V => {
    const shelf = shelves.get(kind) ?? new WeakMap<object, { readonly value: unknown }>()
    shelves.set(kind, shelf)
    const known = shelf.get(of)
    // One kind of reading gives one type, which the checker cannot see.
    if (known) return known.value as V
    const value = read()
    shelf.set(of, { value })
    return value
  }
}
