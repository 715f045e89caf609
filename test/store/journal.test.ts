import { describe, expect, it } from 'vitest'
import { type SimulatedDisk, simulatedDisk } from '../../simulations/disk/disk.ts'
import type { Disk } from '../../src/ports.ts'
import { crc32c, MAX_RECORD_BYTES } from '../../src/store/frame.ts'
import { MAX_QUEUED_BYTES, openJournal, SEGMENT_BYTES } from '../../src/store/journal.ts'
import { concatBytes } from '../../src/units.ts'
import { numbered, numberOf, openAndRead } from './journal-setting.ts'

const FIRST = 'journal/00000001.cmj'
const SECOND = 'journal/00000002.cmj'
const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i)

/** A disk with one file of five records. */
async function fiveRecords(): Promise<SimulatedDisk> {
  const disk = simulatedDisk()
  const { journal } = await openAndRead(disk.mount())
  await journal.append(numbers(5).map(n => numbered(n)))
  await journal.close()
  return disk
}

async function contentOf(disk: Disk, path: string): Promise<Uint8Array> {
  return (await disk.read(path)) ?? new Uint8Array()
}

describe('an intact journal', () => {
  it('is fresh at first, then gives back all records in order', async () => {
    const disk = simulatedDisk()
    const first = await openAndRead(disk)
    expect(first.scan).toEqual({ state: 'fresh', damaged: [], lostBytes: 0, tornBytes: 0, recordCount: 0 })
    expect(first.journal.sizeBytes()).toBe(0)
    await first.journal.append([numbered(0), numbered(1)])
    await first.journal.append([])
    await first.journal.append([numbered(2)])
    const again = await openAndRead(disk)
    expect(again.records).toEqual([numbered(0), numbered(1), numbered(2)])
    expect(again.scan).toMatchObject({ state: 'intact', recordCount: 3 })
    expect(again.journal.sizeBytes()).toBe(first.journal.sizeBytes())
    expect(again.journal.sizeBytes()).toBe((await contentOf(disk, FIRST)).length)
  })

  it('lets appends that wait together share one flush', async () => {
    const disk = simulatedDisk()
    let syncs = 0
    const counting: Disk = {
      ...disk,
      sync: path => {
        syncs++
        return disk.sync(path)
      },
    }
    const { journal } = await openAndRead(counting)
    const first = journal.append([numbered(0)])
    const rest = first.then(() => Promise.all(numbers(99, 1).map(n => journal.append([numbered(n)]))))
    await rest
    expect(syncs).toBe(2)
    expect((await openAndRead(disk)).records.map(numberOf)).toEqual(numbers(100))
  })

  it('starts a new file before one would grow too large, and reads across files', async () => {
    const disk = simulatedDisk()
    const { journal } = await openAndRead(disk)
    for (const n of numbers(20)) await journal.append([numbered(n, MAX_RECORD_BYTES - 1)])
    const names = await disk.list('journal')
    expect(names).toEqual(['00000001.cmj', '00000002.cmj', '00000003.cmj'])
    for (const name of names)
      expect((await contentOf(disk, `journal/${name}`)).length).toBeLessThanOrEqual(SEGMENT_BYTES)
    const again = await openAndRead(disk)
    expect(again.records.map(numberOf)).toEqual(numbers(20))
    expect(again.journal.sizeBytes()).toBe(journal.sizeBytes())
  })

  it('leaves files alone that are not its own', async () => {
    const disk = await fiveRecords()
    await disk.append('journal/README', new Uint8Array(9))
    expect((await openAndRead(disk)).scan.state).toBe('intact')
  })

  it('refuses appends above its queue without harm to those that wait', async () => {
    const { journal } = await openAndRead(simulatedDisk())
    const large = numbers(4).map(n => numbered(n, MAX_QUEUED_BYTES / 4 - 100))
    const waiting = journal.append(large)
    await expect(journal.append([numbered(4, 1_000)])).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await waiting
    await expect(journal.append([numbered(4, 1_000)])).resolves.toBeUndefined()
    expect(journal.state()).toBe('open')
  })

  it('finishes what waits when it is closed, and takes nothing more', async () => {
    const disk = simulatedDisk()
    const { journal } = await openAndRead(disk)
    const waiting = journal.append([numbered(0)])
    await journal.close()
    await waiting
    expect(journal.state()).toBe('closed')
    await expect(journal.append([numbered(1)])).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect((await openAndRead(disk)).records).toHaveLength(1)
  })

  it('passes on what its reader throws', async () => {
    const disk = await fiveRecords()
    const failing = openJournal(disk, () => {
      throw new Error('cannot use this')
    })
    await expect(failing).rejects.toThrow('cannot use this')
  })
})

describe('a damaged journal', () => {
  it('never yields a wrong record, nor calls itself intact, for any single flipped bit', async () => {
    const whole = await contentOf(await fiveRecords(), FIRST)
    for (let at = 0; at < whole.length * 8; at++) {
      const disk = simulatedDisk()
      await disk.replace(FIRST, whole)
      disk.flipBit(FIRST, at >> 3, at & 7)
      const { records, scan } = await openAndRead(disk)
      const found = records.map(numberOf)
      expect(found.length, `bit ${at}`).toBeGreaterThanOrEqual(4)
      expect(found).toEqual([...new Set(found)].sort((a, b) => a - b))
      for (const record of records) expect(record).toEqual(numbered(numberOf(record)))
      const isLast = found.join() === '0,1,2,3'
      expect(scan.state, `bit ${at}`).toBe(isLast ? 'torn' : 'damaged')
    }
  })

  it('cuts a torn tail wherever it was torn, and appends behind the last whole record', async () => {
    const whole = await contentOf(await fiveRecords(), FIRST)
    for (let length = 0; length < whole.length; length++) {
      const disk = simulatedDisk()
      await disk.replace(FIRST, whole.subarray(0, length))
      const { journal, records, scan } = await openAndRead(disk)
      const kept = Math.max(0, Math.floor((length - 4) / 32))
      expect(records.map(numberOf)).toEqual(numbers(kept))
      const isBetween = length >= 4 && (length - 4) % 32 === 0
      expect(scan.state).toBe(isBetween || length === 0 ? 'intact' : 'torn')
      await journal.append([numbered(99)])
      const again = await openAndRead(disk)
      expect(again.scan.state).toBe('intact')
      expect(again.records.map(numberOf)).toEqual([...numbers(kept), 99])
    }
  })

  it('names a hole, keeps the file and goes on in a new one', async () => {
    const disk = await fiveRecords()
    disk.flipBit(FIRST, 4 + 32 + 20)
    const before = await contentOf(disk, FIRST)
    const { journal, records, scan } = await openAndRead(disk)
    expect(records.map(numberOf)).toEqual([0, 2, 3, 4])
    expect(scan.damaged).toEqual([{ file: FIRST, offset: 36, lostBytes: 32, cause: 'garbage' }])
    expect(scan.lostBytes).toBe(32)
    await journal.append([numbered(5)])
    expect(await contentOf(disk, FIRST)).toEqual(before)
    expect(await disk.list('journal')).toEqual(['00000001.cmj', '00000002.cmj'])
    const again = await openAndRead(disk)
    expect(again.records.map(numberOf)).toEqual([0, 2, 3, 4, 5])
    expect(again.scan.state).toBe('damaged')
  })

  it('calls garbage at the end of a file damage when another file follows', async () => {
    const disk = await fiveRecords()
    await disk.replace(SECOND, await contentOf(disk, FIRST))
    await disk.replace(FIRST, (await contentOf(disk, FIRST)).subarray(0, 110))
    const { scan, records } = await openAndRead(disk)
    expect(scan.damaged).toEqual([{ file: FIRST, offset: 100, lostBytes: 10, cause: 'garbage' }])
    expect(records.map(numberOf)).toEqual([0, 1, 2, 0, 1, 2, 3, 4])
  })

  it('reports a frame with an unknown key and never writes over it', async () => {
    const disk = await fiveRecords()
    const body = new Uint8Array(40).fill(2)
    const head = new DataView(new ArrayBuffer(10))
    head.setUint16(0, 0x434d)
    head.setUint32(2, body.length)
    head.setUint32(6, crc32c(body))
    await disk.append(FIRST, concatBytes([new Uint8Array(head.buffer), body]))
    const before = await contentOf(disk, FIRST)
    const { journal, scan, records } = await openAndRead(disk)
    expect(records).toHaveLength(5)
    expect(scan.state).toBe('damaged')
    expect(scan.damaged).toEqual([{ file: FIRST, offset: 164, lostBytes: 50, cause: 'unknown-key' }])
    await journal.append([numbered(5)])
    expect(await contentOf(disk, FIRST)).toEqual(before)
  })
})
