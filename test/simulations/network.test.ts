// Who reaches whom in the simulated mesh: partitions of every shape, islands, bans, clones.
import { describe, expect, it } from 'vitest'
import { InvariantBroken } from '../../src/errors.ts'
import { type Listener, virtualMesh } from './virtual-mesh.ts'

/** Longer than a lost link takes to be noticed, and than found again. */
const LONG_MS = 40_000

function peersOf(members: readonly Listener[]): readonly (readonly number[])[] {
  return members.map(member => member.peers())
}

describe('partitions', () => {
  it('let two halves hear each other only through the bridge that is in both groups', () => {
    const mesh = virtualMesh()
    const members = mesh.joinAll(5)
    mesh.pass(1_000)
    mesh.net.split([[1, 2, 3].map(mesh.id), [3, 4, 5].map(mesh.id)])
    mesh.pass(LONG_MS)
    expect(peersOf(members)).toEqual([
      [2, 3],
      [1, 3],
      [1, 2, 4, 5],
      [3, 5],
      [3, 4],
    ])
    expect(mesh.net.islands()).toBe(1)
  })

  it('make a ring of groups of two, and leave whoever is in no group alone', () => {
    const mesh = virtualMesh()
    const members = mesh.joinAll(5)
    mesh.pass(1_000)
    mesh.net.split([[1, 2].map(mesh.id), [2, 3].map(mesh.id), [3, 4].map(mesh.id), [4, 1].map(mesh.id)])
    mesh.pass(LONG_MS)
    expect(peersOf(members)).toEqual([[2, 4], [1, 3], [2, 4], [1, 3], []])
    expect(mesh.net.islands()).toBe(2)
  })

  it('hold for a member that attaches later', () => {
    const mesh = virtualMesh()
    mesh.joinAll(2)
    mesh.net.split([[mesh.id(1)], [2, 3].map(mesh.id)])
    const third = mesh.join(3)
    mesh.pass(LONG_MS)
    expect(third.peers()).toEqual([2])
  })

  it('are undone one kind at a time: a split leaves cuts and isolations as they are', () => {
    const mesh = virtualMesh()
    const members = mesh.joinAll(4)
    mesh.pass(1_000)
    mesh.net.split([[mesh.id(1)], [2, 3, 4].map(mesh.id)])
    mesh.net.cut(mesh.id(1), mesh.id(2))
    mesh.net.isolate(mesh.id(4))
    mesh.pass(LONG_MS)
    mesh.net.unsplit()
    mesh.pass(LONG_MS)
    expect(peersOf(members)).toEqual([[3], [3], [1, 2], []])
    mesh.net.rejoin(mesh.id(4))
    mesh.net.mend(mesh.id(1), mesh.id(2))
    mesh.pass(LONG_MS)
    expect(peersOf(members)).toEqual([
      [2, 3, 4],
      [1, 3, 4],
      [1, 2, 4],
      [1, 2, 3],
    ])
  })

  it('heal all at once', () => {
    const mesh = virtualMesh()
    const members = mesh.joinAll(3)
    mesh.net.split([[mesh.id(1)]])
    mesh.net.cut(mesh.id(1), mesh.id(2), { oneWay: true })
    mesh.net.isolate(mesh.id(3))
    mesh.pass(LONG_MS)
    expect(peersOf(members)).toEqual([[], [], []])
    mesh.net.heal()
    mesh.pass(LONG_MS)
    members[0]?.send(2)
    mesh.pass(100)
    expect([peersOf(members), members[1]?.heard]).toEqual([
      [
        [2, 3],
        [1, 3],
        [1, 2],
      ],
      [1],
    ])
  })

  it('that are over before anybody lost patience are noticed by nobody, however often', () => {
    const mesh = virtualMesh()
    const [a] = mesh.joinAll(2)
    mesh.pass(1_000)
    for (let i = 0; i < 20; i++) {
      mesh.net.split([])
      mesh.pass(9_000)
      mesh.net.unsplit()
      mesh.pass(1_000)
    }
    expect(a?.comings).toEqual(['+2'])
  })

  it('connect only pairs that know each other, when pairs are given', () => {
    const mesh = virtualMesh({
      links: [
        [1, 2],
        [2, 3],
      ],
    })
    const members = mesh.joinAll(4)
    mesh.net.cut(mesh.id(1), mesh.id(4))
    mesh.pass(1_000)
    expect(peersOf(members)).toEqual([[2], [1, 3], [2], []])
  })
})

describe('islands', () => {
  it('are counted over connections that carry both ways, at once after a cut', () => {
    const mesh = virtualMesh({
      links: [
        [1, 2],
        [2, 3],
        [3, 4],
      ],
    })
    const members = mesh.joinAll(4)
    expect(mesh.net.islands()).toBe(4)
    mesh.pass(1_000)
    expect(mesh.net.islands()).toBe(1)
    const version = mesh.net.topologyVersion()
    mesh.net.cut(mesh.id(2), mesh.id(3), { oneWay: true })
    expect(mesh.net.islands()).toBe(2)
    expect(mesh.net.topologyVersion()).toBeGreaterThan(version)
    expect([...mesh.net.componentOf()].map(([id, island]) => [Number.parseInt(id, 16), island])).toEqual([
      [1, 0],
      [2, 0],
      [3, 1],
      [4, 1],
    ])
    members[0]?.network.close()
    expect(mesh.net.islands()).toBe(2)
    expect(mesh.net.componentOf().has(mesh.id(1))).toBe(false)
  })

  it('keep their version while nobody’s reach changes', () => {
    const mesh = virtualMesh()
    const [a] = mesh.joinAll(2)
    mesh.pass(1_000)
    const version = mesh.net.topologyVersion()
    a?.send(2)
    mesh.pass(60_000)
    mesh.net.heal()
    expect(mesh.net.topologyVersion()).toBe(version)
  })
})

describe('members', () => {
  it('are kept out by a ban until the longest of its bans is over', () => {
    const mesh = virtualMesh()
    const [a, b] = mesh.joinAll(2)
    mesh.pass(1_000)
    a?.network.ban(mesh.id(2), 60_000, 'first')
    a?.network.ban(mesh.id(2), 20_000, 'second')
    mesh.pass(50_000)
    expect([a?.peers(), b?.peers()]).toEqual([[], []])
    mesh.pass(30_000)
    expect([a?.comings, b?.comings]).toEqual([
      ['+2', '-2', '+2'],
      ['+1', '-1', '+1'],
    ])
  })

  it('have room for so many peers, and take another when one has left', () => {
    const mesh = virtualMesh({ maxPeers: 2 })
    const [hub, second] = mesh.joinAll(4)
    mesh.pass(1_000)
    expect(hub?.peers()).toEqual([2, 3])
    second?.network.close()
    mesh.pass(LONG_MS)
    expect(hub?.peers()).toEqual([3, 4])
  })

  it('whose clock is back in 1970 meet nobody until it is right again', () => {
    const mesh = virtualMesh()
    const a = mesh.join(1)
    a.wallOffsetMs = -Date.UTC(2026, 0, 1)
    mesh.join(2)
    mesh.pass(60_000)
    expect(a.peers()).toEqual([])
    a.wallOffsetMs = 0
    mesh.pass(LONG_MS)
    expect(a.peers()).toEqual([2])
  })

  it('whose clock is years ahead drop peers whose certificates are over by it', () => {
    const mesh = virtualMesh()
    const [a, b] = mesh.joinAll(2)
    mesh.pass(1_000)
    if (a) a.wallOffsetMs = Date.UTC(2040, 0, 1) - Date.UTC(2026, 0, 1)
    b?.send(1)
    mesh.pass(60_000)
    expect([a?.heard, a?.peers(), b?.peers()]).toEqual([[], [], []])
  })

  it('check a certificate once, however often they meet', () => {
    const mesh = virtualMesh()
    mesh.joinAll(2)
    mesh.pass(1_000)
    const { enrolled } = mesh.calls
    for (let i = 0; i < 5; i++) {
      mesh.net.split([])
      mesh.pass(LONG_MS)
      mesh.net.heal()
      mesh.pass(LONG_MS)
    }
    expect(mesh.net.islands()).toBe(1)
    expect(mesh.calls.enrolled).toBe(enrolled)
  })
})

describe('a cloned device', () => {
  it('is refused unless it is said to be a clone', () => {
    const mesh = virtualMesh()
    mesh.join(1)
    expect(() => mesh.join(1)).toThrow(InvariantBroken)
    mesh.join(1, { asClone: true }).network.close()
    expect(() => mesh.join(1)).toThrow(InvariantBroken)
  })

  it('is heard by turns from both copies, and its peers see one device', () => {
    const mesh = virtualMesh()
    const [original, peer] = mesh.joinAll(2)
    mesh.pass(1_000)
    const clone = mesh.join(1, { asClone: true })
    mesh.pass(1_000)
    peer?.send(1, 1, 7)
    original?.send(2, 1, 8)
    clone.send(2, 1, 9)
    mesh.pass(100)
    expect([original?.heard, clone.heard, peer?.heard]).toEqual([[], [7], [9]])
    mesh.pass(10_000)
    peer?.send(1, 1, 10)
    mesh.pass(100)
    expect([original?.heard, clone.heard]).toEqual([[10], [7]])
    expect([original?.comings, clone.comings, peer?.comings]).toEqual([
      ['+2', '-2', '+2'],
      ['+2', '-2'],
      ['+1'],
    ])
  })

  it('goes on as whichever copy is left', () => {
    const mesh = virtualMesh()
    const [original, peer] = mesh.joinAll(2)
    mesh.pass(1_000)
    const clone = mesh.join(1, { asClone: true })
    mesh.pass(1_000)
    clone.network.close()
    mesh.pass(LONG_MS)
    peer?.send(1)
    mesh.pass(100)
    expect([original?.heard, peer?.comings]).toEqual([[1], ['+1', '-1', '+1']])
    original?.network.close()
    mesh.pass(LONG_MS)
    expect(peer?.peers()).toEqual([])
  })

  it('may start while the original is down, and the original again while the clone lives', () => {
    const mesh = virtualMesh()
    const clone = mesh.join(1, { asClone: true })
    const original = mesh.join(1)
    const peer = mesh.join(2)
    mesh.pass(LONG_MS)
    expect([original.comings.length, clone.comings.length].every(count => count > 1)).toBe(true)
    expect(peer.comings).toEqual(['+1'])
  })
})
