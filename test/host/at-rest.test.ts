// Encrypting a folder, beside whoever opens it at the same moment and with what lies damaged in it.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { decryptFolder, encryptFolder } from '../../src/host/at-rest.ts'
import { IDENTITY_FILE, readIdentity, storeKeysIn } from '../../src/host/identity-files.ts'
import { openOperator } from '../../src/host/operator.ts'
import { runNode } from '../../src/host/runner.ts'
import { salvage } from '../../src/host/salvage.ts'
import { announce, createNode, createSite } from '../../src/host/site-birth.ts'
import { chosen, type Unlock } from '../../src/host/unlock.ts'
import { encodeFrame } from '../../src/store/frame.ts'
import { sealerOf } from '../../src/store/sealing.ts'
import { SEGMENT_HEADER } from '../../src/store/segment.ts'

let base = ''
let [site, node] = ['', '']
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'chargemesh-at-rest-'))
  ;[site, node] = [join(base, 'site'), join(base, 'node')]
})
afterEach(() => rm(base, { recursive: true }))

const SECRET = new TextEncoder().encode('a long secret of tests')
const secret = (): Unlock => chosen('the test secret', async () => SECRET)

/** A site whose issuer has a journal, and a node of it. */
async function found(unlock?: Unlock): Promise<void> {
  const sealed = unlock && { unlock }
  await createSite(site, { name: 'site', currency: 'EUR', nowAt: Date.now(), ...sealed })
  const operator = await openOperator(site, unlock)
  try {
    await announce(operator, await readIdentity(join(site, 'cloud'), unlock))
    await createNode(operator, node, { name: 'n', nowAt: Date.now(), settings: SETTINGS, ...sealed })
  } finally {
    await operator.close()
  }
}
const LOCAL = '127.0.0.1:0'
const SETTINGS = JSON.stringify({
  ...{
    name: 'n',
    mesh: { listen: LOCAL },
    ocpp: { listen: LOCAL, allowInsecure: true },
    api: { listen: LOCAL },
  },
})

it.each([
  ['an operator', () => site, async (unlock: Unlock) => (await openOperator(site, unlock)).close()],
  [
    'a revoker who has written nothing yet',
    () => join(site, 'revoker'),
    async (unlock: Unlock) => (await openOperator(join(site, 'revoker'), unlock)).close(),
  ],
  ['a node', () => node, async (unlock: Unlock) => (await runNode(node, unlock)).close()],
  ['a rescue', () => node, async (unlock: Unlock) => void (await salvage(node, unlock))],
])('is refused while %s asks for the secret', async (_, dir, open) => {
  await found(secret())
  let refused: unknown
  const typing = chosen('what is typed', async () => {
    refused = await decryptFolder(dir(), secret()).catch((error: unknown) => error)
    return SECRET
  })
  await open(typing)
  expect(refused).toMatchObject({ code: 'STORE_LOCKED' })
})

it('gives the key of a store also to who has written nothing yet', async () => {
  await found()
  await encryptFolder(site, secret())
  for (const inner of ['issuer', 'revoker'])
    expect((await readIdentity(join(site, inner), secret())).storeKeys, inner).toHaveLength(1)
})

it('stays encrypted while a sealed record stands that does not open, and says in which file', async () => {
  await found(secret())
  const identity = await readFile(join(node, IDENTITY_FILE), 'utf8')
  const keys = storeKeysIn(await readIdentity(node, secret()))
  const moved = encodeFrame({ kind: 2, payload: new Uint8Array(10) }, sealerOf(keys, 'journal/00000009.cmj'))
  await writeFile(join(node, 'journal/00000002.cmj'), Buffer.concat([SEGMENT_HEADER, moved]))
  const first = await readFile(join(node, 'journal/00000001.cmj'))
  const refused = decryptFolder(node, secret())
  await expect(refused).rejects.toMatchObject({ code: 'KEY_REFUSED' })
  await expect(refused).rejects.toThrow(join(node, 'journal/00000002.cmj'))
  expect(await readFile(join(node, IDENTITY_FILE), 'utf8')).toBe(identity)
  expect(await readFile(join(node, 'journal/00000001.cmj'))).toEqual(first)
})
