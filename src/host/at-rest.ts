// Encrypts and decrypts what lies in a folder that nobody has open: a node's, the operator's, the cloud's. Every file is
// replaced at once, and the keys of the store are on the disk before the first file needs them and until the last one did:
// whenever this is interrupted, the folder can be used, and the same command goes on where it stopped.
import { access, readdir, rm } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { MeshError } from '../errors.ts'
import { lockDirectory } from '../store/lock.ts'
import { firstUnopened, rewriteJournal } from '../store/rekey.ts'
import { QUARANTINE_FOLDER } from '../store/scan.ts'
import { ACCOUNT_KEYS_FILE, openAccountKeys, rewriteAccountKeys } from './account-keys.ts'
import { openDisk } from './disk.ts'
import { DOCUMENTS_FOLDER } from './document-check.ts'
import {
  drawStoreKeys,
  IDENTITY_FILE,
  type IdentityFile,
  ROOT_FILE,
  readIdentity,
  readRoot,
  storeKeysIn,
  writePlainIdentity,
  writeRoot,
  writeSealedIdentity,
} from './identity-files.ts'
import { NOTHING_CHOSEN, type Unlock } from './unlock.ts'

export type AtRest = {
  /** Files with keys that were written anew. */
  readonly files: readonly string[]
  /** Files of journals that were written anew. */
  readonly journalFiles: number
  /** Damaged bytes in journals, which were left as they are. */
  readonly keptBytes: number
}

/** The folders below a site's that hold an identity of their own; `next` is a new issuer's that is not in office yet. */
const NEXT_FOLDER = 'next'
const INNER_FOLDERS = ['', 'issuer', `issuer/${NEXT_FOLDER}`, NEXT_FOLDER, 'revoker', 'cloud']
const JOURNAL = 'journal'
/** Left by a process that died while it wrote: perhaps a key in the clear. */
const LEFT_OVER = /^(identity\.json|root\.key)\.[0-9a-f]{12}\.new$|\.cmj\.tmp$/

type Member = { readonly dir: string; readonly identity: IdentityFile; readonly isSealed: boolean }
type Held = {
  readonly members: readonly Member[]
  readonly root: Awaited<ReturnType<typeof readRoot>> | undefined
}

/** Keys and stores; what is encrypted already must open with the same secret, and stays. */
export async function encryptFolder(dir: string, unlock: Unlock): Promise<AtRest> {
  return await holding(dir, async () => {
    // Whatever cannot be opened is found before anything is changed, and so is a secret that cannot be had.
    const { members, root } = await readAll(dir, unlock)
    await unlock.secret()
    const report = reportOf()
    for (const { dir: own, identity, isSealed } of members) {
      // Also who has no store yet: what is written later must not be plain. A folder that is not in office has none.
      const isDue = !isNext(own) && !identity.storeKeys?.length
      const drawn = isDue ? drawStoreKeys(unlock) : {}
      const keyed = { ...identity, ...drawn }
      if (!isSealed || keyed.storeKeys !== identity.storeKeys) {
        await writeSealedIdentity(own, keyed, unlock)
        report.files.push(join(own, IDENTITY_FILE))
      }
      await rewriteStore(own, report, { from: keyed, to: keyed })
    }
    if (root && !root.isSealed) {
      await writeRoot(dir, root.seed, unlock)
      report.files.push(join(dir, ROOT_FILE))
    }
    return report
  })
}

/** Everything in the clear again; KEY_REFUSED and no change while something sealed stands that the keys do not open. */
export async function decryptFolder(dir: string, unlock: Unlock): Promise<AtRest> {
  return await holding(dir, async () => {
    const { members, root } = await readAll(dir, unlock)
    for (const { dir: own, identity, isSealed } of members) if (isSealed) await requireReadable(own, identity)
    const report = reportOf()
    for (const { dir: own, identity, isSealed } of members) {
      if (!isSealed) continue
      await rewriteStore(own, report, { from: identity, to: {} })
      // Only now: until the last file is plain the keys are needed.
      const { storeKeys: _, ...plain } = identity
      await writePlainIdentity(own, plain)
      report.files.push(join(own, IDENTITY_FILE))
    }
    if (root?.isSealed) {
      await writeRoot(dir, root.seed, NOTHING_CHOSEN)
      report.files.push(join(dir, ROOT_FILE))
    }
    return report
  })
}

/** Another secret for the same keys. The key of the store stays: who has an old identity.json and its secret reads on. */
export async function changeSecret(dir: string, { from, to }: { from: Unlock; to: Unlock }): Promise<AtRest> {
  return await holding(dir, async () => {
    const { members, root } = await readAll(dir, from, to)
    await to.secret()
    const report = reportOf()
    for (const { dir: own, identity, isSealed } of members) {
      if (!isSealed) continue
      await writeSealedIdentity(own, identity, to)
      report.files.push(join(own, IDENTITY_FILE))
    }
    if (root?.isSealed) {
      await writeRoot(dir, root.seed, to)
      report.files.push(join(dir, ROOT_FILE))
    }
    if (report.files.length === 0)
      throw new MeshError(
        'CONFIG_INVALID',
        `nothing in ${dir} is encrypted: \`chargemesh keys encrypt\` does it`,
      )
    return report
  })
}

function reportOf() {
  return { files: [] as string[], journalFiles: 0, keptBytes: 0 }
}

/** `instead`: a change of secrets that was interrupted left some files under the new one. */
async function readAll(dir: string, unlock: Unlock, instead?: Unlock): Promise<Held> {
  const members: Member[] = []
  for (const own of await foldersIn(dir)) {
    const { isSealed, ...identity } = await either(one => readIdentity(own, one), unlock, instead)
    members.push({ dir: own, identity, isSealed })
  }
  const hasRoot = await exists(join(dir, ROOT_FILE))
  const root = hasRoot ? await either(one => readRoot(join(dir, ROOT_FILE), one), unlock, instead) : undefined
  if (members.length === 0 && !root)
    throw new MeshError(
      'CONFIG_INVALID',
      `${dir} holds neither ${IDENTITY_FILE} nor ${ROOT_FILE}: which folder is meant?`,
    )
  return { members, root }
}

async function either<T>(read: (unlock: Unlock) => Promise<T>, first: Unlock, second?: Unlock): Promise<T> {
  try {
    return await read(first)
  } catch (error) {
    if (!second || !(error instanceof MeshError) || error.code !== 'KEY_REFUSED') throw error
    return await read(second).catch(() => {
      throw error
    })
  }
}

type Stored = Pick<IdentityFile, 'storeKeys'>

/** Without its key such a record would look like one of a foreign store, with which no node starts. */
async function requireReadable(dir: string, identity: Stored): Promise<void> {
  await openAccountKeys({ dir, identity })
  if (!(await exists(join(dir, JOURNAL)))) return
  const disk = openDisk(dir)
  try {
    const file = await firstUnopened(disk, storeKeysIn(identity))
    if (file === undefined) return
    throw new MeshError(
      'KEY_REFUSED',
      `${join(dir, file)} holds a sealed record that the key of this store does not open, so nothing was decrypted: lay back this file from a backup, or go on with the folder encrypted`,
    )
  } finally {
    await disk.close()
  }
}

async function rewriteStore(
  dir: string,
  report: ReturnType<typeof reportOf>,
  { from, to }: { readonly from: Stored; readonly to: Stored },
): Promise<void> {
  if (await rewriteAccountKeys(dir, { from, to })) report.files.push(join(dir, ACCOUNT_KEYS_FILE))
  if (!(await exists(join(dir, JOURNAL)))) return
  const disk = openDisk(dir)
  try {
    const { files, keptBytes } = await rewriteJournal(disk, { from: storeKeysIn(from), to: storeKeysIn(to) })
    report.journalFiles += files
    report.keptBytes += keptBytes
  } finally {
    await disk.close()
  }
  // The next start makes them anew from the journal.
  for (const folder of [DOCUMENTS_FOLDER, QUARANTINE_FOLDER])
    await rm(join(dir, folder), { recursive: true, force: true })
}

/** While nobody else has a store of the folder open, and without what a killed process left half written. */
async function holding<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const locks: Awaited<ReturnType<typeof lockDirectory>>[] = []
  try {
    // Also who has no store yet may be about to begin one.
    for (const own of await foldersIn(dir)) if (!isNext(own)) locks.push(await lockDirectory(own))
    for (const own of new Set([dir, ...(await foldersIn(dir))])) await tidy(own)
    return await work()
  } finally {
    for (const lock of locks) await lock.release()
  }
}

function isNext(dir: string): boolean {
  return basename(resolve(dir)) === NEXT_FOLDER
}

async function tidy(dir: string): Promise<void> {
  for (const folder of [dir, join(dir, JOURNAL)]) {
    if (!(await exists(folder))) continue
    for (const name of await readdir(folder)) if (LEFT_OVER.test(name)) await rm(join(folder, name))
  }
}

async function foldersIn(dir: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const inner of INNER_FOLDERS)
    if (await exists(join(dir, inner, IDENTITY_FILE))) found.push(join(dir, inner))
  return found
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw new MeshError('CONFIG_INVALID', `${path} cannot be looked at`, error)
  }
}
