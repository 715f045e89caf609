// A question and its answer between two connected nodes: bounded in size, number and time.
import type { Connection, Stream } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import { type Answer, createAsking } from '../../src/host/asking.ts'
import { frame } from '../../src/host/framing.ts'
import { type DeviceId, hex } from '../../src/units.ts'

const PEER = hex<DeviceId>(new Uint8Array(16).fill(2))
const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes)
const bytes = (said: string): Uint8Array => new TextEncoder().encode(said)

/** A stream that keeps what is sent and hears what it is given. */
class Pipe extends EventTarget {
  readonly sent: Uint8Array[] = []
  aborted: string | undefined
  send(piece: Uint8Array): boolean {
    this.sent.push(piece)
    return true
  }
  async close(): Promise<void> {
    this.dispatchEvent(new Event('close'))
  }
  abort(error: Error): void {
    this.aborted ??= error.message
    this.dispatchEvent(new Event('close'))
  }
  hear(piece: Uint8Array): void {
    const data = { byteLength: piece.length, subarray: () => piece }
    this.dispatchEvent(Object.assign(new Event('message'), { data }))
  }
}

function world(answer?: Answer) {
  let nowMs = 0
  const pipe = new Pipe()
  const connection = { newStream: async () => pipe } as unknown as Connection
  const silent = () => undefined
  const asking = createAsking({
    clock: { wallMs: () => 0, monotonicMs: () => nowMs },
    logger: { debug: silent, info: silent, warn: silent, error: silent },
    connectionTo: id => (id === PEER ? connection : undefined),
    answer,
  })
  return {
    ...{ asking, pipe },
    wait: (ms: number) => {
      nowMs += ms
    },
    asked: async (...pieces: readonly Uint8Array[]) => {
      const stream = new Pipe()
      asking.accept(PEER, stream as unknown as Stream)
      for (const piece of pieces) stream.hear(piece)
      await new Promise(resolve => setImmediate(resolve))
      return stream
    },
  }
}

const echo: Answer = async (_, question) => bytes(`heard ${text(question)}`)

describe('who is asked', () => {
  it('answers once, whatever follows on the stream', async () => {
    const { asked } = world(echo)
    const { sent } = await asked(frame(bytes('one')), frame(bytes('two')))
    expect(sent.map(piece => text(piece.subarray(4)))).toEqual(['heard one'])
  })

  it('reads no more than a question may be long', async () => {
    const { asked } = world(echo)
    const stream = await asked(Uint8Array.of(0x7f, 0, 0, 0))
    expect(stream).toMatchObject({ aborted: 'oversize', sent: [] })
  })

  it('answers twenty questions a second of one peer', async () => {
    const { asked, wait } = world(echo)
    const answered = async (): Promise<number> => {
      const streams = await Promise.all(Array.from({ length: 50 }, () => asked(frame(bytes('?')))))
      return streams.filter(({ sent }) => sent.length > 0).length
    }
    expect(await answered()).toBe(20)
    wait(5000)
    expect(await answered()).toBeGreaterThan(10)
  })

  it('says nothing where nobody answers, or the answer fails', async () => {
    expect(await world().asked(frame(bytes('?')))).toMatchObject({ sent: [] })
    const failing = world(() => Promise.reject(new Error('no')))
    expect(await failing.asked(frame(bytes('?')))).toMatchObject({ sent: [], aborted: 'not answered' })
  })
})

describe('who asks', () => {
  it('is given the answer', async () => {
    const { asking, pipe } = world()
    const answer = asking.ask(PEER, bytes('?'), 1000)
    await new Promise(resolve => setImmediate(resolve))
    expect(text(pipe.sent[0]?.subarray(4))).toBe('?')
    pipe.hear(frame(bytes('!')))
    expect(text(await answer)).toBe('!')
  })

  it.each([
    ['it took too long', () => undefined],
    ['it closed the stream', (pipe: Pipe) => void pipe.close()],
    ['its answer is too long', (pipe: Pipe) => pipe.hear(Uint8Array.of(0x7f, 0, 0, 0))],
  ])('hears that %s', async (reason, happens) => {
    const { asking, pipe } = world()
    const answer = asking.ask(PEER, bytes('?'), 50)
    const refused = expect(answer).rejects.toThrow(`no answer of that node: ${reason}`)
    await new Promise(resolve => setImmediate(resolve))
    happens(pipe)
    await refused
  })

  it('hears at once when that node is not connected', async () => {
    const nobody = hex<DeviceId>(new Uint8Array(16))
    await expect(world().asking.ask(nobody, bytes('?'), 1000)).rejects.toThrow('not connected')
  })
})
