import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  drawStoreKeys,
  type IdentityFile,
  ROOT_FILE,
  readIdentity,
  readRoot,
  writeIdentity,
  writeRoot,
} from '../../src/host/identity-files.ts'
import { openSealedBox, SEALED_BOX, type SealedBox, sealBox } from '../../src/host/sealed-box.ts'
import { chosen, type Unlock } from '../../src/host/unlock.ts'
import { hex } from '../../src/units.ts'

// At its usual cost.
vi.unmock('../../src/host/sealed-box.ts')

const PLAIN = new TextEncoder().encode('a secret of some length')
/** The least that is allowed: tests derive many keys. */
const N = 16_384

function words(text: string): Unlock {
  return chosen(`'${text}'`, async () => new TextEncoder().encode(text))
}
const UNLOCK = words('correct horse')
const sealing = { unlock: UNLOCK, purpose: 'test', n: N }

describe('a sealed box', () => {
  it('opens with its secret, for its purpose, and with nothing else', async () => {
    const box = await sealBox(sealing, PLAIN)
    expect(await openSealedBox(sealing, box, 'file')).toEqual(PLAIN)
    for (const wrong of [
      { ...sealing, unlock: words('correct hors') },
      { ...sealing, purpose: 'root' },
    ])
      await expect(openSealedBox(wrong, box, 'file')).rejects.toMatchObject({
        code: 'KEY_REFUSED',
        message: expect.stringContaining('file does not open with'),
      })
  })

  it('opens as version 1 has written it', async () => {
    const golden = SEALED_BOX.parse({
      ...{ version: 1, kdf: 'scrypt', n: N, r: 8, p: 1, cipher: 'aes-256-gcm' },
      ...{ salt: '00112233445566778899aabbccddeeff', nonce: '000102030405060708090a0b' },
      box: 'cfa48b7e365c664196de440e655af328d2ad286126b04c579de6377345d11986da4a805f9a325c',
    })
    expect(await openSealedBox(sealing, golden, 'file')).toEqual(PLAIN)
  })

  it('is never the same twice', async () => {
    const [one, other] = [await sealBox(sealing, PLAIN), await sealBox(sealing, PLAIN)]
    for (const field of ['salt', 'nonce', 'box'] as const) expect(one[field]).not.toBe(other[field])
  })

  it('is refused with any part of it changed, cut short, or with another cost than it was made with', async () => {
    const box = await sealBox(sealing, PLAIN)
    const changed: SealedBox[] = [{ ...box, n: 2 * N }]
    for (const field of ['salt', 'nonce', 'box'] as const)
      for (let at = 0; at < box[field].length; at += 6) {
        const bytes = Buffer.from(box[field], 'hex')
        bytes[at / 2] = (bytes[at / 2] ?? 0) ^ 0x40
        changed.push({ ...box, [field]: hex(bytes) })
      }
    for (const length of [32, 34, box.box.length - 2]) changed.push({ ...box, box: box.box.slice(0, length) })
    for (const one of changed)
      await expect(openSealedBox(sealing, one, 'file'), JSON.stringify(one)).rejects.toMatchObject({
        code: 'KEY_REFUSED',
      })
  })

  it.each([
    ['a cost of nothing', { n: 1024 }],
    ['a cost that takes all memory', { n: 2 ** 30 }],
    ['a cost that is no power of two', { n: 100_000 }],
    ['wide blocks', { r: 1024 }],
    ['many rounds', { p: 1_000_000 }],
    ['no stretching', { kdf: 'none' }],
    ['no cipher', { cipher: 'null' }],
    ['another version', { version: 0 }],
    ['a short salt', { salt: '00' }],
    ['a box without a tag', { box: '00' }],
    ['an endless box', { box: '00'.repeat(100_000) }],
  ])('with %s is refused before anything is tried', async (_, change) => {
    const box = await sealBox(sealing, PLAIN)
    expect(SEALED_BOX.safeParse(box).success).toBe(true)
    expect(SEALED_BOX.safeParse({ ...box, ...change }).success).toBe(false)
  })
})

const IDENTITY: IdentityFile = {
  version: 1,
  name: 'pole-07',
  site: {
    ...{ version: 1, siteId: '11'.repeat(16), name: 'North Stand', currency: 'EUR' },
    ...{ rootKey: '22'.repeat(32), tokenSalt: '33'.repeat(16), tokenCost: 4096 },
  },
  certificates: ['44'],
  keys: { peerKey: '55'.repeat(32), logKey: '66'.repeat(32), sealKey: '77'.repeat(32) },
  siteKey: '88'.repeat(32),
  ...drawStoreKeys(UNLOCK),
}

describe('an identity file', () => {
  let dir = ''
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'chargemesh-identity-'))
  })
  afterEach(() => rm(dir, { recursive: true }))
  const text = () => readFile(join(dir, 'identity.json'), 'utf8')
  const edit = async (change: (file: Record<string, unknown>) => void) => {
    const file = JSON.parse(await text()) as Record<string, unknown>
    change(file)
    await writeFile(join(dir, 'identity.json'), JSON.stringify(file))
  }

  it('is plain unless a secret was chosen, and says which of the two', async () => {
    await writeIdentity(dir, IDENTITY)
    expect(await text()).toContain(IDENTITY.keys.logKey)
    expect(await readIdentity(dir)).toEqual({ ...IDENTITY, isSealed: false })
    expect(drawStoreKeys()).toEqual({})
  })

  it('shows in a box only what everybody may know', async () => {
    await writeIdentity(dir, IDENTITY, UNLOCK)
    const { keys, siteKey, storeKeys, ...open } = IDENTITY
    const secrets = [...Object.values(keys), siteKey, storeKeys?.[0]?.key]
    for (const secret of secrets) expect(await text()).not.toContain(secret)
    expect(JSON.parse(await text())).toMatchObject(open)
    expect(await readIdentity(dir, UNLOCK)).toEqual({ ...IDENTITY, isSealed: true })
  })

  it('stays in its box when it is written again, and is not written at all without the secret', async () => {
    await writeIdentity(dir, IDENTITY, UNLOCK)
    const before = await text()
    await expect(writeIdentity(dir, { ...IDENTITY, name: 'x' })).rejects.toMatchObject({
      code: 'KEY_REFUSED',
    })
    expect(await text()).toBe(before)
    await writeIdentity(dir, { ...IDENTITY, siteKey: '99'.repeat(32) }, UNLOCK)
    expect(await readIdentity(dir, UNLOCK)).toMatchObject({ siteKey: '99'.repeat(32), isSealed: true })
  })

  it('stays plain when it is written again by somebody who has a secret for something else', async () => {
    await writeIdentity(dir, IDENTITY)
    await writeIdentity(dir, IDENTITY, UNLOCK)
    expect((await readIdentity(dir)).isSealed).toBe(false)
  })

  it('does not open beside another site than the one it was sealed for', async () => {
    await writeIdentity(dir, IDENTITY, UNLOCK)
    await edit(file => {
      file.site = { ...(file.site as object), rootKey: 'aa'.repeat(32) }
    })
    await expect(readIdentity(dir, UNLOCK)).rejects.toMatchObject({ code: 'KEY_REFUSED' })
  })

  it('with an absurd cost is named with its field, and costs nothing', async () => {
    await writeIdentity(dir, IDENTITY, UNLOCK)
    await edit(file => {
      file.sealed = { ...(file.sealed as object), n: 2 ** 40 }
    })
    await expect(readIdentity(dir, UNLOCK)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('sealed.n'),
    })
  })

  it('is refused in one sentence without the secret', async () => {
    await writeIdentity(dir, IDENTITY, UNLOCK)
    await expect(readIdentity(dir)).rejects.toThrow(/identity\.json: it is encrypted: give --passphrase-file/)
  })
})

describe('a root key', () => {
  let dir = ''
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'chargemesh-root-'))
  })
  afterEach(() => rm(dir, { recursive: true }))
  const seed = new Uint8Array(32).fill(7)

  it('is read back, plain or sealed, and sealed only with its secret', async () => {
    await writeRoot(dir, seed)
    expect(await readFile(join(dir, 'root.key'), 'utf8')).toBe(`${hex(seed)}\n`)
    expect(await readRoot(join(dir, ROOT_FILE))).toEqual({ seed, isSealed: false })
    await writeRoot(dir, seed, UNLOCK)
    expect(await readFile(join(dir, 'root.key'), 'utf8')).not.toContain(hex(seed))
    expect(await readRoot(join(dir, ROOT_FILE), UNLOCK)).toEqual({ seed, isSealed: true })
    await expect(readRoot(join(dir, ROOT_FILE), words('something else'))).rejects.toMatchObject({
      code: 'KEY_REFUSED',
    })
    await expect(readRoot(join(dir, ROOT_FILE))).rejects.toMatchObject({ code: 'KEY_REFUSED' })
  })

  it('that is damaged is not shown by the error', async () => {
    await writeFile(join(dir, 'root.key'), hex(seed).slice(1))
    await expect(readRoot(join(dir, ROOT_FILE))).rejects.toThrow(/is no root key/)
    await expect(readRoot(join(dir, ROOT_FILE))).rejects.not.toThrow(hex(seed).slice(4, 40))
  })
})
