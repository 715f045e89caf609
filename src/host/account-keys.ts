// The keys of accounts: what is personal in an account's sessions is sealed to the public half, which rides in its cards' grants,
// and the secret halves lie here, in the operator's folder, one file for all. To forget an account is to destroy its secret half:
// the sealed bytes stay in everybody's logs, so every chain and seal stays whole, and nobody can read them again. The file has
// the journal's frames, sealed with the folder's store key where there is one.
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { bytes, fromBytes, id, record, toBytes } from '../cbor.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { sealPublicKey } from '../identity/seal.ts'
import { encodeFrame } from '../store/frame.ts'
import { type Sealer, sealerOf } from '../store/sealing.ts'
import { rewriteSegment, SEGMENT_HEADER, scanSegment, withoutRecords } from '../store/segment.ts'
import { concatBytes, hex } from '../units.ts'
import { type IdentityFile, storeKeysIn } from './identity-files.ts'
import { systemRandom } from './system.ts'

export const ACCOUNT_KEYS_FILE = 'accounts.keys'
/** Left where a rewrite was interrupted: it holds keys that may since have been destroyed. */
const FRESH = `${ACCOUNT_KEYS_FILE}.new`
/** Two and a half times the most cards that a site was measured with; one key of the store seals no more frames than that. */
export const MAX_ACCOUNTS = 250_000
const KEY_RECORD = 1
const KEY = record({ accountRef: id<string>(16), secret: bytes(32, 32), sealKey: bytes(32, 32) })
const OVERWRITE_BYTES = 65_536

export type AccountKeys = {
  /** Secret halves by the public ones, in hex. */
  readonly secretOf: (sealKey: string) => Uint8Array | undefined
  /** The public half of an account; drawn where it has none. In no file before `save`. */
  readonly keyOf: (accountRef: string) => Uint8Array
  readonly count: () => number
  /** What was drawn is durable when it resolves; a grant must not name it sooner. */
  readonly save: () => Promise<void>
  /** Destroys the secret halves of these public ones; gives those that were there. */
  readonly destroy: (sealKeys: ReadonlySet<string>) => Promise<readonly string[]>
}

type Place = { readonly dir: string; readonly identity: Pick<IdentityFile, 'storeKeys'> }
type Pair = { readonly secret: Uint8Array; readonly sealKey: Uint8Array }

/** Refuses with KEY_REFUSED what is sealed with another key, with STORE_CORRUPT what cannot be read. The folder must be held. */
export async function openAccountKeys({ dir, identity }: Place): Promise<AccountKeys> {
  const path = join(dir, ACCOUNT_KEYS_FILE)
  await rm(join(dir, FRESH), { force: true })
  const sealer = sealerIn(identity)
  const file = (await readIf(path)) ?? new Uint8Array()
  const scan = scanSegment(file, sealer)
  refuseHoles(path, scan.holes)
  const held = new Map<string, Pair>()
  const secrets = new Map<string, Uint8Array>()
  const keep = (accountRef: string, pair: Pair): void => {
    held.set(accountRef, pair)
    secrets.set(hex(pair.sealKey), pair.secret)
  }
  for (const { payload } of scan.records) {
    const { accountRef, ...pair } = fromBytes(KEY, payload)
    keep(accountRef, pair)
  }
  // A power cut in the middle of an append leaves half a frame: nobody was told of that key.
  let whole = file.subarray(0, scan.goodEnd)
  let fresh: Uint8Array[] = []
  return {
    count: () => held.size,
    secretOf: sealKey => secrets.get(sealKey),
    keyOf: accountRef => {
      const known = held.get(accountRef)
      if (known) return known.sealKey
      if (held.size >= MAX_ACCOUNTS)
        throw new MeshError('STORE_FULL', `${path} holds the keys of ${MAX_ACCOUNTS} accounts, and no more`)
      const secret = systemRandom().bytes(32)
      const sealKey = sealPublicKey(secret)
      keep(accountRef, { secret, sealKey })
      const payload = toBytes(KEY, { accountRef, secret, sealKey })
      fresh.push(encodeFrame({ kind: KEY_RECORD, payload }, sealer))
      return sealKey
    },
    save: async () => {
      if (fresh.length === 0) return
      const added = concatBytes(whole.length === 0 ? [SEGMENT_HEADER, ...fresh] : fresh)
      await appendAt(path, whole.length, added)
      whole = concatBytes([whole, added])
      fresh = []
    },
    destroy: async sealKeys => {
      const isGone = (payload: Uint8Array): boolean => sealKeys.has(hex(fromBytes(KEY, payload).sealKey))
      const left = withoutRecords(whole, ({ payload }) => isGone(payload), sealer)
      if (!left) return []
      await replaceAndOverwrite(path, left.bytes)
      whole = left.bytes
      const gone = [...secrets.keys()].filter(sealKey => sealKeys.has(sealKey))
      for (const sealKey of gone) secrets.delete(sealKey)
      for (const [accountRef, { sealKey }] of held) if (sealKeys.has(hex(sealKey))) held.delete(accountRef)
      return gone
    },
  }
}

/** The same keys under another key of the store, or under none; false where there is nothing to do. */
export async function rewriteAccountKeys(
  dir: string,
  { from, to }: { readonly from: Place['identity']; readonly to: Place['identity'] },
): Promise<boolean> {
  const path = join(dir, ACCOUNT_KEYS_FILE)
  const file = await readIf(path)
  if (!file) return false
  refuseHoles(path, scanSegment(file, sealerIn(from)).holes)
  const { bytes: rewritten } = rewriteSegment(file, sealerIn(from), sealerIn(to))
  if (rewritten) await replaceAndOverwrite(path, rewritten)
  return rewritten !== undefined
}

function sealerIn(identity: Place['identity']): Sealer | undefined {
  return sealerOf(storeKeysIn(identity), ACCOUNT_KEYS_FILE)
}

function refuseHoles(path: string, holes: ReturnType<typeof scanSegment>['holes']): void {
  const [hole] = holes
  if (!hole) return
  if (hole.cause === 'garbage')
    throw new MeshError(
      'STORE_CORRUPT',
      `${path} is damaged at byte ${hole.offset}: lay back this file from a backup of the folder`,
    )
  throw new MeshError(
    'KEY_REFUSED',
    `${path} is sealed with a key that identity.json does not hold: lay back the two together`,
  )
}

async function readIf(path: string): Promise<Uint8Array | undefined> {
  try {
    return new Uint8Array(await readFile(path))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new MeshError('CONFIG_INVALID', `${path} cannot be read: ${reasonOf(error)}`, error)
  }
}

/** Behind what is whole; what a power cut left there is written over. */
async function appendAt(path: string, at: number, added: Uint8Array): Promise<void> {
  await writing(path, async () => {
    const file = await open(path, at === 0 ? 'w' : 'r+', 0o600)
    try {
      await file.write(added, 0, added.length, at)
      await file.truncate(at + added.length)
      await file.sync()
    } finally {
      await file.close()
    }
    if (at === 0) await syncFolder(path)
  })
}

/**
 * The new file is whole and durable before the old one goes, and then the old one's bytes are written over through the handle
 * that is still open: a disk that writes in place forgets them. Flash memory, copies and backups may keep them all the same.
 */
async function replaceAndOverwrite(path: string, fresh: Uint8Array): Promise<void> {
  await writing(path, async () => {
    const next = join(dirname(path), FRESH)
    const written = await open(next, 'w', 0o600)
    try {
      await written.writeFile(fresh)
      await written.sync()
    } finally {
      await written.close()
    }
    const old = await open(path, 'r+')
    try {
      await rename(next, path)
      await syncFolder(path)
      const { size } = await old.stat()
      for (let at = 0; at < size; at += OVERWRITE_BYTES)
        await old.write(new Uint8Array(Math.min(OVERWRITE_BYTES, size - at)), 0, undefined, at)
      await old.sync()
    } finally {
      await old.close()
    }
  })
}

async function writing(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code === 'ENOSPC' ? 'STORE_FULL' : 'STORE_FAILED'
    throw new MeshError(code, `${path} cannot be written: ${reasonOf(error)}`, error)
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
