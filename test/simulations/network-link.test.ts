// What a simulated link does to messages: delays, tails, losses, slow lines and readers, budgets; and what is counted.
import { describe, expect, it } from 'vitest'
import { InvariantBroken } from '../../src/errors.ts'
import { FRAME_HEADER_BYTES } from '../../src/host/framing.ts'
import { type Listener, type MeshOptions, type VirtualMesh, virtualMesh } from './virtual-mesh.ts'

const DAY_MS = 24 * 3600 * 1000
/** With its header a message of 996 bytes is 1,000 on the wire. */
const KILOBYTE = 1_000 - FRAME_HEADER_BYTES
const STILL = { minDelayMs: 0, maxDelayMs: 0 }

type Two = { readonly mesh: VirtualMesh; readonly a: Listener; readonly b: Listener }

function two(options: MeshOptions = {}): Two {
  const mesh = virtualMesh(options)
  const [a, b] = [mesh.join(1), mesh.join(2)]
  mesh.pass(10_000)
  return { mesh, a, b }
}

/** Sends so many at one moment and says when each arrived, in ms from then, in order of arrival. */
function arrivals({ mesh, a, b }: Two, count: number, everyMs: number, length = 1): readonly number[] {
  const times: number[] = []
  for (let i = 0; i < count; i++) a.send(2, length)
  for (let passedMs = everyMs; passedMs <= 100_000; passedMs += everyMs) {
    mesh.pass(everyMs)
    while (times.length < b.heard.length) times.push(passedMs)
  }
  return times
}

describe('a link', () => {
  it('takes between its shortest and its longest time, and lets later messages overtake', () => {
    const pair = two({ quality: { minDelayMs: 100, maxDelayMs: 200 } })
    for (let i = 0; i < 200; i++) pair.a.send(2, 1, i)
    pair.mesh.pass(99)
    expect(pair.b.heard).toEqual([])
    pair.mesh.pass(101)
    expect(pair.b.heard).toHaveLength(200)
    expect(pair.b.heard).not.toEqual([...pair.b.heard].sort((x, y) => x - y))
  })

  it('has a heavy tail of at most twenty times its delay', () => {
    const pair = two({ quality: { minDelayMs: 100, maxDelayMs: 100, heavyTailRate: 0.2 } })
    const times = arrivals(pair, 1_000, 10)
    const late = times.filter(time => time > 100)
    expect(late.length).toBeGreaterThan(150)
    expect(late.length).toBeLessThan(250)
    expect(Math.max(...late)).toBeGreaterThan(1_800)
    expect(Math.max(...late)).toBeLessThanOrEqual(2_000)
  })

  it('has a tail of at most 30 s, however long it takes otherwise', () => {
    const pair = two({ quality: { heavyTailRate: 1 } })
    pair.mesh.net.shape({ minDelayMs: 10_000, maxDelayMs: 10_000 })
    const times = arrivals(pair, 300, 1_000)
    expect(times).toHaveLength(300)
    expect(Math.max(...times)).toBe(30_000)
  })

  it('is shaped alone or with all others, and is as it was at creation when that is undone', () => {
    const mesh = virtualMesh({ quality: STILL })
    const [a, b, c] = mesh.joinAll(3)
    mesh.pass(1_000)
    const heardNow = (): readonly number[] => {
      for (const to of [2, 3]) a?.send(to)
      mesh.pass(1)
      const counts = [b?.heard.length ?? 0, c?.heard.length ?? 0]
      mesh.pass(1_000)
      for (const one of [b, c]) one?.heard.splice(0)
      return counts
    }
    mesh.net.shape({ minDelayMs: 500, maxDelayMs: 500 }, [mesh.id(2), mesh.id(1)])
    expect(heardNow()).toEqual([0, 1])
    mesh.net.shape({ lossRate: 1 })
    expect(heardNow()).toEqual([0, 0])
    mesh.net.reshape([mesh.id(1), mesh.id(2)])
    expect(heardNow()).toEqual([0, 0])
    mesh.net.shape({ lossRate: 0 }, [mesh.id(1), mesh.id(3)])
    expect(heardNow()).toEqual([0, 1])
    mesh.net.shape({ lossRate: 1 }, [mesh.id(1), mesh.id(3)])
    mesh.net.reshape()
    expect(heardNow()).toEqual([1, 1])
  })

  it('brings the bytes as they were sent, whatever the sender does with them afterwards', () => {
    const { mesh, a, b } = two({ quality: { duplicateRate: 1 } })
    const bytes = Uint8Array.of(1, 2)
    a.network.send(b.id, bytes)
    bytes.fill(9)
    mesh.pass(100)
    expect(b.messages.map(message => [...message])).toEqual([
      [1, 2],
      [1, 2],
    ])
    b.messages[0]?.fill(5)
    expect(b.messages[1]?.[0]).toBe(1)
  })

  it('copies no byte when nobody changes any', () => {
    const { mesh, a, b } = two({ sharesBytes: true })
    const bytes = Uint8Array.of(1)
    a.network.send(b.id, bytes)
    mesh.pass(100)
    expect(b.messages[0]).toBe(bytes)
  })

  it('forgets what was on its way when the connection ends, even if the two meet again before', () => {
    const { mesh, a, b } = two({ quality: { heavyTailRate: 0 } })
    mesh.net.shape({ minDelayMs: 30_000, maxDelayMs: 30_000 })
    a.send(2)
    mesh.net.shape(STILL)
    a.network.ban(b.id, 1_000, 'for the test')
    mesh.pass(60_000)
    expect([a.comings, b.heard]).toEqual([['+2', '-2', '+2'], []])
  })
})

describe('a slow line', () => {
  it('lets a message leave when those before it have left, each direction for itself', () => {
    const pair = two({ quality: { ...STILL, bytesPerS: 1_000 } })
    pair.b.send(1, KILOBYTE)
    expect(arrivals(pair, 4, 100, KILOBYTE)).toEqual([1_000, 2_000, 3_000, 4_000])
    expect(pair.a.heard).toHaveLength(1)
  })

  it('keeps its connection while a long queue moves, and drops what does not fit into it', () => {
    const { mesh, a, b } = two({ quality: { ...STILL, bytesPerS: 8_000 } })
    for (let i = 0; i < 1_200; i++) a.send(2, KILOBYTE)
    mesh.pass(60_000)
    const kept = Math.floor((65_536 + (1 << 20)) / 1_000)
    expect([b.heard.length, mesh.net.stats().lost]).toEqual([480, 1_200 - kept])
    mesh.pass(200_000)
    expect([b.heard.length, a.comings]).toEqual([kept, ['+2']])
  })

  it('loses its connection when the sender cannot get rid of one write for 10 s, and finds it again', () => {
    const { mesh, a, b } = two({ quality: { ...STILL, bytesPerS: 1_000 } })
    for (let i = 0; i < 75; i++) a.send(2, KILOBYTE)
    mesh.pass(20_000)
    expect(a.comings).toEqual(['+2'])
    for (let i = 0; i < 40; i++) a.send(2, KILOBYTE)
    mesh.pass(9_900)
    expect(a.comings).toEqual(['+2'])
    mesh.pass(5_000)
    expect([a.comings, b.comings]).toEqual([
      ['+2', '-2', '+2'],
      ['+1', '-1', '+1'],
    ])
    const heard = b.heard.length
    mesh.pass(100_000)
    expect([heard, b.heard.length]).toEqual([30, 30])
  })

  it('that becomes fast while its sender waits keeps its connection', () => {
    const { mesh, a } = two({ quality: STILL })
    mesh.net.shape({ bytesPerS: 1_000 })
    for (let i = 0; i < 100; i++) a.send(2, KILOBYTE)
    mesh.pass(5_000)
    mesh.net.reshape()
    a.send(2, KILOBYTE)
    mesh.pass(100_000)
    expect([a.comings, mesh.net.stats().delivered]).toEqual([['+2'], 101])
  })

  it('may be one reader only, whom everybody waits for until it reads again', () => {
    const mesh = virtualMesh({ quality: STILL })
    const [a, b, c] = mesh.joinAll(3)
    mesh.pass(1_000)
    mesh.net.slowReader(mesh.id(2), 500)
    for (const to of [2, 3]) a?.send(to, KILOBYTE)
    b?.send(1, KILOBYTE)
    mesh.pass(1_999)
    expect([a?.heard.length, b?.heard.length, c?.heard.length]).toEqual([1, 0, 1])
    mesh.pass(1)
    expect(b?.heard).toHaveLength(1)
    mesh.net.slowReader(mesh.id(2), undefined)
    a?.send(2, KILOBYTE)
    mesh.pass(1)
    expect(b?.heard).toHaveLength(2)
  })

  it('is as slow as the slower of itself and its reader', () => {
    const pair = two({ quality: { ...STILL, bytesPerS: 1_000 } })
    pair.mesh.net.slowReader(pair.b.id, 500)
    expect(arrivals(pair, 1, 100, KILOBYTE)).toEqual([2_000])
    pair.b.heard.splice(0)
    pair.mesh.net.slowReader(pair.b.id, 5_000)
    expect(arrivals(pair, 1, 100, KILOBYTE)).toEqual([1_000])
  })

  it('needs a clock', () => {
    expect(() => virtualMesh({ isClockless: true, quality: { bytesPerS: 1 } })).toThrow(InvariantBroken)
    const mesh = virtualMesh({ isClockless: true })
    expect(() => mesh.net.shape({ bytesPerDay: 1 })).toThrow(InvariantBroken)
    expect(() => mesh.net.slowReader(mesh.id(1), 1)).toThrow(InvariantBroken)
  })
})

describe('a budget of bytes', () => {
  it('holds for a day and a direction, and what exceeds it is dropped and counted', () => {
    const { mesh, a, b } = two({ quality: { ...STILL, bytesPerDay: 3_500 } })
    for (let i = 0; i < 5; i++) a.send(2, KILOBYTE)
    a.send(2, 496)
    b.send(1, KILOBYTE)
    mesh.pass(1_000)
    expect([b.heard.length, a.heard.length, mesh.net.stats().overBudget]).toEqual([4, 1, 2])
    mesh.pass(DAY_MS - mesh.nowMs() - 1)
    a.send(2)
    mesh.pass(0)
    expect(b.heard).toHaveLength(4)
    mesh.pass(1)
    a.send(2, KILOBYTE)
    mesh.pass(0)
    expect(b.heard).toHaveLength(5)
  })
})

describe('figures', () => {
  it('add up: what was sent or doubled was delivered, lost, over the budget or is under way', () => {
    const { mesh, a } = two({
      quality: { maxDelayMs: 900, lossRate: 0.2, duplicateRate: 0.3, bytesPerS: 20_000, bytesPerDay: 60_000 },
    })
    for (let i = 0; i < 500; i++) a.send(2, 196)
    mesh.pass(1_000)
    const during = mesh.net.stats()
    expect(during.sent + during.doubled).toBeGreaterThan(during.delivered + during.lost + during.overBudget)
    mesh.net.cut(mesh.id(1), mesh.id(2))
    mesh.pass(30_000)
    const { sent, doubled, delivered, lost, overBudget } = mesh.net.stats()
    expect([sent, overBudget]).toEqual([500, 200])
    expect(sent + doubled).toBe(delivered + lost + overBudget)
    expect(Math.min(doubled, delivered, lost)).toBeGreaterThan(20)
  })

  it('count the bytes of a device over all its lives, and of a network port since its start', () => {
    const { mesh, a, b } = two({ quality: STILL })
    a.send(2, KILOBYTE)
    mesh.pass(10)
    b.network.close()
    const again = mesh.join(2)
    mesh.pass(1_000)
    a.send(2, KILOBYTE)
    mesh.pass(10)
    expect(mesh.net.bytesOf(b.id)).toEqual({ receivedBytes: 2_000, sentBytes: 0 })
    expect(again.network.traffic()).toEqual({ receivedBytes: 1_000, sentBytes: 0 })
    expect(a.network.traffic()).toEqual({ receivedBytes: 0, sentBytes: 2_000 })
    expect(mesh.net.bytesOf(a.id)).toEqual({ receivedBytes: 0, sentBytes: 2_000 })
    expect(mesh.net.bytesOf(mesh.id(9))).toEqual({ receivedBytes: 0, sentBytes: 0 })
  })

  it('are seen message by message, before the receiver hears it', () => {
    const seen: string[] = []
    const { mesh, a, b } = two({
      observe: {
        sent: (_, to, bytes) => seen.push(`sent ${bytes.length} to ${Number(to)}`),
        delivered: (from, _, bytes) =>
          seen.push(`${bytes.length} from ${Number(from)}, heard ${b.heard.length}`),
      },
      quality: STILL,
    })
    a.send(2, 3)
    a.send(9, 3)
    mesh.pass(10)
    expect(seen).toEqual(['sent 3 to 2', '3 from 1, heard 0'])
  })

  it('are the same again from the same seed, and others from another', () => {
    const run = (seed: number): string => {
      const { mesh, a, b } = two({
        seed,
        quality: { maxDelayMs: 400, lossRate: 0.3, duplicateRate: 0.3, heavyTailRate: 0.1 },
      })
      for (let i = 0; i < 100; i++) a.send(2, 1, i)
      mesh.pass(10_000)
      return b.heard.join()
    }
    expect(run(1)).toBe(run(1))
    expect(run(1)).not.toBe(run(2))
  })
})
