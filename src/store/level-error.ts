// What LevelDB's errors mean to us. It names the trouble in the cause of "could not be opened".
import { type ErrorCode, MeshError, reasonOf } from '../errors.ts'

/** MeshError STORE_LOCKED, STORE_FULL, STORE_CORRUPT or STORE_FAILED for an error of classic-level. */
export function levelError(error: unknown, what: string): MeshError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return new MeshError(meaningOf(cause), `${what}: ${reasonOf(cause)}`, error)
}

function meaningOf(cause: unknown): ErrorCode {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'LEVEL_LOCKED') return 'STORE_LOCKED'
  if (code === 'LEVEL_CORRUPTION') return 'STORE_CORRUPT'
  // LevelDB reports a full disk as an I/O error with strerror's text.
  return /no space left|quota exceeded/i.test(reasonOf(cause)) ? 'STORE_FULL' : 'STORE_FAILED'
}
