// The root key in the hands of several people.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { requireRoot, sharingIn, writeShares } from '../../src/host/root-shares.ts'
import { publicKeyOf } from '../../src/identity/signature.ts'
import { hex } from '../../src/units.ts'

const seed = new Uint8Array(32).map((_, i) => i)
const site = { siteId: 'ab'.repeat(16), rootKey: hex(publicKeyOf(seed)) }
let dir = ''

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'chargemesh-shares-'))
  await writeShares(dir, seed, { siteId: site.siteId, needed: 2, of: 3 })
})
afterEach(async () => await rm(dir, { recursive: true, force: true }))

const files = (...shares: readonly number[]) => shares.map(share => join(dir, `root-${share}.share`))

describe('shares of a root key', () => {
  it.each([[[1, 2]], [[3, 1]], [[2, 3]], [[1, 2, 3]]])('are the key: %j', async shares => {
    expect(await requireRoot(files(...shares), site)).toEqual(seed)
  })

  it('are nothing where one is missing, doubled, of another site or changed', async () => {
    for (const too of [[1], [2, 2]])
      await expect(requireRoot(files(...too), site)).rejects.toThrow(
        /1 different shares of the root key, 2 are needed/,
      )
    const other = { ...site, siteId: 'cd'.repeat(16) }
    await expect(requireRoot(files(1, 2), other)).rejects.toThrow(/another site/)
    const [first = ''] = files(1)
    const text = await readFile(first, 'utf8')
    const { secret } = JSON.parse(text) as { secret: string }
    await writeFile(first, text.replace(secret, `${secret[0] === '0' ? '1' : '0'}${secret.slice(1)}`))
    await expect(requireRoot(files(1, 2), site)).rejects.toThrow(/not the root key of this site/)
    expect(await requireRoot(files(2, 3), site)).toEqual(seed)
  })

  it('tell nothing alone: no share holds the key', async () => {
    for (const file of files(1, 2, 3))
      expect(await readFile(file, 'utf8')).not.toContain(hex(seed).slice(0, 16))
  })

  it('are asked for in plain words', () => {
    expect(sharingIn('2of3')).toEqual({ needed: 2, of: 3 })
    for (const wrong of ['1of3', '4of3', '2of17', '2/3', '', '02ofx'])
      expect(sharingIn(wrong)).toBeUndefined()
  })
})
