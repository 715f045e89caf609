import { describe, expect, it } from 'vitest'
import { type SimulatedDisk, simulatedDisk } from '../../simulations/disk/disk.ts'
import type { Disk } from '../../src/ports.ts'
import type { StoreKeys } from '../../src/store/sealing.ts'
import { sameBytes } from '../../src/units.ts'
import { diceOf, numbered, numberOf, openAndRead, storeKey } from './journal-setting.ts'

const FIRST = 'journal/00000001.cmj'
const SEEDS = 25
const MAX_CALLS = 24
/** Twelve of them, the most that one burst appends, fit the queue; a few bursts fill a file. */
const LARGE_BYTES = 340_000

/** A disk, and whether a power cut has ever left zeros or stale bytes in the middle of what it kept. */
type Worn = { readonly disk: SimulatedDisk; isPunctured: boolean }

/** Power fails at the `fatalCall`-th use of the disk: half the time before it took effect, half the time after. */
function mortal(worn: Worn, fatalCall: number, random: () => number): Disk {
  const { disk } = worn
  const mount = disk.mount()
  let calls = 0
  const live = async <T>(work: () => Promise<T>): Promise<T> => {
    if (++calls !== fatalCall) return work()
    if (random() < 0.5) await work()
    const { zeroSectors, staleSectors } = disk.crash(random)
    worn.isPunctured ||= zeroSectors + staleSectors > 0
    return work()
  }
  return {
    list: folder => live(() => mount.list(folder)),
    read: path => live(() => mount.read(path)),
    append: (path, bytes) => live(() => mount.append(path, bytes)),
    sync: path => live(() => mount.sync(path)),
    replace: (path, bytes) => live(() => mount.replace(path, bytes)),
    remove: path => live(() => mount.remove(path)),
  }
}

type Life = { readonly written: number[]; readonly promised: number[]; readonly read: number[] | undefined }

/** One process: opens, reads, appends in bursts until the power fails. */
async function live(
  disk: Disk,
  firstNumber: number,
  dice: { random: () => number; length: number; keys: StoreKeys },
): Promise<Life> {
  const written: number[] = []
  const promised: number[] = []
  let read: number[] | undefined
  let next = firstNumber
  try {
    const opened = await openAndRead(disk, dice.keys)
    read = opened.records.map(numberOf)
    const wrong = opened.records.filter(
      ({ payload }, i) => !sameBytes(payload, numbered(read?.[i] ?? -1, payload.length).payload),
    )
    expect(wrong).toEqual([])
    for (let burst = 0; burst < 12; burst++) {
      const appends = Array.from({ length: 1 + Math.floor(dice.random() * 4) }, async () => {
        const group = Array.from({ length: 1 + Math.floor(dice.random() * 3) }, () => next++)
        written.push(...group)
        await opened.journal.append(group.map(n => numbered(n, dice.random() * dice.length)))
        promised.push(...group)
      })
      const ends = await Promise.allSettled(appends)
      if (ends.some(end => end.status === 'rejected')) break
    }
  } catch (error) {
    expect(error).toMatchObject({ code: 'STORE_FAILED' })
  }
  return { written, promised, read }
}

/**
 * Lives and deaths on one disk: what is read is what was read before, then a prefix of what was written, promises first.
 * A disk that saved later sectors and not earlier ones may give more behind the promises, of what was once written to it.
 */
async function surviveCrashes(
  seed: number,
  fatalCalls: readonly number[],
  { length, keys = [] }: { readonly length: number; readonly keys?: StoreKeys },
): Promise<void> {
  const random = diceOf(seed)
  const worn: Worn = { disk: simulatedDisk(), isPunctured: false }
  let certain: number[] = []
  let possible: number[] = []
  let next = 0
  for (const fatalCall of [...fatalCalls, Number.POSITIVE_INFINITY]) {
    const { isPunctured } = worn
    const life = await live(mortal(worn, fatalCall, random), next, { random, length, keys })
    if (life.read !== undefined) {
      const where = `seed ${seed}, death at ${fatalCall}`
      expect(life.read.slice(0, certain.length), where).toEqual(certain)
      if (!isPunctured) expect(life.read, where).toEqual(possible.slice(0, life.read.length))
      expect(
        life.read.filter(number => number >= next),
        where,
      ).toEqual([])
      certain = [...life.read, ...life.promised]
      possible = [...life.read, ...life.written]
      expect(certain).toEqual(possible.slice(0, certain.length))
    }
    next += life.written.length
    if (fatalCall === Number.POSITIVE_INFINITY) expect(life.promised).toEqual(life.written)
  }
}

describe('power loss', () => {
  it('at any use of the disk keeps every promised record, in order, and invents none', async () => {
    for (let seed = 0; seed < SEEDS; seed++)
      for (let call = 1; call <= MAX_CALLS; call++)
        await surviveCrashes(seed, [call, 1 + (seed % 9)], { length: 700 })
  })

  it('around the change to a new file loses nothing either', async () => {
    for (let call = 1; call <= 22; call++) await surviveCrashes(call, [call, call], { length: LARGE_BYTES })
  }, 120_000)

  it('does no more harm to a sealed journal', async () => {
    for (let seed = 0; seed < SEEDS / 5; seed++)
      for (let call = 1; call <= MAX_CALLS; call++)
        await surviveCrashes(seed, [call, 1 + (seed % 9)], { length: 700, keys: storeKey(1) })
    for (let call = 1; call <= 22; call += 3)
      await surviveCrashes(call, [call, call], { length: LARGE_BYTES, keys: storeKey(1) })
  }, 120_000)
})

describe('a failing disk', () => {
  it('refuses everything that waits and everything later after a failed flush', async () => {
    const disk = simulatedDisk()
    const { journal } = await openAndRead(disk.mount())
    await journal.append([numbered(0)])
    disk.failNextSync()
    const ends = await Promise.allSettled([journal.append([numbered(1)]), journal.append([numbered(2)])])
    for (const end of ends)
      expect(end).toMatchObject({ status: 'rejected', reason: { code: 'STORE_FAILED' } })
    expect(journal.state()).toBe('failed')
    await expect(journal.append([numbered(3)])).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await journal.close()
    expect(journal.state()).toBe('failed')
  })

  it('refuses what queued behind the flush that failed', async () => {
    const disk = simulatedDisk()
    const mount = disk.mount()
    let later: Promise<void> | undefined
    const { journal } = await openAndRead({
      ...mount,
      sync: path => {
        later ??= journal.append([numbered(1)])
        later.catch(() => undefined)
        disk.failNextSync()
        return mount.sync(path)
      },
    })
    await expect(journal.append([numbered(0)])).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await expect(later).rejects.toMatchObject({ code: 'STORE_FAILED' })
  })

  it('believes after a failed flush only what it has made durable anew', async () => {
    for (const reopen of ['same process', 'new process'] as const) {
      const disk = simulatedDisk()
      const { journal } = await openAndRead(disk.mount())
      await journal.append([numbered(0)])
      disk.failNextSync()
      await expect(journal.append([numbered(1)])).rejects.toMatchObject({ code: 'STORE_FAILED' })
      if (reopen === 'new process') disk.kill()
      const again = await openAndRead(disk.mount())
      await again.journal.append([numbered(2)])
      disk.crash(() => 0)
      const last = await openAndRead(disk.mount())
      expect(last.records.map(numberOf), reopen).toEqual([...again.records.map(numberOf), 2])
    }
  })

  it('makes durable what a killed process had not, before it is believed', async () => {
    const disk = simulatedDisk()
    const { journal } = await openAndRead(disk.mount())
    await journal.append([numbered(0)])
    const content = (await disk.read(FIRST)) ?? new Uint8Array()
    await disk.append(FIRST, content.subarray(4))
    disk.kill()
    const { records } = await openAndRead(disk.mount())
    expect(records.map(numberOf)).toEqual([0, 0])
    disk.crash(() => 0)
    expect((await openAndRead(disk.mount())).records).toHaveLength(2)
  })

  it('when full at any byte refuses the append, reads back nothing half, and goes on when there is room', async () => {
    for (let free = 0; free < 80; free++) {
      const disk = simulatedDisk()
      const { journal } = await openAndRead(disk.mount())
      await journal.append([numbered(0)])
      disk.setFree(free)
      const full = journal.append([numbered(1), numbered(2), numbered(3)])
      await expect(full).rejects.toMatchObject({ code: 'STORE_FULL' })
      expect(journal.state()).toBe('failed')

      const whileFull = await openAndRead(disk.mount())
      const whole = [0, 1, 2, 3].slice(0, 1 + Math.floor(free / 32))
      expect(whileFull.records.map(numberOf)).toEqual(whole)
      await expect(whileFull.journal.append([numbered(7)])).rejects.toMatchObject({ code: 'STORE_FULL' })

      disk.setFree(1_000_000)
      const later = await openAndRead(disk.mount())
      await later.journal.append([numbered(8)])
      const last = await openAndRead(disk.mount())
      expect(last.records.map(numberOf)).toEqual([...later.records.map(numberOf), 8])
      expect(last.scan.state).toBe('intact')
    }
  })

  it('cuts the garbage of a full disk first when there is room only later', async () => {
    const disk = simulatedDisk()
    const { journal } = await openAndRead(disk.mount())
    await journal.append([numbered(0)])
    disk.setFree(20)
    await expect(journal.append([numbered(1)])).rejects.toMatchObject({ code: 'STORE_FULL' })
    const whileFull = await openAndRead(disk.mount())
    disk.setFree(1_000_000)
    await whileFull.journal.append([numbered(2)])
    const last = await openAndRead(disk.mount())
    expect(last.records.map(numberOf)).toEqual([0, 2])
    expect(last.scan.state).toBe('intact')
  })
})
