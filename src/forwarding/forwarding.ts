// Everything that the logs say about telling existing central systems of sessions.
import type { AnyBody, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import type { DeviceId } from '../units.ts'
import { createTold, type ToldBook } from './told.ts'
import { createTurns, type Turns } from './turns.ts'

export type Forwarding = {
  readonly turns: Turns
  readonly told: ToldBook
  /** A node's word; true where it was about this. */
  readonly add: (said: AnyBody, place: Place) => boolean
}

type Place = { readonly ref: EventRef; readonly hlc: Hlc; readonly deviceId: DeviceId }

export function createForwarding(): Forwarding {
  const turns = createTurns()
  const told = createTold(turns)
  return {
    turns,
    told,
    add: (said, place) => {
      if (said.name === 'forwarded') told.add({ ...place, body: said.body })
      else if (said.name === 'hand_over') turns.addHandOver({ ...place, body: said.body })
      else return false
      return true
    },
  }
}
