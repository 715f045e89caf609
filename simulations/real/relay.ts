// A TCP relay on loopback: a wire between two real processes that a scenario can cut and mend. `reset` is a cable
// pulled at the switch, both ends hear of it at once; `blackhole` is a dead radio link, sockets stay open and nothing
// passes, not even a farewell; it may also be dead in one direction only. What waited in a blackhole goes on after `mend`,
// as TCP would go on.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type CutMode = 'reset' | 'blackhole'

export type Relay = {
  /** Where to connect to reach the target through the relay, on 127.0.0.1. */
  readonly port: number
  readonly cut: (mode?: CutMode) => void
  /** A blackhole by direction; both open is `mend`. While either is held, nothing new is connected. */
  readonly hold: (held: Held) => void
  readonly mend: () => void
  /** Bytes that passed: towards the target, and back. */
  readonly bytes: () => { readonly forward: number; readonly backward: number }
  readonly close: () => Promise<void>
}

export type Direction = 'forward' | 'backward'
/** Towards the target, and back. */
export type Held = Readonly<Record<Direction, boolean>>

export type RelayOptions = {
  readonly targetHost: string
  readonly targetPort: number
  /** Told of all bytes of a direction so far, before the newest of them go on. */
  readonly onPassing?: (direction: Direction, bytes: number) => void
}

/** Opens a relay on a port of its own. Rejects when it cannot listen; a target that is down closes what came for it. */
export async function openRelay({ targetHost, targetPort, onPassing }: RelayOptions): Promise<Relay> {
  const wires = new Set<Wire>()
  const passed = { forward: 0, backward: 0 }
  let held: Held = NOTHING
  let isReset = false

  const server = createServer({ pauseOnConnect: true, noDelay: true }, client => {
    if (isReset) {
      client.on('error', ignore)
      client.resetAndDestroy()
      return
    }
    const wire = createWire(client, {
      dial: () => connect({ host: targetHost, port: targetPort, noDelay: true }),
      held: () => held,
      count: (direction, bytes) => {
        passed[direction] += bytes
        onPassing?.(direction, passed[direction])
      },
      onGone: () => wires.delete(wire),
    })
    wires.add(wire)
    wire.review()
  })
  const hold = (now: Held): void => {
    held = now
    isReset = false
    for (const wire of [...wires]) wire.review()
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo

  return {
    port,
    cut: (mode = 'reset') => {
      held = mode === 'blackhole' ? EVERYTHING : NOTHING
      isReset = mode === 'reset'
      for (const wire of [...wires]) {
        if (isReset) wire.destroy()
        else wire.review()
      }
    },
    hold,
    mend: () => hold(NOTHING),
    bytes: () => ({ ...passed }),
    close: async () => {
      for (const wire of [...wires]) wire.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

const NOTHING: Held = { forward: false, backward: false }
const EVERYTHING: Held = { forward: true, backward: true }

type WireDeps = {
  readonly dial: () => Socket
  readonly held: () => Held
  readonly count: (direction: Direction, bytes: number) => void
  readonly onGone: () => void
}
type Wire = { readonly review: () => void; readonly destroy: () => void }

/** A client's socket and, from the first moment in which something may pass, the target's. */
function createWire(client: Socket, deps: WireDeps): Wire {
  let target: Socket | undefined
  let isBroken = false

  function destroy(): void {
    client.resetAndDestroy()
    target?.resetAndDestroy()
    deps.onGone()
  }

  /** An end that dies while nothing passes from it is news that does not pass either. */
  function onEndLost(direction: Direction): void {
    isBroken = true
    if (!deps.held()[direction]) destroy()
  }

  function join(source: Socket, sink: Socket, direction: Direction): void {
    source.on('data', chunk => {
      deps.count(direction, chunk.length)
      if (sink.write(chunk)) return
      source.pause()
      sink.once('drain', () => {
        if (!deps.held()[direction]) source.resume()
      })
    })
    source.on('end', () => sink.end())
    source.on('close', hadError => {
      if (hadError || sink.destroyed) onEndLost(direction)
    })
  }

  client.on('error', ignore)
  client.on('close', hadError => {
    if (hadError && !target) onEndLost('forward')
  })

  return {
    review: () => {
      const { forward, backward } = deps.held()
      if (isBroken && !forward && !backward) {
        destroy()
        return
      }
      if (!target && !forward && !backward) {
        target = deps.dial()
        target.on('error', ignore)
        join(client, target, 'forward')
        join(target, client, 'backward')
      }
      turn(client, forward || !target)
      if (target) turn(target, backward)
    },
    destroy,
  }
}

function turn(source: Socket, isHeld: boolean): void {
  if (isHeld) source.pause()
  else source.resume()
}

/** Each socket error is followed by `close`, which is where it is acted upon. */
function ignore(): void {
  return
}
