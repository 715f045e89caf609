// Always online: every charge point asks the cloud about every card.
//
// Rules. Without a way to the cloud a card is refused, unless the firmware accepts everybody; a session that began is finished,
// queued and heard when there is a way. A start of a card that the cloud does not accept ends when it hears of it. How a way is
// found and when a bill is doubled: uplinked.ts.
// In its favour: the operator's news reach the cloud at once, whoever is handed them; the cloud is never wrong, and a fail-over
// or a restored backup of it loses nothing; no queue of a charge point loses a start or a stop before 2,500 sessions.
import type { Service } from '../outcome.ts'
import { serve } from './floor.ts'
import type { Ground } from './ground.ts'
import { uplinked } from './uplinked.ts'

export function online(ground: Ground): Service {
  return serve(ground, { ...uplinked(ground), alone: ({ plan }) => plan.quirks.includes('offline-starts') })
}
