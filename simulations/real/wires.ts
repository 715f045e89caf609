// Who hears whom on the mesh of real nodes: splits, cuts of one direction and isolations, laid over the relays. A cut is a
// dead radio, as in the simulator: sockets stay open, nothing passes, and patience decides.
import type { Relay } from './relay.ts'

export type Wires = {
  /** Two nodes hear each other while they share a group. Says its number, for `unsplit`. */
  readonly split: (groups: readonly (readonly number[])[]) => number
  /** Nothing happens when there was another split since. */
  readonly unsplit: (split: number) => void
  readonly cut: (from: number, to: number) => void
  readonly mend: (from: number, to: number) => void
  readonly isolate: (node: number) => void
  readonly rejoin: (node: number) => void
  readonly heal: () => void
  /** What passed all relays of a node, noise and framing and all. */
  readonly bytesOf: (node: number) => number
  readonly bytes: () => number
}

type Strand = { readonly from: number; readonly to: number; readonly relay: Relay }

/** `relays` are counted from 0, nodes from 1. */
export function layWires(relays: ReadonlyMap<string, Relay>): Wires {
  const strands = [...relays].map(([name, relay]): Strand => {
    const [from = 0, to = 0] = name.split('>').map(Number)
    return { from: from + 1, to: to + 1, relay }
  })
  let groups: readonly (readonly number[])[] | undefined
  let splits = 0
  const cuts = new Set<string>()
  const alone = new Set<number>()
  const passes = (from: number, to: number): boolean =>
    !cuts.has(`${from}>${to}`) &&
    !alone.has(from) &&
    !alone.has(to) &&
    (groups?.some(group => group.includes(from) && group.includes(to)) ?? true)
  const review = (): void => {
    for (const { from, to, relay } of strands)
      relay.hold({ forward: !passes(from, to), backward: !passes(to, from) })
  }
  const then = (act: () => unknown): void => {
    act()
    review()
  }
  const sum = (some: readonly Strand[]): number =>
    some.reduce((total, { relay }) => total + relay.bytes().forward + relay.bytes().backward, 0)
  return {
    split: into => {
      groups = into
      splits += 1
      review()
      return splits
    },
    unsplit: split => {
      if (split !== splits) return
      groups = undefined
      review()
    },
    cut: (from, to) => then(() => cuts.add(`${from}>${to}`)),
    mend: (from, to) => then(() => cuts.delete(`${from}>${to}`)),
    isolate: node => then(() => alone.add(node)),
    rejoin: node => then(() => alone.delete(node)),
    heal: () => {
      groups = undefined
      splits += 1
      cuts.clear()
      alone.clear()
      review()
    },
    bytesOf: node => sum(strands.filter(({ from, to }) => from === node || to === node)),
    bytes: () => sum(strands),
  }
}
