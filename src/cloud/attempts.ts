// Failed attempts per address, so that guessing a token or making us check signatures for nothing gets slow.
import type { Clock } from '../ports.ts'

const MAX_FAILURES = 60
const WINDOW_MS = 60_000
/** Addresses remembered; beyond that the oldest window is forgotten first. */
const MAX_ADDRESSES = 4_096

/**
 * Whoever asks by way of a broker has this address: one of them could lock out all the others. How many are worked on at
 * once is bounded there (mqtt.ts), and who may publish is the broker's question.
 */
export const BROKER = 'broker'

/**
 * By whom failures are counted where several sites have one door: by address and by the site that is asked for, so that what is
 * wrong at one keeps no other out. Behind a balancer, or a carrier's NAT, all have one address. `siteId`: of one that is served here.
 */
export function askerAt(address: string, siteId: string | undefined): string {
  return address === BROKER || siteId === undefined ? address : `${address} ${siteId}`
}

export type Attempts = {
  readonly fail: (address: string) => void
  /** Seconds until this address may try again; 0 when it may. */
  readonly waitS: (address: string) => number
}

export function createAttempts(clock: Clock): Attempts {
  const windows = new Map<string, { readonly sinceMs: number; count: number }>()
  const current = (address: string): { readonly sinceMs: number; count: number } | undefined => {
    const held = windows.get(address)
    return held && clock.monotonicMs() - held.sinceMs < WINDOW_MS ? held : undefined
  }
  return {
    fail: address => {
      if (address === BROKER) return
      const held = current(address)
      if (held) {
        held.count += 1
        return
      }
      windows.delete(address)
      const oldest = windows.keys().next()
      if (windows.size >= MAX_ADDRESSES && !oldest.done) windows.delete(oldest.value)
      windows.set(address, { sinceMs: clock.monotonicMs(), count: 1 })
    },
    waitS: address => {
      const held = current(address)
      if (!held || held.count < MAX_FAILURES) return 0
      return Math.max(1, Math.ceil((held.sinceMs + WINDOW_MS - clock.monotonicMs()) / 1000))
    },
  }
}
