// To which of a peer's connections its messages go: one at a time, so that they keep their order, and none while that
// one takes nothing.
import { describe, expect, it } from 'vitest'
import { frameReader } from '../../src/host/framing.ts'
import { NETWORK_LIMITS } from '../../src/host/network-limits.ts'
import type { Link } from '../../src/host/network-link.ts'
import { Peer } from '../../src/host/network-peer.ts'
import { MAX_MESSAGE_BYTES } from '../../src/ports.ts'
import { testSite } from '../site.ts'

type FakeLink = {
  isOpen: boolean
  isWritable: boolean
  isDoubtful: boolean
  lastHeardMs: number
  got: string[]
}

const { certificate } = testSite('peer').device('bob')

function peerWith(...links: readonly FakeLink[]): Peer {
  const clock = { wallMs: () => 0, monotonicMs: () => 0 }
  const peer = new Peer(certificate, { clock, limits: NETWORK_LIMITS })
  for (const link of links) {
    const { push } = frameReader(MAX_MESSAGE_BYTES)
    const write = (bytes: Uint8Array): void => {
      const read = push(bytes)
      if (read.kind === 'frames')
        link.got.push(...read.messages.map(message => Buffer.from(message).toString()))
    }
    const fake: Pick<Link, 'isOpen' | 'isWritable' | 'isDoubtful' | 'write'> & {
      wire: Pick<Link['wire'], 'lastHeardMs'>
    } = {
      get isOpen() {
        return link.isOpen
      },
      get isWritable() {
        return link.isWritable
      },
      isDoubtful: () => link.isDoubtful,
      wire: link,
      write,
    }
    // A whole link needs libp2p; a peer asks for no more than this.
    peer.links.push(fake as Link)
  }
  return peer
}

function link(change: Partial<FakeLink> = {}): FakeLink {
  return { isOpen: true, isWritable: true, isDoubtful: false, lastHeardMs: 0, got: [], ...change }
}

async function say(peer: Peer, ...words: readonly string[]): Promise<void> {
  for (const word of words) peer.send(Buffer.from(word))
  peer.pumpSoon()
  await new Promise(resolve => setImmediate(resolve))
}

describe('of two connections to a peer', () => {
  it('the older one carries everything', async () => {
    const [old, young] = [link(), link()]
    const peer = peerWith(old, young)
    await say(peer, 'one', 'two')
    await say(peer, 'three')
    expect([old.got, young.got]).toEqual([['one', 'two', 'three'], []])
  })

  it('the one in use is written nothing more while it takes nothing, and what waits keeps its order', async () => {
    const [old, young] = [link(), link()]
    const peer = peerWith(old, young)
    await say(peer, 'one')
    old.isWritable = false
    await say(peer, 'two', 'three')
    expect([old.got, young.got, peer.queuedMessages]).toEqual([['one'], [], 2])
    old.isWritable = true
    await say(peer, 'four')
    expect([old.got, young.got, peer.queuedMessages]).toEqual([['one', 'two', 'three', 'four'], [], 0])
  })

  it('the other one goes on where the first leaves us waiting', async () => {
    const [old, young] = [link(), link()]
    const peer = peerWith(old, young)
    await say(peer, 'one')
    Object.assign(old, { isWritable: false, isDoubtful: true })
    await say(peer, 'two')
    Object.assign(old, { isWritable: true, isDoubtful: false })
    await say(peer, 'three')
    expect([old.got, young.got]).toEqual([['one'], ['two', 'three']])
  })

  it('the one heard last is asked when both leave us waiting', async () => {
    const [old, young] = [
      link({ isDoubtful: true, lastHeardMs: 5 }),
      link({ isDoubtful: true, lastHeardMs: 9 }),
    ]
    await say(peerWith(old, young), 'one')
    expect([old.got, young.got]).toEqual([[], ['one']])
  })
})
