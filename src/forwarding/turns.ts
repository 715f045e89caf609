// Whose turn it is to tell an existing central system: the first in the operator's order, then whoever was handed the turn by
// who held it. Every node that heard the same words comes to the same holder, whatever the order in which they came; one that
// heard less believes in a holder of before, who has stopped. So two islands never both forward, unless a person says so: a
// new order of the operator's begins anew with its first, whatever was handed over before.
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import type { DeviceId } from '../units.ts'

type Placed<B> = { readonly ref: EventRef; readonly hlc: Hlc; readonly body: B }
export type Order = Placed<{ readonly devices: readonly DeviceId[] }>
export type HandOver = Placed<BodyOf<'hand_over'>> & { readonly deviceId: DeviceId }

export type Turn = {
  readonly holder: DeviceId
  /** What gave it: the order, or a hand-over. */
  readonly by: EventRef
  readonly since: Hlc
  /** What the one before has said, at least; the holder waits until it is here. */
  readonly heads: readonly EventRef[]
  /** The newest order took it from a node of whose last words the holder cannot know, nor anybody who held it since. */
  readonly isTakenOver: boolean
  /** When that order was given. */
  readonly orderedAt: Hlc
}

export type Turns = {
  readonly addOrder: (order: Order) => void
  readonly addHandOver: (handOver: HandOver) => void
  /** The nodes that may ever forward, as the operator has them. */
  readonly order: () => readonly DeviceId[]
  /** By any order that was ever given: nobody else's words about central systems count. */
  readonly isNamed: (deviceId: DeviceId) => boolean
  /** Grows with every order. */
  readonly orders: () => number
  /** Undefined while the operator has named nobody. */
  readonly of: (uplink: string) => Turn | undefined
  /** Words without which somebody could take an old turn for theirs. */
  readonly places: () => readonly EventRef[]
}

export function createTurns(): Turns {
  const orders: Order[] = []
  const named = new Set<DeviceId>()
  /** By what they follow on, and by central system. */
  const handOvers = new Map<string, HandOver[]>()

  const newest = (): Order | undefined => orders.at(-1)
  /** Everybody who held the turn under an order, one behind the other. */
  const chainOf = (uplink: string, { ref, hlc, body }: Order): Turn[] => {
    const [first] = body.devices
    if (!first) return []
    const given = { isTakenOver: false, orderedAt: hlc }
    const chain: Turn[] = [{ ...given, holder: first, by: ref, since: hlc, heads: [] }]
    // Hand-overs name what they follow on by its hash, so a chain of them has an end.
    for (let last = chain[0]; last; ) {
      const { holder, by } = last
      const next = (handOvers.get(keyOf(uplink, by)) ?? []).find(
        said => said.deviceId === holder && body.devices.includes(said.body.to),
      )
      last = next && {
        ...given,
        ...{ holder: next.body.to, by: next.ref, since: next.hlc, heads: next.body.heads },
      }
      if (last) chain.push(last)
    }
    return chain
  }
  const of = (uplink: string): Turn | undefined => {
    const order = newest()
    const chain = order ? chainOf(uplink, order) : []
    const turn = chain.at(-1)
    if (!turn) return undefined
    // Whoever follows on somebody has heard that one's words; so the last under each older order counts, and a hand-over
    // since then takes away no doubt, unless it went through that one.
    const lasts = orders.slice(0, -1).flatMap(old => chainOf(uplink, old).at(-1) ?? [])
    const isTakenOver = lasts.some(last => !chain.some(({ holder }) => holder === last.holder))
    return { ...turn, isTakenOver }
  }
  return {
    addOrder: order => {
      orders.push(order)
      for (const deviceId of order.body.devices) named.add(deviceId)
      orders.sort(byTime)
    },
    addHandOver: handOver => {
      const key = keyOf(handOver.body.uplink, handOver.body.after)
      handOvers.set(key, [...(handOvers.get(key) ?? []), handOver].sort(byTime))
    },
    order: () => newest()?.body.devices ?? [],
    isNamed: deviceId => named.has(deviceId),
    orders: () => orders.length,
    of,
    places: () => [...handOvers.values()].flat().map(({ ref }) => ref),
  }
}

function keyOf(uplink: string, { hash }: EventRef): string {
  return `${hash} ${uplink}`
}

export function byTime(a: Placed<unknown>, b: Placed<unknown>): number {
  if (a.hlc !== b.hlc) return a.hlc < b.hlc ? -1 : 1
  if (a.ref.logId !== b.ref.logId) return a.ref.logId < b.ref.logId ? -1 : 1
  return a.ref.seq - b.ref.seq
}
