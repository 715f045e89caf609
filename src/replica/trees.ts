// Who passes on whose news: a tree for each author, and one for objects, grown by use (Plumtree; Leitão, Pereira and Rodrigues,
// "Epidemic Broadcast Trees", 2007). At first everything is passed on to everybody. Who gets it twice says so, and
// is left out of that tree; who has to ask for it is taken in again. So news costs one copy a node and no rumours,
// in a full mesh and in a sparse one. A tree may break at any time: digests find what it lost.
import type { DeviceId } from '../units.ts'

/** A tree is named by the author of the logs that it carries; objects share one. */
export type Tree = DeviceId | 'objects'

export type Trees = {
  /** What this peer sent unasked was news: it is above us in that tree. */
  readonly delivered: (tree: Tree, peer: DeviceId) => void
  /** What it sent unasked was none; true when it shall be told to leave us out. */
  readonly repeated: (tree: Tree, peer: DeviceId) => boolean
  /** This peer gets that tree's news from elsewhere. */
  readonly prune: (tree: Tree, peer: DeviceId) => void
  /** It had to ask, so its tree was broken: it is passed on to again. */
  readonly graft: (tree: Tree, peer: DeviceId) => void
  /** Of these peers, all that are connected, those to whom that tree's news is passed on. */
  readonly below: (tree: Tree, peers: Iterable<DeviceId>) => readonly DeviceId[]
  readonly came: () => void
  readonly gone: (peer: DeviceId) => void
}

/** Far above the authors of any site; a peer that names more is not left out of those. */
const MAX_PRUNED_TREES = 4096

export function createTrees(): Trees {
  const above = new Map<Tree, DeviceId>()
  const pruned = new Map<DeviceId, Set<Tree>>()
  /** Kept until something changes: a busy tree is asked with every segment. */
  const known = new Map<Tree, readonly DeviceId[]>()
  const prune = (tree: Tree, peer: DeviceId): void => {
    const trees = pruned.get(peer) ?? new Set()
    if (trees.size < MAX_PRUNED_TREES) pruned.set(peer, trees.add(tree))
    known.delete(tree)
  }
  const graft = (tree: Tree, peer: DeviceId): void => {
    if (pruned.get(peer)?.delete(tree)) known.delete(tree)
  }
  return {
    prune,
    graft,
    delivered: (tree, peer) => {
      above.set(tree, peer)
      graft(tree, peer)
    },
    repeated: (tree, peer) => {
      // An author pushes to all its peers whatever they say, and a line may double a message: no reason to cut a branch.
      // Where nobody is above us any more, this may be the last branch.
      const parent = above.get(tree)
      if (parent === undefined) above.set(tree, peer)
      if (tree === peer || parent === peer || parent === undefined) return false
      prune(tree, peer)
      return true
    },
    below: (tree, peers) => {
      const held = known.get(tree)
      if (held) return held
      const below = [...peers].filter(peer => tree !== peer && !pruned.get(peer)?.has(tree))
      known.set(tree, below)
      return below
    },
    came: () => known.clear(),
    gone: peer => {
      pruned.delete(peer)
      known.clear()
      for (const [tree, parent] of above) if (parent === peer) above.delete(tree)
    },
  }
}
