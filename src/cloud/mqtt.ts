// The receiver at an MQTT 5 broker: requests of nodes come as publishes (uplink/mqtt-words.ts), are handed to the very routes
// that answer HTTPS, and the answers go, signed, to the topics that the requests name. Workers share a subscription, so each
// request comes to one of them. A broker that is away is tried again and again; HTTPS goes on meanwhile.
import { type IPublishPacket, MqttClient } from 'mqtt'
import { reasonOf } from '../errors.ts'
import type { Clock, Logger, Random } from '../ports.ts'
import { hex, type SiteId } from '../units.ts'
import { AGREEMENT_PATH } from '../uplink/agreement.ts'
import { type BrokerAccess, brokerLine } from '../uplink/broker.ts'
import {
  type Answer,
  type AnswerSigner,
  isAnswerTopic,
  MAX_CORRELATION_BYTES,
  PATH_PROPERTY,
  type Properties,
  requestTopic,
  sharedTopic,
  signedAnswer,
} from '../uplink/mqtt-words.ts'
import { CBOR_TYPE, MAX_REQUEST_BYTES, PUSH_PATH } from '../uplink/request.ts'

export type BrokerRequest = {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export type AtBroker = {
  readonly access: BrokerAccess
  readonly sites: readonly { readonly siteId: SiteId; readonly signer: AnswerSigner }[]
  /** The routes of HTTPS. */
  readonly ask: (request: BrokerRequest) => Promise<Answer>
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** What a node may ask for by this way. */
const PATHS: readonly string[] = [PUSH_PATH, AGREEMENT_PATH]
/** Worked on at once; the next ones are sent away, and beyond MAX_HEARD nobody is told anything. */
const MAX_AT_ONCE = 16
const MAX_HEARD = 64
const BUSY: Answer = { status: 503, retryAfter: '2', body: new TextEncoder().encode('{"code":"busy"}') }
const KEEPALIVE_S = 30
const RECONNECT_MS = 2_000
const RECONNECT_SPREAD_MS = 2_000
const CONNECT_TIMEOUT_MS = 10_000
/** An answer that was not fetched by then is asked for again. */
const ANSWER_EXPIRES_S = 60
const MAX_AROUND_BYTES = 16_384
/** What is passed over is counted, and said so often. */
const SAY_EVERY_MS = 60_000
const PASSED_ON: readonly string[] = [
  ...['x-chargemesh-site', 'x-chargemesh-certificate', 'x-chargemesh-issued-at', 'x-chargemesh-signature'],
  'content-encoding',
]

/** Rejects with CONFIG_INVALID on an address that is none of a broker; resolves whether or not it is there. */
export function openAtBroker(at: AtBroker): { readonly close: () => Promise<void> } {
  const { access, sites, random, logger } = at
  const wire = brokerLine(access)
  const client = new MqttClient(() => wire.open(), {
    ...{ protocolVersion: 5, clientId: `chargemesh-cloud-${hex(random.bytes(8))}`, clean: true },
    ...{
      keepalive: KEEPALIVE_S,
      connectTimeout: CONNECT_TIMEOUT_MS,
      resubscribe: false,
      queueQoSZero: false,
    },
    reconnectPeriod: RECONNECT_MS + ((random.bytes(1)[0] ?? 0) / 255) * RECONNECT_SPREAD_MS,
    reconnectOnConnackError: true,
    properties: { maximumPacketSize: MAX_REQUEST_BYTES + MAX_AROUND_BYTES, receiveMaximum: MAX_HEARD },
    ...(access.username !== undefined && { username: access.username }),
    ...(access.password !== undefined && { password: access.password }),
  })
  let maxBytes = Number.POSITIVE_INFINITY
  client.on('connect', ({ properties }) => {
    maxBytes = properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY
    logger.info('broker-reached', { sites: sites.length })
    client
      .subscribeAsync(
        sites.map(({ siteId }) => sharedTopic(siteId)),
        { qos: 1 },
      )
      .catch((error: unknown) => logger.error('broker-refused-subscription', { reason: reasonOf(error) }))
  })
  client.on('error', error => logger.warn('broker-failed', { reason: reasonOf(error) }))
  client.on('offline', () => logger.warn('broker-away', {}))
  const passOver = createPassedOver(at)
  const byTopic = new Map(sites.map(site => [requestTopic(site.siteId), site]))
  const heard = new Set<Promise<void>>()
  client.on('message', (topic, payload, packet) => {
    const site = byTopic.get(topic)
    if (!site) return passOver('foreign topic')
    const asked = requestIn(site.siteId, packet)
    if (typeof asked === 'string') return passOver(asked)
    if (heard.size >= MAX_HEARD) return passOver('too many at once')
    const isBusy = heard.size >= MAX_AT_ONCE
    const answering = answerOf(at, { ...asked, body: new Uint8Array(payload), isBusy })
      .then(answer => {
        const room = answer.body.length + MAX_AROUND_BYTES <= maxBytes
        if (!room) logger.error('broker-takes-less', { maxBytes, answerBytes: answer.body.length })
        return send(client, { asked, site, answer: room ? answer : BUSY })
      })
      .catch((error: unknown) => logger.error('broker-answer-failed', { reason: reasonOf(error) }))
      .then(() => {
        heard.delete(answering)
      })
    heard.add(answering)
  })
  return {
    close: async () => {
      await Promise.all(heard)
      await client.endAsync(true)
    },
  }
}

type Asked = {
  readonly properties: Properties
  readonly path: string
  readonly responseTopic: string
  readonly correlation: Buffer
}

/** The request in a packet, or why it is none: whoever may publish may send anything. */
function requestIn(siteId: SiteId, { properties, payload }: IPublishPacket): Asked | string {
  const { responseTopic, correlationData: correlation, userProperties = {} } = properties ?? {}
  if (responseTopic === undefined || !isAnswerTopic(siteId, responseTopic)) return 'no topic for the answer'
  if (!correlation || correlation.length > MAX_CORRELATION_BYTES) return 'no correlation data'
  const path = userProperties[PATH_PROPERTY]
  if (typeof path !== 'string' || !PATHS.includes(path)) return 'no path'
  if (payload.length > MAX_REQUEST_BYTES) return 'too long'
  return { properties: { ...userProperties }, path, responseTopic, correlation }
}

async function answerOf(
  { ask, logger }: AtBroker,
  { properties, path, body, isBusy }: Asked & { readonly body: Uint8Array; readonly isBusy: boolean },
): Promise<Answer> {
  if (isBusy) return BUSY
  const headers: Record<string, string> = { 'content-type': CBOR_TYPE }
  for (const name of PASSED_ON) {
    const value = properties[name]
    if (typeof value === 'string') headers[name] = value
  }
  try {
    return await ask({ path, headers, body })
  } catch (error) {
    logger.error('request-failed', { path, reason: reasonOf(error) })
    return BUSY
  }
}

type Sending = {
  readonly asked: Asked
  readonly site: AtBroker['sites'][number]
  readonly answer: Answer
}

async function send(client: MqttClient, { asked, site, answer }: Sending): Promise<void> {
  // A line that is down keeps nothing for later: the node asks again.
  if (!client.connected) return
  const { properties, responseTopic, correlation } = asked
  await client.publishAsync(responseTopic, Buffer.from(answer.body), {
    qos: 1,
    properties: {
      ...{ correlationData: correlation, messageExpiryInterval: ANSWER_EXPIRES_S },
      userProperties: { ...signedAnswer(site.signer, properties, answer) },
    },
  })
}

function createPassedOver({ clock, logger }: AtBroker): (reason: string) => void {
  let saidMs = Number.NEGATIVE_INFINITY
  let count = 0
  return reason => {
    count += 1
    if (clock.monotonicMs() - saidMs < SAY_EVERY_MS) return
    logger.warn('broker-message-passed-over', { reason, count })
    saidMs = clock.monotonicMs()
    count = 0
  }
}
