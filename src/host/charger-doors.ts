// The doors of a node that chargers come in by, as its settings say.
import type { NodeConfig } from '../config.ts'
import type { Node } from '../node.ts'
import { type Central, openCentral } from '../ocpp/central.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import type { TokenRef } from '../units.ts'
import type { NodeTls } from './charger-tls.ts'
import { address, listening } from './listening.ts'

type ChargerDoors = {
  readonly config: NodeConfig
  readonly node: Node
  readonly tokenReference: (idTag: string) => Promise<TokenRef>
  readonly tls: NodeTls
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Refuses with CONFIG_INVALID what cannot be listened on. */
export async function openChargers(doors: ChargerDoors): Promise<Central> {
  const { config, node, tokenReference, tls, clock, random, logger } = doors
  const { listenTls } = config.ocpp
  return await listening('ocpp.listen', config.ocpp.listen, listen =>
    openCentral({
      listen,
      listenTls: listenTls === undefined ? undefined : address(listenTls),
      tls: tls.shown(),
      insecure: config.ocpp.allowInsecure,
      credential: id => node.ledger().view().policy.chargePoint(id),
      tokenReference,
      handle: input => node.charger(input),
      healthy: () => node.health().store === 'open',
      ...{ clock, random, logger },
    }),
  )
}
