// Where peers may be found, and whom to dial when: static addresses from the site file, and the last addresses that
// worked. Pure: the plan is a value, the time and the dice are arguments. An address is forgotten only when it turns
// out to be our own, or when MAX_KNOWN_ADDRESSES newer ones have worked since.
import type { DeviceId } from '../units.ts'

export type Address = { readonly host: string; readonly port: number }
export type StaticPeer = Address & { readonly deviceId?: DeviceId }
/** An address at which a verified device has answered. */
export type KnownAddress = Address & { readonly deviceId: DeviceId; readonly lastGoodAt: number }

export const MAX_KNOWN_ADDRESSES = 256
/** Dials under way at one time. */
export const MAX_DIALS = 8

export type RedialLimits = { readonly redialFirstMs: number; readonly redialMaxMs: number }

export type Target = Address & {
  readonly isStatic: boolean
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
  const fresh = { failures: 0, dialNotBeforeMs: 0, isDialling: false }
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
}

/** Addresses to dial now: due, of nobody who is connected; static ones first, longest waiting first. */
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
  return due.slice(0, Math.max(0, Math.min(MAX_DIALS - underWay, situation.room)))
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
        failures: 0,
        dialNotBeforeMs,
        deviceId,
        lastGoodAt: nowAt,
      })
      return next
    }
  }
}

/** Doubles from the first wait to the last; half of it is certain, half is chance. */
export function redialWaitMs(failures: number, jitter: number, limits: RedialLimits): number {
  const fullMs = Math.min(limits.redialMaxMs, limits.redialFirstMs * 2 ** Math.min(failures, 30))
  return fullMs * (0.5 + jitter / 2)
}

/** What is worth remembering over a restart, newest first. */
export function knownAddresses(plan: DialPlan): readonly KnownAddress[] {
  const known: KnownAddress[] = []
  for (const { host, port, deviceId, lastGoodAt } of plan.values())
    if (deviceId && lastGoodAt !== undefined) known.push({ host, port, deviceId, lastGoodAt })
  known.sort((a, b) => b.lastGoodAt - a.lastGoodAt)
  return known.slice(0, MAX_KNOWN_ADDRESSES)
}
