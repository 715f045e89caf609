// What connected nodes tell one another of the others: only news, in bounds, and never to who cannot understand it.
import type { Connection, Stream } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { type Acquaintance, createExchange } from '../../src/host/exchange.ts'
import { frame } from '../../src/host/framing.ts'
import { decodeHints, encodeHints, type Hint } from '../../src/host/hints.ts'
import { NETWORK_LIMITS } from '../../src/host/network-limits.ts'
import { type DeviceId, hex } from '../../src/units.ts'

const device = (n: number): DeviceId => hex<DeviceId>(new Uint8Array(16).fill(n))
const at = (n: number) => ({ host: `10.0.0.${n}`, port: 4001 })
const [OWN, A, B] = [device(1), device(2), device(3)]

/** A stream that keeps what is sent and hears what it is given. */
class Pipe extends EventTarget {
  readonly sent: Uint8Array[] = []
  isAborted = false
  send(bytes: Uint8Array): boolean {
    this.sent.push(bytes)
    return true
  }
  async close(): Promise<void> {
    this.dispatchEvent(new Event('close'))
  }
  abort(): void {
    this.isAborted = true
    this.dispatchEvent(new Event('close'))
  }
  hear(bytes: Uint8Array): void {
    const data = { byteLength: bytes.length, subarray: () => bytes }
    this.dispatchEvent(Object.assign(new Event('message'), { data }))
  }
}

function world(refusal?: Error) {
  let nowMs = 0
  const pipes: Pipe[] = []
  let asked = 0
  const heard: (readonly Hint[])[] = []
  const connectionOf = (): Connection =>
    ({
      newStream: async () => {
        asked += 1
        if (refusal) throw refusal
        const pipe = new Pipe()
        pipes.push(pipe)
        return pipe
      },
    }) as unknown as Connection
  const all: Acquaintance[] = [
    { deviceId: A, connection: connectionOf(), reached: [at(2)], seenAt: [] },
    { deviceId: B, connection: connectionOf(), reached: [], seenAt: ['10.0.0.3'] },
  ]
  const silent = () => undefined
  const exchange = createExchange({
    deviceId: OWN,
    clock: { wallMs: () => 0, monotonicMs: () => nowMs },
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    limits: NETWORK_LIMITS,
    own: () => [at(1)],
    acquaintances: () => all,
    onHints: hints => heard.push(hints),
  })
  return {
    ...{ all, heard, exchange },
    asked: () => asked,
    at: (ms: number) => {
      nowMs = ms
    },
    /** What was told since the last call, in the order of `all`. */
    told: async (ms: number) => {
      nowMs = ms
      exchange.tick(ms)
      await new Promise(resolve => setImmediate(resolve))
      return pipes.splice(0).map(({ sent }) => decodeHints(sent[0]?.subarray(4) ?? new Uint8Array()))
    },
    hear: (from: DeviceId, bytes: Uint8Array) => {
      const pipe = new Pipe()
      exchange.accept(from, pipe as unknown as Stream)
      pipe.hear(bytes)
      return pipe
    },
  }
}

describe('exchange', () => {
  it('tells each peer where we and the others are, once, and what is new later', async () => {
    const w = world()
    const own = { deviceId: OWN, addresses: [at(1)] }
    expect(await w.told(0)).toEqual([[own], [own, { deviceId: A, addresses: [at(2)] }]])
    expect(await w.told(60_000)).toEqual([])
    // Of what it says of itself, its address here comes first.
    w.hear(B, frame(encodeHints([{ deviceId: B, addresses: [at(7), at(3), at(8)] }])))
    expect(await w.told(60_250)).toEqual([[{ deviceId: B, addresses: [at(3), at(7)] }]])
    // Who comes back is told everything, and so is everybody after a while.
    const [first] = w.all
    if (first) w.all[0] = { ...first, connection: { ...first.connection } }
    expect(await w.told(70_000)).toEqual([[own, { deviceId: B, addresses: [at(3), at(7)] }]])
    expect(await w.told(NETWORK_LIMITS.retellMs + 1)).toHaveLength(1)
  })

  it('tells no names of machines, and what it knows of the others all the same', async () => {
    const w = world()
    const named = { host: 'ip-10-0-0-12.eu-central-1.compute.internal', port: 4001 }
    const [first] = w.all
    if (first) w.all[0] = { ...first, reached: [named, at(2)] }
    const own = { deviceId: OWN, addresses: [at(1)] }
    expect(await w.told(0)).toEqual([[own], [own, { deviceId: A, addresses: [at(2)] }]])
  })

  it('ends a stream on which it could not tell', async () => {
    const w = world()
    const pipe = new Pipe()
    pipe.close = async () => {
      throw new Error('too slow')
    }
    const connection = { newStream: async () => pipe } as unknown as Connection
    w.all.splice(0, 2, { deviceId: A, connection, reached: [], seenAt: [] })
    await w.told(0)
    expect(pipe.isAborted).toBe(true)
  })

  it('tells no more often than its limit, and nobody whose software does not know how', async () => {
    const w = world()
    await w.told(0)
    w.hear(B, frame(encodeHints([{ deviceId: B, addresses: [at(3)] }])))
    expect(await w.told(1_000)).toEqual([])
    expect(await w.told(NETWORK_LIMITS.exchangeMs)).toHaveLength(1)
    const deaf = world(Object.assign(new Error('no'), { name: 'UnsupportedProtocolError' }))
    for (let ms = 0; ms < 60_000; ms += 6_000) {
      deaf.hear(B, frame(encodeHints([{ deviceId: B, addresses: [at(ms / 6_000)] }])))
      await deaf.told(ms)
    }
    expect(deaf.asked()).toBe(2)
  })

  it('passes on what it hears, but from one peer no more than its bound, and nothing that is too long', () => {
    const w = world()
    const flood = frame(encodeHints([{ deviceId: A, addresses: [at(9)] }]))
    for (let i = 0; i < 1_000; i++) w.hear(B, flood)
    expect(w.heard.length).toBeLessThanOrEqual(10)
    w.at(1_000)
    w.hear(A, flood)
    expect(w.heard.at(-1)).toEqual([{ deviceId: A, addresses: [at(9)] }])
    const count = w.heard.length
    expect(w.hear(A, Uint8Array.of(0, 1, 0, 0)).isAborted).toBe(true)
    w.hear(A, frame(Uint8Array.of(1, 2, 3)))
    expect(w.heard.slice(count).flat()).toEqual([])
  })
})
