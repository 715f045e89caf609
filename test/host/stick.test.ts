// A stick's files: short names, whole or not at all, and an error that says what to do for each way in which a stick fails.
import { mkdir, mkdtemp, readdir, rename, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { MeshError } from '../../src/errors.ts'
import { openDisk } from '../../src/host/disk.ts'
import { openStick, type Stick } from '../../src/host/stick.ts'
import type { SiteId } from '../../src/units.ts'

const SITE = 'a1b2c3d4'.padEnd(32, '0') as SiteId
const PART = Uint8Array.of(1, 2, 3)
let home = ''
let stick: Stick

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'chargemesh-stick-'))
  await mkdir(join(home, 'stick'))
})
afterEach(async () => {
  await stick.close()
  await rm(home, { recursive: true, force: true })
})

const at = (): string => join(home, 'stick')

/** A stick whose file system fails like this with every write. */
async function failing(code: string): Promise<Stick> {
  return await openStick(at(), SITE, root => ({
    ...openDisk(root),
    replace: async path => {
      const cause = Object.assign(new Error(code), { code })
      throw new MeshError(code === 'ENOSPC' ? 'STORE_FULL' : 'STORE_FAILED', `${path}: ${code}`, cause)
    },
  }))
}

describe('a stick', () => {
  it('numbers parts behind those that are there, of each kind, and keeps one word of each node', async () => {
    stick = await openStick(at(), SITE)
    expect(await stick.add('up', PART)).toBe('UP000001.CMB')
    expect(await stick.add('up', PART)).toBe('UP000002.CMB')
    expect(await stick.add('down', PART)).toBe('DN000001.CMB')
    await stick.remove('UP000001.CMB')
    expect(await stick.add('up', PART)).toBe('UP000003.CMB')
    for (const part of [PART, PART]) await stick.replaceHolds('ab12cd34ef', part)
    expect(await readdir(join(at(), 'CHGMESH', 'A1B2C3D4'))).toEqual([
      'DN000001.CMB',
      'NAB12CD3.CMB',
      'UP000002.CMB',
      'UP000003.CMB',
    ])
    expect(await stick.names('holds')).toEqual(['NAB12CD3.CMB'])
    expect(await stick.read('DN000001.CMB')).toEqual(PART)
  })

  it('that is full, or read-only, says so, and that what is on it is whole', async () => {
    stick = await failing('ENOSPC')
    await expect(stick.add('up', PART)).rejects.toMatchObject({
      code: 'STORE_FULL',
      message: expect.stringMatching(/is full.*whole.*CHGMESH onto a larger one.*same command/),
    })
    for (const code of ['EROFS', 'EACCES']) {
      stick = await failing(code)
      await expect(stick.add('up', PART)).rejects.toThrow(/cannot be written: it is read-only/)
    }
    stick = await failing('EIO')
    await expect(stick.add('up', PART)).rejects.toThrow(/fails: EIO.*same command/)
  })

  it('that was pulled out is never written for in its place', async () => {
    stick = await openStick(at(), SITE)
    await stick.add('up', PART)
    // Gone as a mount goes: another folder of that name is there, or none.
    await rename(at(), join(home, 'pulled'))
    await expect(stick.add('up', PART)).rejects.toThrow(/not at .* any more/)
    await mkdir(at())
    await expect(stick.add('up', PART)).rejects.toThrow(/not at .* any more/)
    expect(await readdir(at())).toEqual([])
    await rm(at(), { recursive: true })
    await rename(join(home, 'pulled'), at())
    expect(await stick.add('up', PART)).toBe('UP000002.CMB')
  })

  it('on which lies a file longer than a part can be is not read into memory', async () => {
    stick = await openStick(at(), SITE)
    const name = await stick.add('up', PART)
    await truncate(join(at(), 'CHGMESH', 'A1B2C3D4', name), 20 * 2 ** 30)
    expect(await stick.read(name)).toHaveLength(0)
  })

  it('is a folder that is there', async () => {
    stick = await openStick(at(), SITE)
    await expect(openStick(join(home, 'none'), SITE)).rejects.toThrow(/is the stick mounted/)
  })
})
