// Trees are grown by use: everybody at first, then whoever did not get it twice; a break is mended by whoever asks.
import { describe, expect, it } from 'vitest'
import { createTrees, type Tree, type Trees } from '../../src/replica/trees.ts'
import type { DeviceId } from '../../src/units.ts'

const [author, other, a, b, c] = ['a0', 'a1', 'b1', 'b2', 'b3'].map(byte => byte.repeat(16)) as [
  DeviceId,
  DeviceId,
  DeviceId,
  DeviceId,
  DeviceId,
]
const peers = [author, a, b, c]
/** All are in the author's tree and in the other's. */
function grown(): Trees {
  const trees = createTrees()
  for (const peer of peers) for (const tree of [author, other]) trees.graft(tree, peer)
  return trees
}
const below = (trees: Trees, tree: Tree = author): readonly DeviceId[] => trees.below(tree, peers).passOn

describe('a tree', () => {
  it('announces to everybody at first but the author, and passes on to whoever asked', () => {
    const trees = createTrees()
    expect(trees.below(author, peers)).toEqual({ passOn: [], announce: [a, b, c] })
    trees.graft(author, b)
    expect(trees.below(author, peers)).toEqual({ passOn: [b], announce: [a, c] })
    trees.prune(author, a)
    expect(trees.below(author, peers)).toEqual({ passOn: [b], announce: [c] })
    expect(trees.below(other, peers)).toEqual({ passOn: [], announce: [author, a, b, c] })
  })

  it('of objects passes on to everybody at first', () => {
    const trees = createTrees()
    expect(trees.below('objects', peers)).toEqual({ passOn: [author, a, b, c], announce: [] })
  })

  it('gives the authors whose parent is gone, so that others may be asked for them', () => {
    const trees = grown()
    trees.delivered(author, a)
    trees.delivered(other, b)
    trees.delivered('objects', a)
    expect(trees.gone(a)).toEqual([author])
    expect(trees.gone(a)).toEqual([])
  })

  it('leaves out whoever says that it gets this from elsewhere, in this tree only', () => {
    const trees = grown()
    below(trees)
    trees.prune(author, a)
    expect(below(trees)).toEqual([b, c])
    expect(below(trees, other)).toEqual(peers)
    expect(below(trees, 'objects')).toEqual(peers)
  })

  it('leaves out whoever repeats what another peer brought, and has it told so', () => {
    const trees = grown()
    trees.delivered(author, a)
    below(trees)
    expect(trees.repeated(author, b)).toBe(true)
    expect(below(trees)).toEqual([a, c])
  })

  it('keeps its parent and its author, however often they repeat themselves', () => {
    const trees = grown()
    trees.delivered(author, a)
    expect(trees.repeated(author, a)).toBe(false)
    expect(trees.repeated(author, author)).toBe(false)
    expect(below(trees)).toEqual([a, b, c])
  })

  it('takes whoever asks in again, and whoever brings news', () => {
    const trees = grown()
    for (const peer of [a, b, c]) trees.prune(author, peer)
    expect(below(trees)).toEqual([])
    trees.graft(author, b)
    expect(below(trees)).toEqual([b])
    trees.delivered(author, c)
    expect(below(trees)).toEqual([b, c])
  })

  it('has the peer that brought the newest news above it, so the one before may be left out', () => {
    const trees = grown()
    trees.delivered(author, a)
    trees.delivered(author, b)
    expect(trees.repeated(author, b)).toBe(false)
    expect(trees.repeated(author, a)).toBe(true)
    expect(below(trees)).toEqual([b, c])
  })

  it('forgets a peer that is gone: when it comes again it is announced to', () => {
    const trees = grown()
    trees.prune(author, a)
    expect(below(trees)).toEqual([b, c])
    trees.gone(a)
    expect(trees.below(author, [author, b, c]).passOn).toEqual([b, c])
    trees.came()
    expect(trees.below(author, peers)).toEqual({ passOn: [b, c], announce: [a] })
  })

  it('passes on to a peer that came after the tree had grown', () => {
    const trees = grown()
    expect(trees.below(author, [a]).passOn).toEqual([a])
    trees.came()
    expect(trees.below(author, [a, b]).passOn).toEqual([a, b])
  })

  it('leaves a peer out of so many trees at most, so that its words cannot fill the memory', () => {
    const trees = grown()
    const named = (i: number): DeviceId => i.toString(16).padStart(32, '0') as DeviceId
    for (let i = 0; i < 100_000; i++) trees.prune(named(i), a)
    const leftOut = Array.from({ length: 100_000 }, (_, i) => named(i)).filter(
      tree => trees.below(tree, [a]).announce.length === 0,
    )
    expect(leftOut).toHaveLength(4094)
    trees.graft(named(0), a)
    trees.prune(author, a)
    expect(below(trees)).toEqual([b, c])
  })
})
