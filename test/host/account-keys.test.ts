// The keys of accounts in the operator's folder: found again, sealed with the folder, destroyed for good.
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ACCOUNT_KEYS_FILE, openAccountKeys, rewriteAccountKeys } from '../../src/host/account-keys.ts'
import { openSealed, sealTo } from '../../src/identity/seal.ts'
import { hex } from '../../src/units.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'chargemesh-accounts-'))
})
afterEach(() => rm(dir, { recursive: true }))

const PLAIN = {}
const SEALED = { storeKeys: [{ id: 1, key: '5a'.repeat(32) }] }
const OTHER = { storeKeys: [{ id: 1, key: 'a5'.repeat(32) }] }
const [ANNA, BEN, CARL] = ['aa'.repeat(16), 'bb'.repeat(16), 'cc'.repeat(16)] as const
const file = () => join(dir, ACCOUNT_KEYS_FILE)
const at = async (identity = PLAIN) => await openAccountKeys({ dir, identity })

async function drawn(identity = PLAIN): Promise<readonly string[]> {
  const keys = await at(identity)
  const made = [ANNA, BEN, CARL].map(ref => hex(keys.keyOf(ref)))
  await keys.save()
  return made
}

it.each([
  ['plain', PLAIN],
  ['sealed', SEALED],
])('keys are found again, and open what was sealed to them (%s)', async (_, identity) => {
  const made = await drawn(identity)
  const keys = await at(identity)
  expect([ANNA, BEN, CARL].map(ref => hex(keys.keyOf(ref)))).toEqual(made)
  const box = sealTo(keys.keyOf(BEN), new Uint8Array(32).fill(7), new Uint8Array([1, 2, 3]))
  expect(openSealed(keys.secretOf(made[1] ?? '') as Uint8Array, box)).toEqual(new Uint8Array([1, 2, 3]))
  expect((await stat(file())).mode & 0o077).toBe(0)
  const secret = keys.secretOf(made[0] ?? '') as Uint8Array
  expect((await readFile(file())).includes(Buffer.from(secret))).toBe(identity === PLAIN)
})

it('a key that was not saved is in no file', async () => {
  await drawn()
  const size = (await stat(file())).size
  const keys = await at()
  keys.keyOf('dd'.repeat(16))
  expect((await stat(file())).size).toBe(size)
  expect((await at()).count()).toBe(3)
})

it('a destroyed key is in no byte of the folder, and the others stay', async () => {
  const made = await drawn()
  const keys = await at()
  const [anna, ben] = made.map(one => Buffer.from(keys.secretOf(one) as Uint8Array))
  await keys.destroy(new Set([made[1] ?? '']))
  expect(await readdir(dir)).toEqual([ACCOUNT_KEYS_FILE])
  const bytes = await readFile(file())
  expect([bytes.includes(anna ?? ''), bytes.includes(ben ?? '')]).toEqual([true, false])
  const again = await at()
  expect(made.map(one => again.secretOf(one) !== undefined)).toEqual([true, false, true])
  expect(await again.destroy(new Set([made[1] ?? '']))).toEqual([])
  expect(hex(again.keyOf(BEN)), 'another one').not.toBe(made[1])
})

it('the old file is written over where it lay', async () => {
  const made = await drawn()
  const { link } = await import('node:fs/promises')
  const aside = join(dir, 'aside')
  await link(file(), aside)
  await (await at()).destroy(new Set([made[1] ?? '']))
  expect((await readFile(aside)).every(byte => byte === 0)).toBe(true)
})

it('half a key at the end, as a power cut leaves it, is nobody’s, and the next one goes in its place', async () => {
  const made = await drawn()
  await truncate(file(), (await stat(file())).size - 5)
  const keys = await at()
  expect(made.map(one => keys.secretOf(one) !== undefined)).toEqual([true, true, false])
  const fresh = hex(keys.keyOf(CARL))
  await keys.save()
  expect((await at()).secretOf(fresh)).toBeDefined()
})

it('a rewrite that was cut short leaves no copy behind', async () => {
  await drawn()
  await writeFile(`${file()}.new`, await readFile(file()))
  await at()
  expect(await readdir(dir)).toEqual([ACCOUNT_KEYS_FILE])
})

it('what is damaged, or sealed with another key, is refused and not written over', async () => {
  await drawn(SEALED)
  const bytes = await readFile(file())
  await expect(at(OTHER)).rejects.toMatchObject({ code: 'KEY_REFUSED' })
  await expect(at(PLAIN)).rejects.toMatchObject({ code: 'KEY_REFUSED' })
  bytes[20] = (bytes[20] ?? 0) ^ 1
  await writeFile(file(), bytes)
  await expect(at(SEALED)).rejects.toMatchObject({ code: 'STORE_CORRUPT' })
  expect(await readFile(file())).toEqual(bytes)
})

it('goes with its folder from plain to sealed and back', async () => {
  const made = await drawn()
  expect(await rewriteAccountKeys(dir, { from: SEALED, to: SEALED })).toBe(true)
  await expect(at(PLAIN)).rejects.toMatchObject({ code: 'KEY_REFUSED' })
  expect((await at(SEALED)).secretOf(made[0] ?? '')).toBeDefined()
  expect(await rewriteAccountKeys(dir, { from: SEALED, to: PLAIN })).toBe(true)
  expect((await at(PLAIN)).secretOf(made[0] ?? '')).toBeDefined()
  expect(await rewriteAccountKeys(dir, { from: PLAIN, to: PLAIN })).toBe(false)
})
