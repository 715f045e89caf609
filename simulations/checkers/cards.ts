// Who may charge (PROTOCOL 6.5), judged from what the operator wrote and how much of it the node held when it was asked.
// I13 no start with a card whose revocation the node holds and no grant that it holds undoes; nor with a card that was never
// granted or has expired. I14 nor when the operator was not heard of for longer than the card allows.
import type { ChargerInput, ChargerMessage } from '../../src/ports.ts'
import type { TokenRef } from '../../src/units.ts'
import type { Member, Observer, Shown } from '../world/observer.ts'
import { offlineMaxAgeMs } from '../world/operator.ts'
import { watchCards } from './card-history.ts'

/** A beacon may be so far ahead of a clock, and clocks of honest nodes may differ so much. */
const UNCERTAINTY_MS = 11 * 60_000

type Asked = { readonly heldSeq: number; readonly beaconAgeMs: number | undefined }

export function cardsChecker(shown: Shown): Observer {
  const asked = new Map<ChargerInput, Asked>()
  /** Starts that were allowed once are answered alike for ever. */
  const allowedBefore = new Set<string>()
  const cards = watchCards(shown)

  const heldBy = (member: Member): number =>
    member.node()?.ledger().logs.get(shown.operator.logId)?.head.seq ?? -1

  /** Why the node must not have said yes. */
  const faultOf = (tokenRef: TokenRef, { heldSeq }: Asked): string | undefined => {
    if (!cards.wasGranted(tokenRef, heldSeq)) return 'a card that was never granted'
    return cards.isRevoked(tokenRef, heldSeq) ? 'a card whose revocation it holds' : undefined
  }

  const nameOf = (input: ChargerInput): string => {
    const { message } = input
    if (message.kind === 'card')
      return `${input.chargerId}/${message.stationTransactionId}/${message.tokenRef}`
    return message.kind === 'start'
      ? `${input.chargerId}/${message.connectorId}/${message.meterStartWh}/${message.startedAt.raw}`
      : ''
  }

  return {
    name: 'cards',
    asked: (member, input) => {
      if (!namesCard(input.message)) return
      const beacons = member.node()?.ledger().objects.ofKind('beacon') ?? []
      const held = heldBy(member)
      const issued = beacons.filter(one => one.body.seq <= held).map(one => one.body.issuedAt)
      const nowAt = shown.plan.startsAt + shown.nowMs()
      const beaconAgeMs = issued.length > 0 ? nowAt - Math.max(...issued) : undefined
      asked.set(input, { heldSeq: held, beaconAgeMs })
    },
    answered: (member, input, answer) => {
      const then = asked.get(input)
      asked.delete(input)
      const { message } = input
      if (!then || !namesCard(message)) return
      if (!('allowed' in answer) || answer.allowed !== 'ALLOWED') return
      const isKept = message.kind !== 'authorize'
      if (isKept && allowedBefore.has(nameOf(input))) return
      if (isKept) allowedBefore.add(nameOf(input))
      const fault = faultOf(message.tokenRef, then) ?? expired(shown, message.tokenRef, member)
      const what = `node ${member.name} allowed ${input.chargerId} to ${message.kind} with`
      if (fault) shown.object('I13', `${what} ${fault}`)
      const limitMs = offlineMaxAgeMs(shown.plan) + UNCERTAINTY_MS + Math.abs(member.clockErrorMs())
      if (then.beaconAgeMs !== undefined && then.beaconAgeMs > limitMs)
        shown.object(
          'I14',
          `${what} news of the operator that is ${Math.round(then.beaconAgeMs / 3600_000)} h old`,
        )
    },
  }
}

function namesCard(
  message: ChargerMessage,
): message is Extract<ChargerMessage, { kind: 'start' | 'card' | 'authorize' }> {
  return message.kind === 'start' || message.kind === 'card' || message.kind === 'authorize'
}

/** Expired just before the run began: only a node that lives before that may take it. */
function expired(shown: Shown, tokenRef: TokenRef, member: Member): string | undefined {
  const card = shown.plan.cards.find(one => shown.site.tokenRef(one.idTag) === tokenRef)
  if (card?.kind === 'unknown') return 'an unknown card'
  const isPast = member.clockErrorMs() < -shown.nowMs()
  return card?.kind === 'expired' && !isPast ? 'an expired card' : undefined
}
