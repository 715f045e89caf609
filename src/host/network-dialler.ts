// Keeps dialling: runs the redial plan against the real network, and writes down which addresses worked. It holds no
// timer of its own; the network's tick drives it.
import { reasonOf } from '../errors.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type { Hint } from './hints.ts'
import type { NetworkLimits } from './network-limits.ts'
import {
  addHints,
  addressName,
  type DialOutcome,
  type DialPlan,
  type DialSituation,
  dialBegun,
  dialEnded,
  dueDials,
  type KnownAddress,
  knownAddresses,
  planDials,
  type StaticPeer,
  type Target,
} from './peers.ts'

export type LastKnown = {
  readonly load: () => Promise<readonly KnownAddress[]>
  readonly save: (list: readonly KnownAddress[]) => Promise<void>
}

/** An address that merely worked again is written down again after so long: flash memory wears. */
const REWRITE_MS = 3_600_000

export type DiallerDeps = {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  readonly limits: NetworkLimits
  readonly lastKnown: LastKnown
  readonly staticPeers: readonly StaticPeer[]
  /** Dials, and waits for the hello. Must not reject. */
  readonly dial: (target: Target) => Promise<DialOutcome>
  readonly situation: () => Omit<DialSituation, 'nowMs'>
}

export type Dialler = {
  readonly tick: (nowMs: number) => void
  /** Addresses to be tried where no better one leads (PROTOCOL 7.4). */
  readonly hint: (hints: readonly Hint[]) => void
  readonly failedDials: () => number
  /** Dials no more, and waits for a save that is under way. */
  readonly close: () => Promise<void>
}

export async function createDialler(deps: DiallerDeps): Promise<Dialler> {
  const { clock, logger, limits, lastKnown } = deps
  const loaded = await lastKnown.load().catch(error => {
    logger.warn('network.addresses-unreadable', { reason: reasonOf(error) })
    return []
  })
  let plan: DialPlan = planDials(deps.staticPeers, loaded)
  let written: readonly KnownAddress[] = loaded
  let saving: Promise<void> | undefined
  let failedDials = 0
  let hintNotBeforeMs = 0
  let isClosed = false

  async function run(target: Target): Promise<void> {
    const name = addressName(target)
    plan = dialBegun(plan, name)
    const outcome = await deps.dial(target)
    if (isClosed) return
    const nowMs = clock.monotonicMs()
    plan = dialEnded(plan, { name, outcome, nowMs, jitter: draw(deps.random), limits })
    if (outcome.kind === 'failed') failedDials++
    else if (outcome.kind === 'ourselves') logger.info('network.address-is-ours', { address: name })
    else saveWhenChanged()
  }

  function saveWhenChanged(): void {
    const known = knownAddresses(plan)
    if (saving || !isWorthWriting(known, written)) return
    written = known
    saving = lastKnown
      .save(known)
      // Not tried again before something changes: addresses are a convenience, and the disk may be full.
      .catch(error => logger.warn('network.addresses-not-saved', { reason: reasonOf(error) }))
      .finally(() => {
        saving = undefined
        if (!isClosed) saveWhenChanged()
      })
  }

  return {
    tick: nowMs => {
      if (isClosed) return
      const situation = deps.situation()
      const hintRoom = nowMs < hintNotBeforeMs ? 0 : situation.hintRoom
      const due = dueDials(plan, { ...situation, nowMs, hintRoom })
      if (due.some(target => target.isHint)) hintNotBeforeMs = nowMs + limits.hintDialMs
      for (const target of due) void run(target)
    },
    hint: hints => {
      if (!isClosed) plan = addHints(plan, hints, deps.situation())
    },
    failedDials: () => failedDials,
    close: async () => {
      isClosed = true
      await saving
    },
  }
}

function isWorthWriting(known: readonly KnownAddress[], written: readonly KnownAddress[]): boolean {
  const before = new Map(written.map(address => [addressName(address), address]))
  return known.some(address => {
    const held = before.get(addressName(address))
    return held?.deviceId !== address.deviceId || address.lastGoodAt - held.lastGoodAt > REWRITE_MS
  })
}

/** 0 to 1. */
function draw(random: Random): number {
  const [high = 0, low = 0] = random.bytes(2)
  return (high * 256 + low) / 65_535
}
