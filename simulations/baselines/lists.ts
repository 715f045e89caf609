// A list in every charge point: it starts good cards offline by what the cloud told it when it was heard last.
//
// Rules. While it has a way to the cloud, a charge point's list is the cloud's knowledge of that moment; without one it stays as
// it was, so a card that was revoked since is accepted, and one that was granted since is refused. Firmware that accepts everybody
// offline still refuses cards that stand in the list as not accepted (OCPP 1.6, 3.5.3). Sessions wait in the charge point's queue;
// the one that is too many is lost. How a way is found and when a bill is doubled: uplinked.ts.
// In its favour: all lists are complete at the start of the run, have no limit (48 entries were seen, OCPP.md, section 6) and say
// when a card expires; an update takes no time and never fails; the queue survives power cuts and holds 2,500 sessions.
import type { Service } from '../outcome.ts'
import type { Quirk } from '../plan.ts'
import { MAX_QUEUED_SESSIONS, serve } from './floor.ts'
import type { Ground } from './ground.ts'
import { uplinked } from './uplinked.ts'

const ACCEPTS_UNKNOWN: Quirk = 'offline-starts'

export function lists(ground: Ground, maxQueuedSessions = MAX_QUEUED_SESSIONS): Service {
  const { cards, operator } = ground.plan
  const isListed = (card: number, atMs: number): boolean =>
    cards[card]?.kind !== 'unknown' ||
    operator.some(step => 'card' in step && step.card === card && step.atMs <= atMs)
  return serve(ground, {
    ...{ ...uplinked(ground), maxQueuedSessions },
    alone: ({ heardAtMs, plan }, card) =>
      isListed(card, heardAtMs) ? ground.isGood(card, heardAtMs) : plan.quirks.includes(ACCEPTS_UNKNOWN),
  })
}
