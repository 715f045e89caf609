// What every Disk promises (src/ports.ts), run on the real and on the simulated one.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Disk } from '../../src/ports.ts'

export type DiskUnderTest = {
  readonly disk: Disk
  readonly failNextSync: () => Promise<void>
  /** From now on nothing more fits. */
  readonly fillUp: () => Promise<void>
  /** The same files through a disk that has seen none of the failures. */
  readonly reopen: () => Promise<Disk>
  readonly dispose: () => Promise<void>
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

export function diskContract(name: string, make: () => Promise<DiskUnderTest>): void {
  describe(name, () => {
    let made: DiskUnderTest
    let disk: Disk
    beforeEach(async () => {
      made = await make()
      disk = made.disk
    })
    afterEach(() => made.dispose())

    it('knows nothing of files that were never written', async () => {
      expect(await disk.list('none')).toEqual([])
      expect(await disk.read('none/file')).toBeUndefined()
      await expect(disk.remove('none/file')).resolves.toBeUndefined()
      await expect(disk.sync('none/file')).rejects.toMatchObject({ code: 'STORE_FAILED' })
      expect(await disk.list('none')).toEqual([])
    })

    it('adds at the end, in the order of the calls, without waiting for one another', async () => {
      await Promise.all(Array.from({ length: 50 }, (_, i) => disk.append('a/one', bytes(i, i))))
      await disk.sync('a/one')
      expect(await disk.read('a/one')).toEqual(bytes(...Array.from({ length: 50 }, (_, i) => [i, i]).flat()))
    })

    it('lists the names of a folder, sorted, and nothing of other folders', async () => {
      for (const path of ['a/z', 'a/b', 'a/Y', 'ab/c', 'a/deep/d']) await disk.append(path, bytes(1))
      expect(await disk.list('a')).toEqual(['Y', 'b', 'z'])
    })

    it('keeps many files apart', async () => {
      const paths = Array.from({ length: 40 }, (_, i) => `many/${i}`)
      for (const round of [1, 2]) for (const path of paths) await disk.append(path, bytes(round))
      for (const path of paths) await disk.sync(path)
      for (const path of paths) await disk.append(path, bytes(3))
      for (const path of paths) expect(await disk.read(path)).toEqual(bytes(1, 2, 3))
    })

    it('replaces a whole file, and later appends go behind the new content', async () => {
      await disk.append('a/one', bytes(1, 2, 3))
      await disk.replace('a/one', bytes(9))
      await disk.append('a/one', bytes(8))
      await disk.sync('a/one')
      expect(await disk.read('a/one')).toEqual(bytes(9, 8))
      await disk.replace('b/new', bytes(7))
      expect(await disk.read('b/new')).toEqual(bytes(7))
      expect(await disk.list('b')).toEqual(['new'])
    })

    it('starts empty again after a remove', async () => {
      await disk.append('a/one', bytes(1))
      await disk.remove('a/one')
      expect(await disk.read('a/one')).toBeUndefined()
      await disk.append('a/one', bytes(2))
      expect(await disk.read('a/one')).toEqual(bytes(2))
    })

    it('gives away bytes that the reader may change', async () => {
      await disk.append('a/one', bytes(1))
      const read = await disk.read('a/one')
      read?.fill(0)
      expect(await disk.read('a/one')).toEqual(bytes(1))
    })

    it('says that it is full, and an old content outlives the replace that found no room', async () => {
      await disk.append('a/one', bytes(1))
      await disk.sync('a/one')
      await made.fillUp()
      await expect(disk.append('a/one', bytes(2))).rejects.toMatchObject({ code: 'STORE_FULL' })
      await expect(disk.replace('a/one', bytes(3, 4))).rejects.toMatchObject({ code: 'STORE_FULL' })
      expect((await disk.read('a/one'))?.[0]).toBe(1)
      expect(await disk.list('a')).toEqual(['one'])
    })

    it('never trusts a file again whose sync has failed, and trusts the others', async () => {
      await disk.append('a/one', bytes(1))
      await made.failNextSync()
      await expect(disk.sync('a/one')).rejects.toMatchObject({ code: 'STORE_FAILED' })
      await expect(disk.sync('a/one')).rejects.toMatchObject({ code: 'STORE_FAILED' })
      await expect(disk.append('a/one', bytes(2))).rejects.toMatchObject({ code: 'STORE_FAILED' })
      await disk.append('a/two', bytes(3))
      await expect(disk.sync('a/two')).resolves.toBeUndefined()
    })

    for (const revival of ['replace', 'remove', 'reopen'] as const)
      it(`uses a file whose sync has failed again after a ${revival}`, async () => {
        await disk.append('a/one', bytes(1))
        await made.failNextSync()
        await expect(disk.sync('a/one')).rejects.toMatchObject({ code: 'STORE_FAILED' })
        const after = revival === 'reopen' ? await made.reopen() : disk
        if (revival === 'replace') await disk.replace('a/one', bytes(1))
        if (revival === 'remove') await disk.remove('a/one')
        await after.append('a/one', bytes(5))
        await expect(after.sync('a/one')).resolves.toBeUndefined()
      })
  })
}
