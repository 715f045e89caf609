// Who passes on whose news: a tree for each author, grown by use (after Plumtree; Leitão, Pereira and Rodrigues, "Epidemic
// Broadcast Trees", 2007), and one for objects. An author's news is at first only announced to a neighbour: who holds it
// says so and is left out of that tree, who asks for it is taken in. Objects are small, and passed on to everybody who
// has not said so yet. So news costs one copy a node, in a full mesh and in a sparse one. A tree may break at any time:
// whoever loses the peer above it asks others to take it in, and digests find what was lost all the same.
import type { DeviceId } from '../units.ts'

/** A tree is named by the author of the logs that it carries; objects share one. */
export type Tree = DeviceId | 'objects'

export type Trees = {
  /** What this peer sent unasked was news: it is above us in that tree. */
  readonly delivered: (tree: Tree, peer: DeviceId) => void
  /** Somebody brings us that tree's news. */
  readonly hasParent: (tree: Tree) => boolean
  /** It was none; true when it shall be told to leave us out. */
  readonly repeated: (tree: Tree, peer: DeviceId) => boolean
  /** We told it so already, or it told us. */
  readonly isPruned: (tree: Tree, peer: DeviceId) => boolean
  /** This peer gets that tree's news from elsewhere. */
  readonly prune: (tree: Tree, peer: DeviceId) => void
  /** It had to ask: its tree was broken, or never there. */
  readonly graft: (tree: Tree, peer: DeviceId) => void
  /** Of these peers, all that are connected, those to whom that tree's news is passed on, and those of whom nothing is known yet. */
  readonly below: (tree: Tree, peers: Iterable<DeviceId>) => Below
  readonly came: () => void
  /** It has forgotten what it asked for and where it asked to be left out. */
  readonly forgot: (peer: DeviceId) => void
  /** Gives the authors whose news it brought. */
  readonly gone: (peer: DeviceId) => readonly DeviceId[]
}
export type Below = { readonly passOn: readonly DeviceId[]; readonly announce: readonly DeviceId[] }

/** Far above the authors of any site; a peer that names more is not believed about those. */
const MAX_TREES = 4096

export function createTrees(): Trees {
  const above = new Map<Tree, DeviceId>()
  const states = new Map<DeviceId, Map<Tree, 'grafted' | 'pruned'>>()
  /** Kept until something changes: a busy tree is asked with every segment. */
  const known = new Map<Tree, Below>()
  const set = (tree: Tree, peer: DeviceId, state: 'grafted' | 'pruned'): void => {
    const trees = states.get(peer) ?? new Map<Tree, 'grafted' | 'pruned'>()
    states.set(peer, trees)
    if (trees.get(tree) === state || (trees.size >= MAX_TREES && !trees.has(tree))) return
    trees.set(tree, state)
    known.delete(tree)
  }
  const forgot = (peer: DeviceId): void => {
    states.delete(peer)
    known.clear()
  }
  const stateOf = (tree: Tree, peer: DeviceId): 'grafted' | 'pruned' | undefined =>
    states.get(peer)?.get(tree)

  return {
    prune: (tree, peer) => set(tree, peer, 'pruned'),
    graft: (tree, peer) => set(tree, peer, 'grafted'),
    isPruned: (tree, peer) => stateOf(tree, peer) === 'pruned',
    hasParent: tree => above.has(tree),
    delivered: (tree, peer) => {
      above.set(tree, peer)
      // The edge is one: who is above us is not left out by us.
      if (stateOf(tree, peer) === 'pruned') set(tree, peer, 'grafted')
    },
    repeated: (tree, peer) => {
      // An author pushes to all its peers whatever they say, and a line may double a message: no reason to cut a branch.
      // Where nobody is above us any more, this may be the last branch.
      const parent = above.get(tree)
      if (parent === undefined) above.set(tree, peer)
      if (tree === peer || parent === peer || parent === undefined) return false
      set(tree, peer, 'pruned')
      return true
    },
    below: (tree, peers) => {
      const held = known.get(tree)
      if (held) return held
      const others = [...peers].filter(peer => tree !== peer && stateOf(tree, peer) !== 'pruned')
      const isSure = (peer: DeviceId): boolean => tree === 'objects' || stateOf(tree, peer) === 'grafted'
      const below = { passOn: others.filter(isSure), announce: others.filter(peer => !isSure(peer)) }
      known.set(tree, below)
      return below
    },
    came: () => known.clear(),
    forgot,
    gone: peer => {
      forgot(peer)
      const orphaned: DeviceId[] = []
      for (const [tree, parent] of above) {
        if (parent !== peer) continue
        above.delete(tree)
        if (tree !== 'objects') orphaned.push(tree)
      }
      return orphaned
    },
  }
}
