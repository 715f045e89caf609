// Bodies that a hostile member puts under its own seal. Its sessions are those of chargers that the site does not have,
// all of whose names begin alike, so that a reader of logs and bills can tell them from what a charger said.
import type { AnyBody } from '../../src/log/body.ts'
import { sessionIdOf, transactionIdOf } from '../../src/session/id.ts'
import { type ChargerId, hex, type TokenRef } from '../../src/units.ts'
import type { Writing } from './own.ts'

export const ROGUE_CHARGER = 'rogue-'

export function rogueCharger(scene: Writing): ChargerId {
  return `${ROGUE_CHARGER}${scene.self.certificate.deviceId.slice(0, 8)}` as ChargerId
}

/** Words that mean little: readings of no session, complaints and notes. */
export function chatter(scene: Writing, count: number, saysAt = scene.wallMs()): readonly AnyBody[] {
  const chargerId = rogueCharger(scene)
  return Array.from({ length: count }, (): AnyBody => {
    const at = Math.max(0, Math.floor(saysAt))
    switch (scene.dice.below(3)) {
      case 0:
        return { name: 'diagnostics', body: { code: 'rogue', detail: `${scene.dice.below(1000)}` } }
      case 1:
        return {
          name: 'charger_error',
          body: { chargerId, connectorId: 1, errorCode: 'OtherError', status: 'Faulted', detail: '' },
        }
      default:
        return {
          name: 'meter_tick',
          body: {
            ...{ chargerId, connectorId: 1, transactionId: 1, energyWh: scene.dice.below(100_000) },
            ...{ sampledAt: { raw: String(at), at }, connectionId: 1 },
          },
        }
    }
  })
}

/** A session from start to stop that nobody had. */
export function rogueSession(scene: Writing, tokenRef: TokenRef): readonly AnyBody[] {
  const startedAt = Math.max(0, Math.floor(scene.wallMs()))
  const started = { raw: new Date(startedAt).toISOString(), at: startedAt }
  const place = {
    chargerId: rogueCharger(scene),
    connectorId: 1 + scene.dice.below(4),
    meterStartWh: scene.dice.below(1_000_000),
  }
  const { chargerId } = place
  const sessionId = sessionIdOf({ ...place, startedAtRaw: started.raw })
  const transactionId = transactionIdOf(sessionId, () => false)
  return [
    {
      name: 'session_start',
      body: {
        ...{ ...place, sessionId, tokenRef, transactionId, startedAt: started, connectionId: 1 },
        ...{ allowed: 'ALLOWED', reason: 'rogue', policyHead: [], tier: 'FULL', clock: 'ntp' },
      },
    },
    {
      name: 'session_end',
      body: {
        ...{ chargerId, sessionId, transactionId, stoppedAt: started, connectionId: 1, clock: 'ntp' },
        ...{ meterStopWh: place.meterStartWh + 1000, reason: 'Local' },
      },
    },
  ]
}

export function anyToken(
  scene: Writing & { readonly memory: { readonly tokens: () => readonly TokenRef[] } },
) {
  const heard = scene.memory.tokens()
  return heard.length > 0 ? scene.dice.pick(heard) : hex<TokenRef>(scene.dice.random.bytes(16))
}
