import { describe, expect, it } from 'vitest'
import { SECTOR_BYTES, simulatedDisk } from '../../simulations/disk/disk.ts'

const big = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value)

describe('the simulated disk', () => {
  it('keeps what was synced and any whole sectors behind it', async () => {
    const lengths = new Set<number>()
    for (let i = 0; i < 20; i++) {
      const disk = simulatedDisk()
      await disk.append('a/one', big(700, 1))
      await disk.sync('a/one')
      await disk.append('a/one', big(1_000, 2))
      disk.crash(() => i / 20)
      const read = await disk.read('a/one')
      expect(read?.subarray(0, 700)).toEqual(big(700, 1))
      lengths.add(read?.length ?? 0)
    }
    expect([...lengths].sort((a, b) => a - b)).toEqual([700, 2 * SECTOR_BYTES, 3 * SECTOR_BYTES, 1_700])
  })

  it('may lose a new file altogether until it was synced', async () => {
    const disk = simulatedDisk()
    await disk.append('a/one', big(3, 1))
    disk.crash(() => 0.4)
    expect(await disk.list('a')).toEqual([])
    await disk.append('a/one', big(3, 1))
    await disk.sync('a/one')
    disk.crash(() => 0.4)
    expect(await disk.list('a')).toEqual(['one'])
  })

  it('shows bytes of a failed sync to readers and never saves them', async () => {
    const disk = simulatedDisk()
    await disk.append('a/one', big(2, 1))
    await disk.sync('a/one')
    await disk.append('a/one', big(2, 2))
    disk.failNextSync()
    await expect(disk.sync('a/one')).rejects.toMatchObject({ code: 'STORE_FAILED' })
    disk.kill()
    await disk.sync('a/one')
    expect((await disk.read('a/one'))?.length).toBe(4)
    disk.crash(() => 0.999)
    expect(await disk.read('a/one')).toEqual(big(2, 1))
  })

  it('writes what fits before it says that it is full, and has room again after a remove', async () => {
    const disk = simulatedDisk()
    disk.setFree(10)
    await expect(disk.append('a/one', big(12, 1))).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect((await disk.read('a/one'))?.length).toBe(10)
    await disk.remove('a/one')
    await expect(disk.append('a/two', big(10, 1))).resolves.toBeUndefined()
  })

  it('lets a dead process write nothing', async () => {
    const disk = simulatedDisk()
    const mount = disk.mount()
    await mount.append('a/one', big(1, 1))
    disk.crash(() => 0.999)
    await expect(mount.append('a/one', big(1, 2))).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await expect(disk.mount().list('a')).resolves.toEqual(['one'])
  })
})
