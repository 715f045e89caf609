// Chargers are set as the site needs them: each one that connected or booted and has settled is asked for its settings, told
// what differs, and given the limit that holds without any node. Once; again after a boot, after hours, and when the operator
// wants something else. What it would not take is reported, and nothing is tried in a loop.
import type { Acting } from './acting.ts'
import type { Cap, Capabilities } from './defaults/limits.ts'
import { wishesFor } from './defaults/settings.ts'
import { commandTo } from './list-talk.ts'
import {
  arrive,
  finish,
  isDone,
  leave,
  newOnboarding,
  type OnboardingReport,
  type OnboardingState,
  reportOnboarding,
  retryLater,
} from './onboarding-state.ts'
import { type OnboardingEnd, onboard, type Wanted } from './onboarding-talk.ts'
import type { ChargePoints, ChargerInput, Logger } from './ports.ts'
import type { Send } from './replica/sends.ts'
import type { ChargerId } from './units.ts'
import type { View } from './view.ts'

/** So often it is asked whether the operator wants something else. */
const LOOK_EVERY_MS = 60_000
const MINUTE_S = 60

export type Onboarding = {
  /** A charger came, went or booted. */
  readonly heard: (input: ChargerInput, nowMs: number) => void
  readonly tick: (act: Acting, back: (result: (act: Acting) => readonly Send[]) => void) => void
  readonly forget: () => void
  /** A person says: do it now, all of it. */
  readonly again: (chargerId: ChargerId) => void
  readonly report: (chargerId: ChargerId) => OnboardingReport
  /** What it said of its smart charging, when it was asked here. */
  readonly capabilities: (chargerId: ChargerId) => Capabilities | undefined
}

export type OnboardingDeps = {
  readonly chargePoints: ChargePoints
  readonly logger: Logger
  readonly count: (name: string, by?: number) => void
}

type Round = {
  readonly act: Acting
  readonly view: View
  readonly nowMs: number
  readonly back: (result: (act: Acting) => readonly Send[]) => void
}

export function createOnboarding(deps: OnboardingDeps): Onboarding {
  const chargers = new Map<ChargerId, OnboardingState>()
  /** Those that are connected and not done: a tick looks at no other. */
  const waiting = new Set<ChargerId>()
  const looked = { minute: -1, heads: '' }
  const of = (chargerId: ChargerId): OnboardingState => {
    const held = chargers.get(chargerId) ?? newOnboarding()
    chargers.set(chargerId, held)
    return held
  }
  return {
    heard: ({ chargerId, message }, nowMs) => {
      if (message.kind === 'disconnected') {
        leave(of(chargerId), nowMs)
        waiting.delete(chargerId)
        return
      }
      if (message.kind !== 'connected' && message.kind !== 'boot') return
      const charger = of(chargerId)
      if (message.kind === 'boot') charger.hasBooted = true
      arrive(charger, chargerId, nowMs)
      waiting.add(chargerId)
    },
    forget: () => {
      for (const charger of chargers.values()) leave(charger, charger.readyAtMs)
    },
    again: chargerId => {
      Object.assign(of(chargerId), { doneFor: '', readyAtMs: 0, notBeforeMs: 0, failures: 0 })
      of(chargerId).notKept.clear()
      waiting.add(chargerId)
    },
    tick: (act, back) => {
      const round = { act, back, view: act.ledger.view(), nowMs: act.times.monotonicMs }
      const minute = Math.floor(round.nowMs / LOOK_EVERY_MS)
      if (looked.minute !== minute) {
        const heads = round.view.policyHeads(Number.POSITIVE_INFINITY)
        const key = heads.map(({ logId, seq }) => `${logId}/${seq}`).join(' ')
        if (looked.heads !== key) for (const id of chargers.keys()) waiting.add(id)
        Object.assign(looked, { minute, heads: key })
      }
      if (waiting.size === 0) return
      const here = new Set(deps.chargePoints.connected())
      for (const chargerId of waiting)
        if (!here.has(chargerId) || step(deps, round, { chargerId, charger: of(chargerId) }))
          waiting.delete(chargerId)
    },
    report: chargerId => reportOnboarding(chargers.get(chargerId)),
    capabilities: chargerId => chargers.get(chargerId)?.last?.result.can,
  }
}

type One = { readonly chargerId: ChargerId; readonly charger: OnboardingState }

/** True when there is nothing left to do. */
function step(deps: OnboardingDeps, round: Round, one: One): boolean {
  const { chargerId, charger } = one
  if (charger.isBusy || round.nowMs < charger.readyAtMs) return false
  const wanted = wantedOf(round.view, chargerId)
  if (!wanted) {
    charger.state = 'the site leaves its chargers as they are'
    return true
  }
  const form = JSON.stringify(wanted)
  if (isDone(charger, form, round.nowMs)) return true
  const { life } = charger
  charger.isBusy = true
  charger.state = 'is asked for its settings'
  const command = commandTo(deps.chargePoints, chargerId)
  round.act.afterwards(() => {
    void onboard(
      async asked =>
        charger.life === life ? await command(asked) : { kind: 'unreachable', reason: 'it went' },
      wanted,
      charger.notKept,
    ).then(end =>
      round.back(act => {
        if (charger.life === life) heard(deps, act, { ...one, form, end })
        return []
      }),
    )
  })
  return false
}

type Heard = One & { readonly form: string; readonly end: OnboardingEnd }

function heard(deps: OnboardingDeps, { times }: Acting, { chargerId, charger, form, end }: Heard): void {
  if (end.kind === 'failed') {
    deps.count('onboarding.failed')
    retryLater(charger, times.monotonicMs, end.reason)
    return
  }
  deps.count('onboarding.done')
  finish(charger, { form, result: end, wallMs: times.wallMs, nowMs: times.monotonicMs })
  const { notSet } = reportOnboarding(charger)
  if (notSet.length > 0)
    deps.logger.warn('a charger could not be set as it should be', { charger: chargerId, notSet })
}

/** What the operator wants of this charger; undefined where nothing may be changed. */
function wantedOf(view: View, chargerId: ChargerId): Wanted | undefined {
  const { sitePolicy, policy } = view
  if (sitePolicy.value('onboarding') === 'off') return undefined
  const minutes = sitePolicy.number('max-session-minutes')
  const cap = capOf(view, chargerId)
  return {
    wishes: wishesFor(sitePolicy.value('revoked-while-charging') === 'stop'),
    connectors: policy.chargePoint(chargerId)?.connectors ?? 1,
    ...((cap.watts !== undefined || cap.amps !== undefined) && { cap }),
    ...(minutes !== undefined && { maxSessionS: minutes * MINUTE_S }),
    clears: sitePolicy.said('connector-cap-amps') === '',
  }
}

/** What the operator said that one connector of it may give. */
export function capOf({ sitePolicy, policy }: View, chargerId: ChargerId): Cap {
  const { maxPowerW, phases, connectorType = '' } = policy.chargePoint(chargerId) ?? {}
  const amps = sitePolicy.number('connector-cap-amps')
  return {
    ...(maxPowerW !== undefined && { watts: maxPowerW }),
    ...(amps !== undefined && { amps }),
    ...(phases !== undefined && { phases }),
    isDirect: /CHADEMO|COMBO|_DC/.test(connectorType),
  }
}
