// Where peers may be found, and whom to dial when: static addresses from the site file, the last addresses that
// worked, and hints. Pure: the plan is a value, the time and the dice are arguments. A static address is forgotten only
// when it turns out to be our own, one that worked also when enough newer ones have worked since, and a hint after
// MAX_HINT_FAILURES dials.
import type { DeviceId } from '../units.ts'
import type { Hint } from './hints.ts'

export type Address = { readonly host: string; readonly port: number }
export type StaticPeer = Address & { readonly deviceId?: DeviceId }
/** An address at which a verified device has answered. */
export type KnownAddress = Address & { readonly deviceId: DeviceId; readonly lastGoodAt: number }

export const MAX_KNOWN_ADDRESSES = 256
/** Of one device, the newest. */
export const MAX_KNOWN_OF_ONE = 8
/** Dials under way at one time. */
export const MAX_DIALS = 8
/** Addresses that were named and never tried (PROTOCOL 7.4). */
export const MAX_HINTS = 64
export const MAX_HINT_FAILURES = 3

export type RedialLimits = { readonly redialFirstMs: number; readonly redialMaxMs: number }

export type Target = Address & {
  readonly isStatic: boolean
  /** Somebody named it, and nobody has answered there yet. */
  readonly isHint: boolean
  /** Who answered there last, or who should. */
  readonly deviceId?: DeviceId
  /** UTC; undefined when nobody has ever answered there. */
  readonly lastGoodAt?: number
  readonly failures: number
  /** Monotonic. */
  readonly dialNotBeforeMs: number
  readonly isDialling: boolean
}

/** By `host:port`. */
export type DialPlan = ReadonlyMap<string, Target>

export function addressName({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export function planDials(staticPeers: readonly StaticPeer[], known: readonly KnownAddress[]): DialPlan {
  const fresh = { isHint: false, failures: 0, dialNotBeforeMs: 0, isDialling: false }
  const plan = new Map<string, Target>()
  for (const { host, port, deviceId } of staticPeers)
    plan.set(addressName({ host, port }), {
      host,
      port,
      isStatic: true,
      ...(deviceId && { deviceId }),
      ...fresh,
    })
  for (const { host, port, deviceId, lastGoodAt } of known.slice(0, MAX_KNOWN_ADDRESSES)) {
    const name = addressName({ host, port })
    plan.set(name, {
      host,
      port,
      isStatic: plan.get(name)?.isStatic ?? false,
      deviceId,
      lastGoodAt,
      ...fresh,
    })
  }
  return plan
}

export type DialSituation = {
  readonly nowMs: number
  readonly isConnected: (deviceId: DeviceId) => boolean
  /** False for devices that are banned, unknown to the roster, or ourselves. */
  readonly mayDial: (deviceId: DeviceId) => boolean
  /** How many more connections there is room for. */
  readonly room: number
  /** The same for hints, which leave room for those who dial us; 0 while the last one is too young. */
  readonly hintRoom: number
}

/** Takes up what may be of use: hints of devices that may be dialled and are not connected, as many as there is room for. */
export function addHints(
  plan: DialPlan,
  hints: readonly Hint[],
  { mayDial, isConnected }: Pick<DialSituation, 'mayDial' | 'isConnected'>,
): DialPlan {
  const next = new Map(plan)
  const held = [...plan].filter(([, target]) => target.isHint)
  for (const [name, { deviceId }] of held) if (deviceId && isConnected(deviceId)) next.delete(name)
  let count = [...next.values()].filter(target => target.isHint).length
  for (const { deviceId, addresses } of hints) {
    if (!mayDial(deviceId) || isConnected(deviceId)) continue
    for (const { host, port } of addresses) {
      const name = addressName({ host, port })
      if (next.has(name)) continue
      // A hint that failed makes room; otherwise the first come stay, so that a flood pushes nobody out.
      const failed =
        count < MAX_HINTS ? undefined : [...next].find(([, one]) => one.isHint && one.failures > 0)
      if (count >= MAX_HINTS && !failed) return next
      if (failed && !failed[1].isDialling) next.delete(failed[0])
      else if (failed) continue
      else count += 1
      const target = { host, port, deviceId, isStatic: false, isHint: true }
      next.set(name, { ...target, failures: 0, dialNotBeforeMs: 0, isDialling: false })
    }
  }
  return next
}

/** Addresses to dial now: due, of nobody who is connected; static ones first, hints last, longest waiting first. */
export function dueDials(plan: DialPlan, situation: DialSituation): readonly Target[] {
  const targets = [...plan.values()]
  const underWay = targets.filter(target => target.isDialling).length
  const due = targets.filter(target => {
    if (target.isDialling || target.dialNotBeforeMs > situation.nowMs) return false
    if (!target.deviceId) return true
    if (situation.isConnected(target.deviceId)) return false
    // The device behind a static address may have been exchanged, so only the hello can say who is there now.
    return target.isStatic || situation.mayDial(target.deviceId)
  })
  due.sort((a, b) => Number(b.isStatic) - Number(a.isStatic) || a.dialNotBeforeMs - b.dialNotBeforeMs)
  const untried = new Set(targets.flatMap(one => (!one.isHint && one.failures === 0 ? [one.deviceId] : [])))
  // Where a better address of the same device was not tried yet, a hint waits.
  const hint = due.find(one => one.isHint && !untried.has(one.deviceId))
  const free = Math.max(0, Math.min(MAX_DIALS - underWay, situation.room))
  const better = due.filter(one => !one.isHint)
  if (!hint || free === 0 || situation.hintRoom <= 0) return better.slice(0, free)
  // One place is kept for it: many remembered addresses at which nobody answers any more are always due.
  return [...better.slice(0, free - 1), hint]
}

export type DialOutcome =
  | { readonly kind: 'reached'; readonly deviceId: DeviceId; readonly nowAt: number }
  | { readonly kind: 'failed' }
  | { readonly kind: 'ourselves' }

export function dialBegun(plan: DialPlan, name: string): DialPlan {
  const target = plan.get(name)
  return target ? new Map(plan).set(name, { ...target, isDialling: true }) : plan
}

export type DialEnd = {
  readonly name: string
  readonly outcome: DialOutcome
  readonly nowMs: number
  /** 0 to 1, drawn: half of each wait is chance, so that two sides do not dial in step for ever. */
  readonly jitter: number
  readonly limits: RedialLimits
}

export function dialEnded(plan: DialPlan, { name, outcome, nowMs, jitter, limits }: DialEnd): DialPlan {
  const target = plan.get(name)
  if (!target) return plan
  const next = new Map(plan)
  switch (outcome.kind) {
    case 'ourselves':
      next.delete(name)
      return next
    case 'failed': {
      if (target.isHint && target.failures + 1 >= MAX_HINT_FAILURES) {
        next.delete(name)
        return next
      }
      const waitMs = redialWaitMs(target.failures, jitter, limits)
      next.set(name, {
        ...target,
        isDialling: false,
        failures: target.failures + 1,
        dialNotBeforeMs: nowMs + waitMs,
      })
      return next
    }
    case 'reached': {
      const { deviceId, nowAt } = outcome
      // The first wait applies here too: a peer that accepts and closes at once must not be dialled in a loop.
      const dialNotBeforeMs = nowMs + redialWaitMs(0, jitter, limits)
      next.set(name, {
        ...target,
        isDialling: false,
        isHint: false,
        failures: 0,
        dialNotBeforeMs,
        deviceId,
        lastGoodAt: nowAt,
      })
      return forgetSurplus(next)
    }
  }
}

/** Hints that worked become known addresses; who moves about, or listens everywhere, must not fill the plan with them. */
function forgetSurplus(plan: Map<string, Target>): DialPlan {
  const counts = new Map<DeviceId, number>()
  knownIn(plan).forEach(({ host, port, deviceId }, rank) => {
    const count = (counts.get(deviceId) ?? 0) + 1
    counts.set(deviceId, count)
    const name = addressName({ host, port })
    const isSurplus = count > MAX_KNOWN_OF_ONE || rank >= MAX_KNOWN_ADDRESSES
    if (isSurplus && !plan.get(name)?.isStatic && !plan.get(name)?.isDialling) plan.delete(name)
  })
  return plan
}

/** Doubles from the first wait to the last; half of it is certain, half is chance. */
export function redialWaitMs(failures: number, jitter: number, limits: RedialLimits): number {
  const fullMs = Math.min(limits.redialMaxMs, limits.redialFirstMs * 2 ** Math.min(failures, 30))
  return fullMs * (0.5 + jitter / 2)
}

/** What is worth remembering over a restart, newest first. */
export function knownAddresses(plan: DialPlan): readonly KnownAddress[] {
  return knownIn(plan).slice(0, MAX_KNOWN_ADDRESSES)
}

function knownIn(plan: DialPlan): readonly KnownAddress[] {
  const known: KnownAddress[] = []
  for (const { host, port, deviceId, lastGoodAt } of plan.values())
    if (deviceId && lastGoodAt !== undefined) known.push({ host, port, deviceId, lastGoodAt })
  return known.sort((a, b) => b.lastGoodAt - a.lastGoodAt)
}
