// What drivers wait for, in the node's folder: sealed as the store is, and never in the way of a start.
import { describe, expect, it } from 'vitest'
import { MeshError } from '../../src/errors.ts'
import { driverMemory } from '../../src/host/driver-plane.ts'
import type { Disk, Logger } from '../../src/ports.ts'
import type { StoreKeys } from '../../src/store/sealing.ts'

const KEYS: StoreKeys = [{ id: 3, key: new Uint8Array(32).fill(7) }]
const WISHES = [{ id: 'w1', kind: 'stop', chargerId: 'CP07' }]

function memory(keys: StoreKeys, files = new Map<string, Uint8Array>(), fails = { now: false }) {
  const lines: string[] = []
  let writes = 0
  const say = (event: string): void => void lines.push(event)
  const logger: Logger = { debug: say, info: say, warn: say, error: say }
  const disk = {
    read: async (path: string) => files.get(path),
    replace: async (path: string, bytes: Uint8Array) => {
      if (fails.now) throw new MeshError('STORE_FULL', 'full')
      writes += 1
      files.set(path, bytes)
    },
  } as unknown as Disk
  return { ...driverMemory(disk, keys, logger), files, lines, fails, writes: () => writes }
}

describe('the wishes of drivers', () => {
  it('are read back, plain or sealed', async () => {
    for (const keys of [[], KEYS]) {
      const one = memory(keys)
      expect(await one.load()).toBeUndefined()
      await one.save(WISHES)
      expect(await memory(keys, one.files).load()).toEqual(WISHES)
      const text = Buffer.from([...one.files.values()][0] ?? []).toString('latin1')
      expect(text.includes('CP07')).toBe(keys.length === 0)
    }
  })

  it('that were plain are read where keys came later', async () => {
    const one = memory([])
    await one.save(WISHES)
    expect(await memory(KEYS, one.files).load()).toEqual(WISHES)
  })

  it.each([
    ['sealed with another key', async (files: Map<string, Uint8Array>) => memory(KEYS, files).save(WISHES)],
    ['changed', async (files: Map<string, Uint8Array>) => files.set('driver/wishes', Uint8Array.of(0, 0x7b))],
  ])('that are %s are said to be lost, and the node goes on', async (_what, prepare) => {
    const files = new Map<string, Uint8Array>()
    await prepare(files)
    const other = memory([{ id: 3, key: new Uint8Array(32) }], files)
    expect(await other.load()).toBeUndefined()
    expect(other.lines).toEqual(['what drivers waited for cannot be read: the node goes on without'])
  })

  it('are written whole and once where the disk is slower than they change', async () => {
    const one = memory([])
    const all = Array.from({ length: 100 }, (_, i) => one.save([i]))
    await Promise.all(all)
    expect(await one.load()).toEqual([99])
    expect(one.writes()).toBeLessThanOrEqual(2)
  })

  it('are written in order, and again after a disk that failed', async () => {
    const one = memory([])
    one.fails.now = true
    const failed = one.save(['first'])
    await expect(failed).rejects.toThrow('full')
    one.fails.now = false
    await Promise.all([one.save(['second']), one.save(['third'])])
    expect(await one.load()).toEqual(['third'])
  })
})
