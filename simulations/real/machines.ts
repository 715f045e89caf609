// The node processes of a plan through kills, boots and stalls, by number from 1. What is asked of one node happens in the
// order in which it was asked; a boot that is overtaken by a kill before it began does not happen. A process that ends without being told to is a finding.
import type { Client } from '../../src/api/client.ts'
import type { Closers } from '../../src/host/closers.ts'
import { type RealNode, startRealNode } from './nodes.ts'

export type Machines = {
  readonly kill: (node: number) => Promise<void>
  /** Nothing happens when it is up. */
  readonly boot: (node: number) => Promise<void>
  readonly stall: (node: number) => void
  readonly resume: (node: number) => void
  /** Runs, and is not stalled. */
  readonly isUp: (node: number) => boolean
  readonly dirOf: (node: number) => string
  readonly nameOf: (node: number) => string
  /** Those that are up, and how to ask them. */
  readonly up: () => readonly Machine[]
  readonly numbers: readonly number[]
  /** Numbers of those that ended by themselves. */
  readonly fallen: () => readonly number[]
  readonly stopAll: () => Promise<void>
}
/** `life` grows with each start. */
export type Machine = { readonly number: number; readonly life: number; readonly client: Client }

type Seat = {
  readonly node: RealNode
  last: Promise<unknown>
  life: number
  /** Grows with each thing that is asked. */
  asked: number
  isWanted: boolean
  isStalled: boolean
}

export function runMachines(nodes: readonly RealNode[], closers: Closers): Machines {
  const seats = new Map(
    nodes.map((node, i): [number, Seat] => [
      i + 1,
      { node, last: Promise.resolve(), asked: 0, life: 0, isWanted: false, isStalled: false },
    ]),
  )
  const seatOf = (number: number): Seat => {
    const seat = seats.get(number)
    if (!seat) throw new RangeError(`there is no node ${number}`)
    return seat
  }
  const inTurn = (seat: Seat, act: (isNewest: boolean) => Promise<void>): Promise<void> => {
    seat.asked += 1
    const mine = seat.asked
    const turn = seat.last.then(() => act(mine === seat.asked))
    seat.last = turn.catch(() => undefined)
    return turn
  }
  const isUp = ({ node, isStalled }: Seat): boolean =>
    node.running?.isAlive() === true && !isStalled && !!node.client
  const end = (seat: Seat, how: 'kill' | 'stop'): Promise<void> =>
    inTurn(seat, async () => {
      seat.isWanted = false
      seat.isStalled = false
      seat.node.client = undefined
      await seat.node.running?.[how]()
    })
  const stopAll = async (): Promise<void> => {
    await Promise.all([...seats.values()].map(seat => end(seat, 'stop')))
  }
  closers.push('nodes', stopAll)
  return {
    ...{ numbers: [...seats.keys()], stopAll },
    kill: number => end(seatOf(number), 'kill'),
    boot: number => {
      const seat = seatOf(number)
      return inTurn(seat, async isNewest => {
        if (!isNewest || seat.node.running?.isAlive()) return
        await startRealNode(seat.node)
        seat.life += 1
        seat.isWanted = true
      })
    },
    stall: number => {
      const seat = seatOf(number)
      if (!isUp(seat)) return
      seat.isStalled = true
      seat.node.running?.stall()
    },
    resume: number => {
      const seat = seatOf(number)
      seat.isStalled = false
      seat.node.running?.resume()
    },
    isUp: number => isUp(seatOf(number)),
    dirOf: number => seatOf(number).node.dir,
    nameOf: number => seatOf(number).node.name,
    up: () =>
      [...seats].flatMap(([number, seat]) =>
        isUp(seat) && seat.node.client ? [{ number, life: seat.life, client: seat.node.client }] : [],
      ),
    fallen: () =>
      [...seats].flatMap(([number, { node, isWanted }]) =>
        isWanted && node.running?.isAlive() === false ? [number] : [],
      ),
  }
}
