// Decides whether a password is a charger's, at a bounded cost: few scrypt runs at once (they share the thread
// pool with the journal's flushes), a cache of passwords that were right, and locks after repeated failures: of one
// charger at one address, of one address whatever it calls itself, of one charger wherever it is tried. A charger whose
// password was right here before is not shut out by what others try. An unknown charger costs what a wrong password costs.
import { createHash, timingSafeEqual } from 'node:crypto'
import { createTurns } from '../host/turns.ts'
import type { Clock, Random } from '../ports.ts'
import { type ChargerId, hex, sameBytes } from '../units.ts'
import { type ChargerCredential, CREDENTIAL_COST, checkCredential } from './credential.ts'

export const MAX_FAILURES = 5
/** Chargers behind one router, or one box with many, may all have been given a wrong password. */
export const MAX_FAILURES_OF_ADDRESS = 100
export const MAX_FAILURES_OF_CHARGER = 50
export const LOCK_MS = 60_000
/** libuv has four threads; the journal needs some of them. */
const MAX_CHECKS_AT_ONCE = 2
/** After a restart every charger comes at once; this many take some five seconds, which firmware waits. */
export const MAX_CHECKS_WAITING = 1024
const MAX_REMEMBERED = 4096
const MAX_LOCKS = 16_384

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
    const network = networkOf(address)
    const origin = `${network}|${chargerId}`
    const around: readonly Limit[] = [
      [`address ${network}`, MAX_FAILURES_OF_ADDRESS],
      [`charger ${chargerId}`, MAX_FAILURES_OF_CHARGER],
    ]
    if (failures.locked([origin, MAX_FAILURES])) return 'locked'
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
    if (around.some(failures.locked)) return 'locked'
    const right = await isRight(digest, credential ?? nobody, password)
    if (right === undefined) return 'busy'
    if (!right || !credential) {
      failures.note(origin, 'since the last')
      for (const [who] of around) failures.note(who, 'since the first')
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

/** Who hosts IPv6 has 2^64 addresses of one network at hand. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
  if (!plain.includes(':')) return plain
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0')
  return [...left, ...zeros, ...right].slice(0, 4).join(':')
}

/** Whose failures, and how many in a minute. */
type Limit = readonly [who: string, most: number]
type Failures = {
  readonly locked: (limit: Limit) => boolean
  /** A minute from which failure on. */
  readonly note: (who: string, from: 'since the first' | 'since the last') => void
  readonly clear: (who: string) => void
}

function createFailures(clock: Clock): Failures {
  const failed = new Map<string, { readonly times: number; readonly sinceMs: number }>()
  const fresh = (who: string) => {
    const entry = failed.get(who)
    return entry && clock.monotonicMs() - entry.sinceMs < LOCK_MS ? entry : undefined
  }
  return {
    locked: ([who, most]) => (fresh(who)?.times ?? 0) >= most,
    clear: who => {
      failed.delete(who)
    },
    note: (who, from) => {
      const { times, sinceMs } = fresh(who) ?? { times: 0, sinceMs: clock.monotonicMs() }
      failed.delete(who)
      failed.set(who, {
        times: times + 1,
        sinceMs: from === 'since the first' ? sinceMs : clock.monotonicMs(),
      })
      const oldest = failed.size > MAX_LOCKS ? failed.keys().next() : undefined
      if (oldest && !oldest.done) failed.delete(oldest.value)
    },
  }
}
