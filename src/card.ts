// May this card charge at this charger? Here the policy meets what the card has already drawn, as far as this node
// knows. The rule itself is authorization/decide.ts.
import { type Decision, decide, isToday } from './authorization/decide.ts'
import { wallOf } from './log/hlc.ts'
import { happenedAt } from './session/clock.ts'
import type { Session } from './session/fold.ts'
import type { ChargerId, TokenRef } from './units.ts'
import type { View } from './view.ts'

const UNCERTAINTY_MS = 0

/** Every reference of a card, where the site has had several keys. */
export type Aliases = (tokenRef: TokenRef) => readonly TokenRef[]

export type CardContext = {
  readonly view: View
  readonly nowAt: number
  readonly policyAgeMs: number | undefined
  readonly aliases?: Aliases | undefined
}

export function decideFor(context: CardContext, chargerId: ChargerId, tokenRef: TokenRef): Decision {
  const zone = context.view.policy.chargePoint(chargerId)?.zone
  const tokenRefs = context.aliases?.(tokenRef) ?? [tokenRef]
  const recent = tokenRefs
    .flatMap(context.view.ofToken)
    .filter(session => counts(session) && isToday(startOf(session), context.nowAt))
  const energyWh = recent.reduce((sum, session) => sum + (session.energyWh ?? energySoFar(session)), 0)
  return decide(context.view.policy.tokenOf(tokenRefs), {
    nowAt: context.nowAt,
    uncertaintyMs: UNCERTAINTY_MS,
    policyAgeMs: context.policyAgeMs,
    ...(zone !== undefined && { zone }),
    today: { sessions: recent.length, energyWh },
  })
}

function energySoFar({ registerWh, start }: Session): number {
  return registerWh === undefined ? 0 : Math.max(0, registerWh - start.body.meterStartWh)
}

/** A start that was refused and drew nothing uses up no cap: a driver may tap in vain. */
function counts(session: Session): boolean {
  return session.start.body.allowed === 'ALLOWED' || (session.energyWh ?? energySoFar(session)) > 0
}

function startOf({ start }: Session): number {
  return happenedAt(start.body.startedAt, wallOf(start.hlc))
}
