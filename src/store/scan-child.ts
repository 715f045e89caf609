// The child of scan.ts: reads every value of the document store in `argv[2]` and tells by its exit code what it found.
// The store's keys come on standard input: a process list shows arguments.
// Loads neither yjs nor y-leveldb: it checks the wrapping of each value and that no update of a document is missing in
// the middle, which is how LevelDB loses records (PROTOCOL 1.1, F7). A native abort ends it by a signal.
import { ClassicLevel } from 'classic-level'
import { MeshError, reasonOf } from '../errors.ts'
import { levelError } from './level-error.ts'
import { keysFrom, SCAN_EXIT } from './scan.ts'
import type { StoreKeys } from './sealing.ts'
import { wrappedEncoding } from './value.ts'

/** y-leveldb's key of an update: text 'v1', text name, text 'update', number; text is 0 || length || UTF-8, number 1 || u32. */
const UPDATE_MARK = Buffer.concat([Buffer.from([0, 6]), Buffer.from('update'), Buffer.from([1])])
const VERSION_MARK = Buffer.from([0, 2, 0x76, 0x31, 0])
const NUMBER_BYTES = 4

async function readAll(dir: string, keys: StoreKeys): Promise<void> {
  const db = new ClassicLevel<Buffer, Buffer>(dir, {
    createIfMissing: false,
    keyEncoding: 'buffer',
    valueEncoding: wrappedEncoding(keys),
  })
  try {
    await db.open()
    let before: UpdateKey | undefined
    for await (const [key] of db.iterator({ fillCache: false })) before = follow(before, key)
  } catch (error) {
    // What our encoding threw comes as the cause of the library's own error.
    const cause = error instanceof Error && error.cause instanceof MeshError ? error.cause : error
    throw cause instanceof MeshError ? cause : levelError(error, dir)
  } finally {
    await db.close()
  }
}

type UpdateKey = { readonly document: Buffer; readonly number: number }

/** Numbers of one document's updates rise by one; they may start anywhere, since a flush clears the old ones. */
function follow(before: UpdateKey | undefined, key: Buffer): UpdateKey | undefined {
  const split = key.length - NUMBER_BYTES
  const mark = split - UPDATE_MARK.length
  const isUpdate =
    mark > VERSION_MARK.length &&
    key.subarray(0, VERSION_MARK.length).equals(VERSION_MARK) &&
    key.subarray(mark, split).equals(UPDATE_MARK)
  if (!isUpdate) return undefined
  const update = { document: key.subarray(0, split), number: key.readUInt32BE(split) }
  if (before?.document.equals(update.document) && update.number !== before.number + 1)
    throw new MeshError('STORE_CORRUPT', `update ${before.number + 1} of a document is missing`)
  return update
}

function exitCodeOf(error: unknown): number {
  const code = error instanceof MeshError ? error.code : undefined
  if (code === 'STORE_LOCKED') return SCAN_EXIT.locked
  if (code === 'KEY_REFUSED') return SCAN_EXIT.keyless
  return code === 'STORE_FULL' ? SCAN_EXIT.full : SCAN_EXIT.unreadable
}

try {
  await readAll(process.argv[2] ?? '', await keysFrom(process.stdin))
  process.exitCode = SCAN_EXIT.intact
} catch (error) {
  process.stderr.write(`${reasonOf(error)}\n`)
  process.exitCode = exitCodeOf(error)
}
