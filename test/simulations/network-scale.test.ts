// What a thousand members with four thousand links cost, in calls and not in time.
import { describe, expect, it } from 'vitest'
import { virtualMesh } from './virtual-mesh.ts'

describe('a thousand members', () => {
  it('with four thousand links split and heal at the cost of their links, and a cut at the cost of one', () => {
    const [nodes, links] = [1_000, ringOf(1_000, 4)]
    const mesh = virtualMesh({ links, sharesBytes: true })
    const members = mesh.joinAll(nodes)
    mesh.pass(60_000)
    expect(links).toHaveLength(4_000)
    expect(mesh.net.islands()).toBe(1)
    expect(members.map(member => member.peers().length)).toEqual(members.map(() => 8))
    /** Each end of each link looks at the other's certificate once, and each member at its own. */
    expect(mesh.calls.enrolled).toBe(2 * links.length + nodes)

    const before = { ...mesh.net.stats(), ...mesh.calls }
    const half = (from: number) => Array.from({ length: 500 }, (_, i) => mesh.id(from + i))
    mesh.net.split([half(1), half(501)])
    expect(mesh.net.islands()).toBe(2)
    mesh.pass(60_000)
    mesh.net.unsplit()
    mesh.pass(60_000)
    expect(mesh.net.islands()).toBe(1)
    // At each of the two seams 4 + 3 + 2 + 1 links; they break, are looked at again, and dial.
    const seams = 20
    expect(mesh.net.stats().reviews - before.reviews).toBe(2 * links.length + seams)
    expect(mesh.calls.scheduled - before.scheduled).toBe(2 * seams)

    const { reviews } = mesh.net.stats()
    mesh.net.cut(mesh.id(1), mesh.id(2))
    mesh.net.isolate(mesh.id(7))
    expect(mesh.net.stats().reviews - reviews).toBe(1 + 8)
  })

  it('cost one task a message', () => {
    const mesh = virtualMesh({ links: ringOf(1_000, 4), sharesBytes: true })
    const members = mesh.joinAll(1_000)
    mesh.pass(60_000)
    const { scheduled } = mesh.calls
    for (const [i, member] of members.entries())
      for (let n = 0; n < 20; n++) member.send(((i + 1 + (n % 4)) % 1_000) + 1)
    mesh.pass(1_000)
    expect(mesh.calls.scheduled - scheduled).toBe(20_000)
    expect(mesh.net.stats()).toMatchObject({ sent: 20_000, delivered: 20_000, lost: 0 })
  })
})

/** Everybody knows the next so many. */
function ringOf(nodes: number, next: number): readonly (readonly [number, number])[] {
  const links: (readonly [number, number])[] = []
  for (let i = 0; i < nodes; i++)
    for (let step = 1; step <= next; step++) links.push([i + 1, ((i + step) % nodes) + 1])
  return links
}
