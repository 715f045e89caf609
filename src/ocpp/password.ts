// Decides whether a password is a charger's, at a bounded cost: few scrypt runs at once (they share the thread
// pool with the journal's flushes), a cache of passwords that were right, and a lock after repeated failures.
// An unknown charger costs what a wrong password costs.
import { createHash, timingSafeEqual } from 'node:crypto'
import { createTurns } from '../host/turns.ts'
import type { Clock, Random } from '../ports.ts'
import { type ChargerId, hex, sameBytes } from '../units.ts'
import { type ChargerCredential, CREDENTIAL_COST, checkCredential } from './credential.ts'

export const MAX_FAILURES = 5
export const LOCK_MS = 60_000
/** libuv has four threads; the journal needs some of them. */
const MAX_CHECKS_AT_ONCE = 2
/** After a restart every charger comes at once; this many take some five seconds, which firmware waits. */
export const MAX_CHECKS_WAITING = 1024
const MAX_REMEMBERED = 4096
const MAX_LOCKS = 4096

export type PasswordVerdict = 'right' | 'wrong' | 'locked' | 'busy'
export type Attempt = {
  readonly chargerId: ChargerId
  readonly address: string
  readonly password: Uint8Array
}
export type PasswordDeps = {
  readonly credential: (chargerId: ChargerId) => ChargerCredential | undefined
  readonly clock: Clock
  readonly random: Random
}

export function createPasswordCheck(deps: PasswordDeps): (attempt: Attempt) => Promise<PasswordVerdict> {
  const processKey = deps.random.bytes(32)
  const nobody: ChargerCredential = {
    salt: deps.random.bytes(16),
    hash: deps.random.bytes(32),
    cost: CREDENTIAL_COST,
  }
  const remembered = new Map<ChargerId, { readonly digest: Uint8Array; readonly hash: Uint8Array }>()
  const failures = createFailures(deps.clock)
  const turns = createTurns(MAX_CHECKS_AT_ONCE)
  const underWay = new Map<string, Promise<boolean>>()
  /** Who gave up waiting and came again waits for the same check: a slow node must not fall behind by it. */
  const isRight = (digest: Uint8Array, credential: ChargerCredential, password: Uint8Array) => {
    const key = hex(digest) + hex(credential.hash)
    const held = underWay.get(key)
    if (held) return held
    if (turns.waiting() >= MAX_CHECKS_WAITING) return undefined
    const check = turns.take(() => checkCredential(password, credential))
    underWay.set(key, check)
    return check.finally(() => underWay.delete(key))
  }
  return async ({ chargerId, address, password }) => {
    const origin = `${address}|${chargerId}`
    if (failures.locked(origin)) return 'locked'
    const credential = deps.credential(chargerId)
    const digest = createHash('sha256')
      .update(processKey)
      .update(chargerId)
      .update('\0')
      .update(password)
      .digest()
    const known = remembered.get(chargerId)
    if (
      credential &&
      known &&
      sameBytes(known.hash, credential.hash) &&
      timingSafeEqual(known.digest, digest)
    ) {
      failures.clear(origin)
      return 'right'
    }
    const right = await isRight(digest, credential ?? nobody, password)
    if (right === undefined) return 'busy'
    if (!right || !credential) {
      failures.note(origin)
      return 'wrong'
    }
    remember(remembered, chargerId, { digest, hash: credential.hash })
    failures.clear(origin)
    return 'right'
  }
}

/** Keeps the newest entries: a Map remembers the order in which keys were added. */
function remember<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  const oldest = map.size > MAX_REMEMBERED ? map.keys().next() : undefined
  if (oldest && !oldest.done) map.delete(oldest.value)
}

type Failures = {
  readonly locked: (origin: string) => boolean
  readonly note: (origin: string) => void
  readonly clear: (origin: string) => void
}

function createFailures(clock: Clock): Failures {
  const failed = new Map<string, { readonly times: number; readonly sinceMs: number }>()
  const fresh = (origin: string) => {
    const entry = failed.get(origin)
    return entry && clock.monotonicMs() - entry.sinceMs < LOCK_MS ? entry : undefined
  }
  return {
    locked: origin => (fresh(origin)?.times ?? 0) >= MAX_FAILURES,
    clear: origin => {
      failed.delete(origin)
    },
    note: origin => {
      const times = (fresh(origin)?.times ?? 0) + 1
      failed.delete(origin)
      failed.set(origin, { times, sinceMs: clock.monotonicMs() })
      const oldest = failed.size > MAX_LOCKS ? failed.keys().next() : undefined
      if (oldest && !oldest.done) failed.delete(oldest.value)
    },
  }
}
