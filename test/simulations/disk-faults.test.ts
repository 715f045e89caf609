import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../simulations/dice.ts'
import { SECTOR_BYTES, type SimulatedDisk, simulatedDisk } from '../../simulations/disk/disk.ts'
import { hex } from '../../src/units.ts'

const PATH = 'journal/00000001.cmj'
const OTHER = 'journal/00000002.cmj'
const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)
const NOTHING = new Uint8Array()
const worst = (): number => 0

async function written(disk: SimulatedDisk, bytes: Uint8Array, path = PATH): Promise<void> {
  await disk.append(path, bytes)
  await disk.sync(path)
}

describe('a lost write', () => {
  it('looks written until the power goes, and was zeros all the time', async () => {
    const disk = simulatedDisk()
    await written(disk, filled(2, 1))
    disk.loseNextWrite()
    await written(disk, filled(2, 2))
    await written(disk, filled(2, 3))
    const zeros = Uint8Array.of(1, 1, 0, 0, 3, 3)
    disk.kill()
    expect(await disk.read(PATH)).toEqual(Uint8Array.of(1, 1, 2, 2, 3, 3))
    expect(disk.durableBytes(PATH)).toEqual(zeros)
    expect(disk.image().get(PATH)).toEqual(zeros)
    disk.crash(() => 0.999)
    expect(await disk.read(PATH)).toEqual(zeros)
  })

  it('keeps a bit that flips elsewhere in its file', async () => {
    const disk = simulatedDisk()
    await written(disk, filled(1, 1))
    disk.loseNextWrite()
    await written(disk, filled(1, 2))
    disk.flipBit(PATH, 0, 2)
    expect(await disk.read(PATH)).toEqual(Uint8Array.of(5, 2))
    disk.crash(worst)
    expect(await disk.read(PATH)).toEqual(Uint8Array.of(5, 0))
  })

  it('is mended by a replace', async () => {
    const disk = simulatedDisk()
    disk.loseNextWrite()
    await written(disk, filled(2, 2))
    await disk.replace(PATH, (await disk.read(PATH)) ?? filled(0, 0))
    disk.crash(worst)
    expect(await disk.read(PATH)).toEqual(filled(2, 2))
  })
})

describe('a misdirected write', () => {
  it('lands on durable bytes of this file or another, from some sector on, and makes no file longer', async () => {
    const landed = new Set<string>()
    for (let seed = 0; seed < 60; seed++) {
      const disk = simulatedDisk()
      await written(disk, filled(1000, 1))
      await written(disk, filled(1300, 1), OTHER)
      disk.misdirectNextWrite(seededRandom(seed).share)
      await written(disk, filled(600, 2))
      const seen = [await disk.read(PATH), await disk.read(OTHER)]
      expect(seen.map(same => same && hex(same))).toEqual([
        hex(filled(1000, 1)) + hex(filled(600, 2)),
        hex(filled(1300, 1)),
      ])
      disk.crash(worst)
      const [mine, other] = [await disk.read(PATH), await disk.read(OTHER)]
      expect([mine?.length, other?.length]).toEqual([1600, 1300])
      expect(mine?.subarray(1000).every(byte => byte === 0)).toBe(true)
      const [path, bytes] = mine?.includes(2) ? (['mine', mine] as const) : (['other', other] as const)
      const [from, until] = [bytes?.indexOf(2) ?? -1, (bytes?.lastIndexOf(2) ?? -1) + 1]
      expect(until - from).toBe(Math.min(600, (path === 'mine' ? 1000 : 1300) - from))
      landed.add(`${path} ${from / SECTOR_BYTES}`)
    }
    expect([...landed].sort()).toEqual(['mine 0', 'mine 1', 'other 0', 'other 1', 'other 2'])
  })

  it('strikes once, and is a lost write where nothing is durable', async () => {
    const disk = simulatedDisk()
    disk.misdirectNextWrite(worst)
    await written(disk, filled(2, 1))
    await written(disk, filled(2, 2))
    disk.crash(worst)
    expect(await disk.read(PATH)).toEqual(Uint8Array.of(0, 0, 2, 2))
  })
})

describe('a disk that lies about its syncs', () => {
  it('saves nothing until it is honest again and something is synced', async () => {
    const disk = simulatedDisk()
    await written(disk, filled(1, 1))
    disk.lieAboutSync(true)
    await written(disk, filled(1, 2))
    await written(disk, filled(1, 3), OTHER)
    disk.lieAboutSync(false)
    expect(disk.durableBytes(PATH)).toEqual(filled(1, 1))
    expect(disk.durablePaths()).toEqual([PATH])
    const cut = simulatedDisk({ from: disk.image() })
    expect(await cut.list('journal')).toEqual(['00000001.cmj'])
    await disk.append(OTHER, filled(1, 4))
    await written(disk, filled(1, 5), 'a/third')
    expect(disk.durablePaths()).toEqual(['a/third', PATH, OTHER])
    disk.crash(worst)
    expect(await disk.read(PATH)).toEqual(Uint8Array.of(1, 2))
    expect(await disk.read(OTHER)).toEqual(filled(1, 3))
  })

  it('loses at a power cut what it called synced, and goes on lying', async () => {
    const disk = simulatedDisk()
    disk.lieAboutSync(true)
    for (let i = 0; i < 2; i++) {
      await written(disk, filled(1, 2))
      disk.crash(worst)
      expect(await disk.read(PATH)).toBeUndefined()
    }
  })

  it('leaves the old or the new of a replaced file, and is sure of what both begin with', async () => {
    const left = new Set<string>()
    for (let seed = 0; seed < 40; seed++) {
      const disk = simulatedDisk()
      await disk.replace(PATH, Uint8Array.of(1, 2, 3))
      disk.lieAboutSync(true)
      await disk.replace(PATH, Uint8Array.of(9))
      await disk.replace(PATH, Uint8Array.of(1, 2, 4, 5))
      await disk.replace(OTHER, Uint8Array.of(7))
      await written(disk, Uint8Array.of(6))
      expect(disk.durableBytes(PATH)).toEqual(Uint8Array.of(1, 2))
      expect(disk.durableBytes(OTHER)).toBeUndefined()
      expect(disk.image()).toEqual(new Map([[PATH, Uint8Array.of(1, 2, 3)]]))
      disk.crash(seededRandom(seed).share)
      left.add(`${await disk.read(PATH)} | ${await disk.read(OTHER)}`)
    }
    const mine = ['1,2,3', '1,2,4,5', '1,2,4,5,6', '1,2,4,5,0']
    const all = mine.flatMap(one => [`${one} | 7`, `${one} | undefined`])
    expect(all).toEqual(expect.arrayContaining([...left]))
    for (const common of all.slice(0, 6)) expect([...left]).toContain(common)
  })

  it('makes a replace durable as well with its first true sync', async () => {
    const disk = simulatedDisk()
    disk.lieAboutSync(true)
    await disk.replace(PATH, filled(3, 1))
    disk.lieAboutSync(false)
    await disk.replace(OTHER, filled(1, 2))
    expect(disk.durableBytes(PATH)).toEqual(filled(3, 1))
    disk.crash(worst)
    expect(await disk.read(PATH)).toEqual(filled(3, 1))
  })
})

describe('rot', () => {
  it('flips one bit of the durable part of the journal, any of them, for readers and for good', async () => {
    const hit = new Set<string>()
    for (let seed = 0; seed < 300; seed++) {
      const disk = simulatedDisk()
      await written(disk, filled(2, 0))
      await written(disk, filled(1, 0), OTHER)
      await disk.append(OTHER, filled(50, 0))
      await written(disk, filled(50, 0), 'probe/room')
      const flipped = disk.flipSomeBit(seededRandom(seed).share)
      if (flipped === undefined) throw new Error('nothing was flipped')
      const { path, offset, bit } = flipped
      disk.crash(worst)
      expect((await disk.read(path))?.[offset]).toBe(1 << bit)
      hit.add(`${path} ${offset} ${bit}`)
    }
    expect(hit.size).toBe(3 * 8)
  })

  it('finds nothing in a journal of which nothing is durable', async () => {
    const disk = simulatedDisk()
    await disk.append(PATH, filled(2, 0))
    expect(disk.flipSomeBit(worst)).toBeUndefined()
  })

  it('stays when all faults are mended, and nothing else does', async () => {
    const disk = simulatedDisk()
    disk.lieAboutSync(true)
    disk.loseNextWrite()
    disk.misdirectNextWrite(worst)
    disk.failNextSync()
    disk.fillUp()
    disk.mend()
    await written(disk, filled(2, 1))
    disk.flipSomeBit(worst)
    disk.mend()
    expect(disk.durableBytes(PATH)).toEqual(Uint8Array.of(0, 1))
  })
})

describe('an image', () => {
  it('holds what is durable, and nothing that happens later', async () => {
    const disk = simulatedDisk()
    await written(disk, filled(2, 1))
    await disk.append(PATH, filled(2, 2))
    await disk.append(OTHER, filled(2, 2))
    const image = disk.image()
    await disk.sync(PATH)
    disk.flipBit(PATH, 0)
    expect(image).toEqual(new Map([[PATH, filled(2, 1)]]))
  })

  it('makes clones that live apart from the disk and from each other', async () => {
    const disk = simulatedDisk()
    await written(disk, filled(2, 1))
    const image = disk.image()
    const clones = [simulatedDisk({ from: image }), simulatedDisk({ from: image })]
    for (const [i, clone] of clones.entries()) {
      clone.flipBit(PATH, 0, 1 + i)
      await written(clone, filled(1, 8 + i))
    }
    expect(await Promise.all([...clones, disk].map(one => one.read(PATH)))).toEqual([
      Uint8Array.of(3, 1, 8),
      Uint8Array.of(5, 1, 9),
      filled(2, 1),
    ])
    expect(image.get(PATH)).toEqual(filled(2, 1))
  })

  for (const change of ['restore', 'wipe'] as const)
    it(`comes on another disk: a ${change} ends the mounts and every fault`, async () => {
      const disk = simulatedDisk()
      await written(disk, filled(2, 1))
      const image = disk.image()
      const mount = disk.mount()
      await mount.append(OTHER, filled(2, 2))
      await mount.sync(OTHER)
      disk.fillUp()
      disk.lieAboutSync(true)
      if (change === 'restore') disk.restore(image)
      else disk.wipe()
      await expect(mount.read(PATH)).rejects.toMatchObject({ code: 'STORE_FAILED' })
      expect(disk.operations()).toBe(0)
      const names = change === 'restore' ? [PATH] : []
      expect(disk.durablePaths()).toEqual(names)
      await written(disk, filled(1, 3))
      disk.crash(worst)
      expect((await disk.read(PATH))?.length).toBe(2 * names.length + 1)
    })
})

describe('what is durable for sure', () => {
  it('grows with a sync and a replace, and with nothing else', async () => {
    const disk = simulatedDisk()
    expect(disk.durableBytes(PATH)).toBeUndefined()
    await disk.append(PATH, filled(300, 1))
    expect(disk.durableBytes(PATH)).toBeUndefined()
    expect(disk.durablePaths()).toEqual([])
    await disk.sync(PATH)
    await disk.append(PATH, filled(1, 2))
    expect(disk.durableBytes(PATH)).toEqual(filled(300, 1))
    disk.failNextSync()
    await expect(disk.sync(PATH)).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(disk.durableBytes(PATH)).toEqual(filled(300, 1))
    await disk.replace(PATH, filled(3, 4))
    expect(disk.durableBytes(PATH)).toEqual(filled(3, 4))
    await disk.remove(PATH)
    expect(disk.durableBytes(PATH)).toBeUndefined()
  })

  it('is looked at without a copy', async () => {
    const disk = simulatedDisk()
    await written(disk, filled(300, 1))
    expect(disk.durableBytes(PATH)?.buffer).toBe(disk.durableBytes(PATH)?.buffer)
  })

  it('is what is left after any power cut, from the first byte on', async () => {
    for (let seed = 0; seed < 200; seed++) {
      const dice = seededRandom(seed)
      const disk = simulatedDisk()
      for (let i = 0; i < 30; i++) {
        const path = dice.pick([PATH, OTHER])
        const bytes = filled(dice.below(900), 1 + dice.below(250))
        const act = dice.below(8)
        if (act < 4) await disk.append(path, bytes)
        else if (act < 6) await disk.sync(path).catch(() => undefined)
        else if (act < 7) await disk.replace(path, bytes)
        else disk.lieAboutSync(dice.chance(0.5))
        if (dice.chance(0.05)) disk.loseNextWrite()
        if (dice.chance(0.05)) disk.misdirectNextWrite(dice.share)
      }
      const certain = disk.durablePaths().map(path => [path, disk.durableBytes(path)?.slice()] as const)
      disk.crash(dice.share)
      for (const [path, bytes] of certain)
        expect(hex((await disk.read(path))?.subarray(0, bytes?.length) ?? NOTHING), `seed ${seed}`).toBe(
          hex(bytes ?? NOTHING),
        )
    }
  })
})
