// The receiver's routes, asked by way of a broker: the same ones, without a socket.
import type { FastifyInstance } from 'fastify'
import type { Clock, Logger, Random } from '../ports.ts'
import type { BrokerAccess } from '../uplink/broker.ts'
import { BROKER } from './attempts.ts'
import { answerSignerOf, type SiteDeps } from './site.ts'

type Options = {
  readonly broker?: BrokerAccess
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** What it answers ends that. */
export async function atBroker(
  { broker, clock, random, logger }: Options,
  app: FastifyInstance,
  sites: ReadonlyMap<string, SiteDeps>,
): Promise<() => Promise<void>> {
  if (!broker) return async () => undefined
  // Loaded only where there is one.
  const { openAtBroker } = await import('./mqtt.ts')
  const { close } = openAtBroker({
    ...{ access: broker, clock, random, logger },
    sites: [...sites.values()].map(site => ({ siteId: site.siteId, signer: answerSignerOf(site) })),
    ask: async ({ path, headers, body }) => {
      const payload = Buffer.from(body)
      const asked = { method: 'POST', url: path, headers, payload, remoteAddress: BROKER } as const
      const { statusCode: status, headers: said, rawPayload } = await app.inject(asked)
      const retryAfter = said['retry-after']
      const when = retryAfter === undefined ? {} : { retryAfter: String(retryAfter) }
      return { status, body: new Uint8Array(rawPayload), ...when }
    },
  })
  return close
}
