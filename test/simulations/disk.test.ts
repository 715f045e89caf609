import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../simulations/dice.ts'
import {
  type DiskOperation,
  SECTOR_BYTES,
  type SimulatedDisk,
  simulatedDisk,
} from '../../simulations/disk/disk.ts'
import { sameBytes } from '../../src/units.ts'

const PATH = 'journal/00000001.cmj'
const DEAD = { code: 'STORE_FAILED', message: 'the process that mounted this disk is gone' }

/** Each sector is filled with its own number, so that a wrong one shows. */
function sectors(from: number, count: number): Uint8Array {
  const bytes = new Uint8Array(count * SECTOR_BYTES)
  for (let i = 0; i < count; i++) bytes.fill(from + i, i * SECTOR_BYTES, (i + 1) * SECTOR_BYTES)
  return bytes
}
const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

/** The number in each sector that is of one value; -1 where it is not. */
function numbersIn(bytes: Uint8Array | undefined): readonly number[] {
  const numbers: number[] = []
  for (let at = 0; bytes && at < bytes.length; at += SECTOR_BYTES) {
    const sector = bytes.subarray(at, at + SECTOR_BYTES)
    numbers.push(sector.every(byte => byte === sector[0]) ? (sector[0] ?? -1) : -1)
  }
  return numbers
}

async function written(disk: SimulatedDisk, bytes: Uint8Array, path = PATH): Promise<void> {
  await disk.append(path, bytes)
  await disk.sync(path)
}

describe('the speed of a simulated disk', () => {
  it('lets an append cost what it adds, however large the file is', async () => {
    const disk = simulatedDisk()
    const line = filled(100, 7)
    for (let i = 0; i < 80_000; i++) await disk.append(PATH, line)
    expect((await disk.read(PATH))?.length).toBe(8_000_000)
  })

  it('awaits nothing of its own where an operation takes no time', async () => {
    const heard: string[] = []
    const mount = simulatedDisk({ before: () => undefined, after: () => undefined }).mount()
    const disk = mount.append(PATH, filled(1, 1)).then(() => heard.push('disk'))
    const nothing = (async () => undefined)().then(() => heard.push('nothing'))
    await Promise.all([disk, nothing])
    expect(heard).toEqual(['disk', 'nothing'])
  })
})

describe('an operation of a mount', () => {
  it('takes the time that it is given, and those on one path keep their order', async () => {
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const asked: string[] = []
    const disk = simulatedDisk({
      before: (operation, path) => {
        asked.push(`${operation} ${path}`)
        return path === PATH ? gates[asked.length - 1]?.promise : undefined
      },
    })
    const mount = disk.mount()
    const all = [1, 2, 3].map(value => mount.append(PATH, filled(1, value)))
    await mount.append('b/other', filled(1, 9))
    expect(asked).toEqual([`append ${PATH}`, 'append b/other'])
    expect(await disk.read(PATH)).toBeUndefined()
    gates[0]?.resolve()
    await all[0]
    await Promise.all(all)
    expect(await disk.read(PATH)).toEqual(Uint8Array.of(1, 2, 3))
  })

  for (const moment of ['at once', 'later'] as const)
    it(`rejects and does nothing when the power goes before it, ${moment}`, async () => {
      const disk: SimulatedDisk = simulatedDisk({
        before: operation => {
          if (operation !== 'replace') return undefined
          if (moment === 'later') return Promise.resolve().then(() => void disk.crash(() => 0))
          disk.crash(() => 0)
          return undefined
        },
      })
      const mount = disk.mount()
      await mount.append(PATH, filled(1, 1))
      await mount.sync(PATH)
      const waiting = mount.replace(PATH, filled(1, 2))
      const behind = mount.append(PATH, filled(1, 3))
      await expect(waiting).rejects.toMatchObject(DEAD)
      await expect(behind).rejects.toMatchObject(DEAD)
      expect(await disk.read(PATH)).toEqual(filled(1, 1))
    })

  it('has taken effect when the power goes behind it, and its caller hears a failure', async () => {
    const fatal: DiskOperation[] = ['sync', 'replace', 'remove', 'append', 'read', 'list']
    for (const deadly of fatal) {
      const disk: SimulatedDisk = simulatedDisk({
        after: operation => {
          if (operation === deadly) disk.crash(() => 0.999)
        },
      })
      await written(disk, filled(2, 1))
      const mount = disk.mount()
      const steps = {
        append: () => mount.append(PATH, filled(2, 2)),
        sync: () => mount.sync(PATH),
        replace: () => mount.replace(PATH, filled(2, 3)),
        remove: () => mount.remove(PATH),
        read: () => mount.read(PATH),
        list: () => mount.list('journal'),
      }
      if (deadly === 'sync') await steps.append()
      await expect(steps[deadly](), deadly).rejects.toMatchObject(DEAD)
      const left = { sync: [1, 1, 2, 2], append: [1, 1, 2, 2], replace: [3, 3], remove: undefined }
      const expected = deadly in left ? left[deadly as keyof typeof left] : [1, 1]
      expect(await disk.read(PATH), deadly).toEqual(expected && Uint8Array.from(expected))
    }
  })

  it('is counted in the present life, and the hand that looks at the disk is not', async () => {
    const seen: number[] = []
    const disk: SimulatedDisk = simulatedDisk({
      before: () => {
        seen.push(disk.operations())
        return undefined
      },
    })
    const mount = disk.mount()
    await mount.append(PATH, filled(1, 1))
    await mount.sync(PATH)
    await disk.read(PATH)
    expect(disk.operations()).toBe(2)
    disk.kill()
    expect(disk.operations()).toBe(0)
    await expect(mount.list('journal')).rejects.toMatchObject(DEAD)
    await disk.mount().list('journal')
    expect(disk.operations()).toBe(1)
    expect(seen).toEqual([1, 2, 1])
  })
})

describe('a power cut', () => {
  /** Ten durable sectors and a half, 500 bytes of 99s, then sectors 11 to 14. */
  async function cut(seed: number): Promise<{ read: Uint8Array; loss: ReturnType<SimulatedDisk['crash']> }> {
    const disk = simulatedDisk()
    await written(disk, sectors(101, 10))
    await written(disk, filled(12, 88))
    await disk.append(PATH, filled(500, 99))
    await disk.append(PATH, sectors(11, 4))
    const loss = disk.crash(seededRandom(seed).share)
    return { read: (await disk.read(PATH)) ?? new Uint8Array(), loss }
  }

  it('keeps any subset of the sectors that were not synced, torn at their borders, zero or stale', async () => {
    const [patterns, lengths] = [new Set<string>(), new Set<number>()]
    for (let seed = 0; seed < 400; seed++) {
      const { read } = await cut(seed)
      lengths.add(read.length)
      const kinds = numbersIn(read.subarray(11 * SECTOR_BYTES)).map((number, i) => {
        expect(number, `seed ${seed}`).not.toBe(-1)
        return number === 11 + i ? 'kept' : number === 0 ? 'zero' : number > 100 ? 'stale' : 'wrong'
      })
      patterns.add(kinds.join(' '))
    }
    const borders = [11, 12, 13, 14, 15].map(sector => sector * SECTOR_BYTES)
    expect([...lengths].sort((a, b) => a - b)).toEqual([10 * SECTOR_BYTES + 12, ...borders])
    for (const pattern of [
      'kept kept kept kept',
      'kept',
      '',
      'zero kept zero kept',
      'stale',
      'kept zero stale kept',
    ])
      expect([...patterns]).toContain(pattern)
    expect([...patterns].filter(pattern => pattern.includes('wrong'))).toEqual([])
  })

  it('leaves every durable byte of the sector that it tears', async () => {
    const ends = new Set<number | undefined>()
    for (let seed = 0; seed < 100; seed++) {
      const { read } = await cut(seed)
      expect(sameBytes(read.subarray(0, 10 * SECTOR_BYTES), sectors(101, 10))).toBe(true)
      expect(read.subarray(10 * SECTOR_BYTES, 10 * SECTOR_BYTES + 12)).toEqual(filled(12, 88))
      ends.add(read[10 * SECTOR_BYTES + 12])
    }
    for (const end of [99, 0, undefined]) expect([...ends]).toContain(end)
  })

  it('is the same for the same dice, and says what it took', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const [one, same] = [await cut(seed), await cut(seed)]
      expect(same.loss).toEqual(one.loss)
      expect(sameBytes(same.read, one.read)).toBe(true)
      expect(one.loss.cutBytes).toBe(15 * SECTOR_BYTES - one.read.length)
      const zeros = numbersIn(one.read.subarray(11 * SECTOR_BYTES)).filter(number => number === 0)
      expect(one.loss.zeroSectors).toBeGreaterThanOrEqual(zeros.length)
    }
  })

  it('may show in a sector that was never written what a removed file held', async () => {
    let resurrected = 0
    for (let seed = 0; seed < 60; seed++) {
      const disk = simulatedDisk()
      await written(disk, sectors(70, 2), 'a/old')
      await disk.remove('a/old')
      await written(disk, filled(100, 1))
      await disk.append(PATH, filled(1000, 2))
      disk.crash(seededRandom(seed).share)
      const read = (await disk.read(PATH)) ?? new Uint8Array()
      expect(sameBytes(read.subarray(0, 100), filled(100, 1))).toBe(true)
      if (read.some(byte => byte === 70 || byte === 71)) resurrected++
    }
    expect(resurrected).toBeGreaterThan(3)
  })

  it('leaves what a replace put there, and forgets nothing that was durable', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const disk = simulatedDisk()
      await disk.append(PATH, sectors(1, 3))
      await disk.replace(PATH, sectors(5, 2))
      expect(disk.crash(seededRandom(seed).share)).toMatchObject({ lostFiles: 0, cutBytes: 0 })
      expect(await disk.read(PATH)).toEqual(sectors(5, 2))
    }
  })
})
