import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import { simulatedDisk } from '../../simulations/disk/disk.ts'
import { openDisk } from '../../src/host/disk.ts'
import { type DiskUnderTest, diskContract } from './disk.ts'

diskContract('simulated disk', async () => {
  const simulated = simulatedDisk()
  return {
    disk: simulated.mount(),
    failNextSync: async () => simulated.failNextSync(),
    fillUp: async () => simulated.fillUp(),
    reopen: async () => {
      simulated.kill()
      return simulated.mount()
    },
    dispose: async () => undefined,
  }
})

diskContract('real disk', realDisk)

/** Real files; the two failures that no test can order from a kernel are put into Node's file handles. */
async function realDisk(): Promise<DiskUnderTest & { readonly dir: string }> {
  const dir = await mkdtemp(join(tmpdir(), 'chargemesh-disk-'))
  const disk = openDisk(join(dir, 'root'))
  const later = [disk]
  const probe = await open(dir, 'r')
  const handles = Object.getPrototypeOf(probe) as typeof probe
  await probe.close()
  return {
    dir,
    disk,
    failNextSync: async () => {
      vi.spyOn(handles, 'datasync').mockRejectedValueOnce(Object.assign(new Error('EIO'), { code: 'EIO' }))
    },
    fillUp: async () => {
      const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' })
      vi.spyOn(handles, 'appendFile').mockRejectedValue(full)
      vi.spyOn(handles, 'writeFile').mockRejectedValue(full)
    },
    reopen: async () => {
      const again = openDisk(join(dir, 'root'))
      later.push(again)
      return again
    },
    dispose: async () => {
      vi.restoreAllMocks()
      for (const opened of later) await opened.close()
      await rm(dir, { recursive: true })
    },
  }
}

describe('real disk alone', () => {
  it('refuses paths that lead out of its folder', async () => {
    const { disk, dispose } = await realDisk()
    for (const path of ['../x', 'a/../../x', '/etc/x', 'a//b', './a', 'a/b.tmp', ''])
      await expect(disk.append(path, new Uint8Array(1))).rejects.toThrow('no path inside')
    await dispose()
  })

  it('flushes the folders above a new file with it, and those of a replaced or removed one', async () => {
    const { disk, dispose } = await realDisk()
    const probe = await open(tmpdir(), 'r')
    const folderSync = vi.spyOn(Object.getPrototypeOf(probe) as typeof probe, 'sync')
    await probe.close()
    const syncsOf = async (work: Promise<void>): Promise<number> => {
      folderSync.mockClear()
      await work
      return folderSync.mock.calls.length
    }
    await disk.append('a/one', new Uint8Array(1))
    const foldersAbove = 3
    expect(await syncsOf(disk.sync('a/one'))).toBe(foldersAbove)
    await disk.append('a/one', new Uint8Array(1))
    expect(await syncsOf(disk.sync('a/one'))).toBe(0)
    expect(await syncsOf(disk.replace('a/one', new Uint8Array(1)))).toBe(1 + foldersAbove)
    expect(await syncsOf(disk.remove('a/one'))).toBe(1)
    await dispose()
  })

  it('leaves no half copy behind on a full disk', async () => {
    const { dir, disk, fillUp, dispose } = await realDisk()
    await disk.replace('a/one', new Uint8Array(1))
    await fillUp()
    await expect(disk.replace('a/one', new Uint8Array(9))).rejects.toMatchObject({ code: 'STORE_FULL' })
    expect(await readdir(join(dir, 'root', 'a'))).toEqual(['one'])
    await dispose()
  })

  it('refuses everything after it was closed', async () => {
    const { disk, dispose } = await realDisk()
    await disk.append('a', new Uint8Array(1))
    await dispose()
    await expect(disk.append('a', new Uint8Array(1))).rejects.toMatchObject({ code: 'STORE_FAILED' })
    await expect(disk.sync('a')).rejects.toMatchObject({ code: 'STORE_FAILED' })
  })
})
