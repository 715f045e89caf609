// When a connection is given up as silent, and what keeps it: both ends are production links, joined by streams that carry
// nothing but what they are given, on a clock that is told. A real yamux says something of its own, which hides who answers.
import type { Connection, Stream } from '@libp2p/interface'
import { beforeEach, describe, expect, it } from 'vitest'
import { frame } from '../../src/host/framing.ts'
import { HELLO_PROTOCOL, type Hello } from '../../src/host/hello.ts'
import { createBucket } from '../../src/host/network-bucket.ts'
import type { Wire } from '../../src/host/network-gate.ts'
import { counter, NETWORK_LIMITS, type StreamRefusal } from '../../src/host/network-limits.ts'
import { Link } from '../../src/host/network-link.ts'
import { testSite } from '../site.ts'

const { certificate } = testSite('link').device('bob')
const { answerMs, idleMs, keepAliveMs } = NETWORK_LIMITS
const SECOND = 1000
const nothing = (): undefined => undefined
const logger = { debug: nothing, info: nothing, warn: nothing, error: nothing }

type End = {
  readonly link: Link
  readonly wire: Wire
  readonly closed: string[]
  readonly heard: string[]
  readonly traffic: { receivedBytes: number; sentBytes: number }
  /** It takes what comes, and says nothing of its own. */
  isMute: boolean
}

let nowMs = 0
let [a, b] = [] as unknown as [End, End]

beforeEach(async () => {
  nowMs = 0
  a = end('outbound', () => b)
  b = end('inbound', () => a)
  a.link.begin()
  await Promise.all([a.link.verified, b.link.verified])
  // The streams for messages open behind the hello.
  for (let i = 0; i < 10 && !(a.link.isOpen && b.link.isOpen); i++) await Promise.resolve()
  expect([a.link.isWritable, b.link.isWritable]).toEqual([true, true])
})

function end(direction: Connection['direction'], other: () => End): End {
  const wire = {
    ...{ lastHeardMs: 0, bucket: createBucket(1 << 20, 0) },
    ...{ onTooLoud: nothing, pause: nothing, resume: nothing },
  }
  const connection = {
    direction,
    addEventListener: nothing,
    abort: nothing,
    newStream: async (protocol: string): Promise<Stream> => {
      await Promise.resolve()
      const [mine, theirs] = [new EventTarget(), new EventTarget()]
      if (protocol === HELLO_PROTOCOL) other().link.acceptHello(streamOf(theirs, mine, made))
      else other().link.acceptSync(streamOf(theirs, mine, made))
      return streamOf(mine, theirs, other())
    },
  }
  const hello: Hello = {
    begin: () => [Uint8Array.of(1)],
    receive: () => ({
      kind: 'verified',
      send: direction === 'inbound' ? [Uint8Array.of(2)] : [],
      certificate,
    }),
  }
  const [closed, heard]: [string[], string[]] = [[], []]
  const traffic = { receivedBytes: 0, sentBytes: 0 }
  const owner = {
    ...{ clock: { wallMs: () => 0, monotonicMs: () => nowMs }, limits: NETWORK_LIMITS, logger, traffic },
    ...{
      refusals: counter<StreamRefusal>(),
      onRefused: nothing,
      onReady: nothing,
      onWritable: nothing,
    },
    onMessage: (_: Link, message: Uint8Array) => void heard.push(Buffer.from(message).toString()),
    onClosed: (_: Link, reason: string) => void closed.push(reason),
  }
  // Of libp2p's connection a link uses no more than this.
  const link = new Link({ connection: connection as unknown as Connection, wire, hello, owner })
  const made: End = { link, wire, closed, heard, traffic, isMute: false }
  return made
}

/** What is sent on one end is a message on the other, and a sign of life of whoever sent it. */
function streamOf(own: EventTarget, others: EventTarget, receiver: End): Stream {
  const send = (data: Uint8Array): boolean => {
    receiver.wire.lastHeardMs = nowMs
    others.dispatchEvent(new MessageEvent('message', { data }))
    return true
  }
  return Object.assign(own, { send, close: async () => undefined, abort: nothing }) as unknown as Stream
}

function pass(ms: number): void {
  for (const endMs = nowMs + ms; nowMs < endMs; ) {
    nowMs += SECOND
    for (const one of [a, b]) if (!one.isMute) one.link.tick(nowMs)
  }
}

describe('a connection', () => {
  it('that nobody uses lives by one empty frame in a long while', () => {
    const before = b.traffic.sentBytes
    pass(5 * idleMs)
    expect([a.closed, b.closed, a.heard, b.heard]).toEqual([[], [], [], []])
    expect(b.traffic.sentBytes - before).toBe(5 * frame(new Uint8Array()).length)
  })

  it('whose peer has nothing to say to a message is kept, since its empty frame answers', () => {
    pass(SECOND)
    const before = b.traffic.sentBytes
    a.link.write(frame(Buffer.from('over')))
    pass(keepAliveMs - SECOND)
    expect([b.heard, b.traffic.sentBytes]).toEqual([['over'], before])
    pass(answerMs)
    expect(b.traffic.sentBytes - before).toBe(frame(new Uint8Array()).length)
    expect([a.closed, b.closed]).toEqual([[], []])
  })

  it('whose peer answers a message with nothing at all is given up after the time for answers', () => {
    pass(SECOND)
    b.isMute = true
    a.link.write(frame(Buffer.from('over')))
    pass(answerMs)
    expect([a.closed, b.heard]).toEqual([[], ['over']])
    pass(SECOND)
    expect(a.closed).toEqual(['silent'])
  })

  it('whose peer is mute although nobody asked it is given up much later', () => {
    b.isMute = true
    pass(NETWORK_LIMITS.silenceMs)
    expect(a.closed).toEqual([])
    pass(SECOND)
    expect(a.closed).toEqual(['silent'])
  })
})
