// The way to the cloud by an MQTT 5 broker: the signed request of HTTPS as a publish, its answer on a topic of this connection.
// The line is opened when something is to be said and closed when nothing was for a while; it never reconnects and resends
// by itself: when is the outbox's question. Answers that the cloud did not sign for this request are passed over.
import { gzipSync } from 'node:zlib'
import type { IClientPublishOptions, MqttClient } from 'mqtt'
import { reasonOf } from '../errors.ts'
import { createRoster, type Roster } from '../identity/roster.ts'
import type { Clock, PushAnswer, Random, Uplink } from '../ports.ts'
import { hex } from '../units.ts'
import { type BrokerAccess, type BrokerLine, brokerLine } from './broker.ts'
import {
  type Answered,
  type AskReceiver,
  GZIP_ABOVE_BYTES,
  readPushAnswer,
  refusedBy,
  UplinkFailed,
} from './http.ts'
import {
  answerTopic,
  KNOWS_PROPERTY,
  PATH_PROPERTY,
  type Properties,
  readAnswer,
  requestTopic,
} from './mqtt-words.ts'
import {
  CBOR_TYPE,
  encodePush,
  MAX_ANSWER_BYTES,
  PUSH_PATH,
  type RequestSigner,
  SIGNATURE_HEADER,
  signedHeaders,
} from './request.ts'

export type MqttUplinkOptions = RequestSigner &
  BrokerAccess & {
    readonly name: string
    readonly rootKey: Uint8Array
    readonly clock: Clock
    readonly random: Random
    /** From the request to the answer. */
    readonly timeoutMs?: number
  }

const TIMEOUT_MS = 20_000
const CONNECT_TIMEOUT_MS = 10_000
/** Rounds are 15 s apart at the most while there is something to say. */
const IDLE_MS = 90_000
const KEEPALIVE_S = 60
/** Properties and topic beside the body. */
const MAX_AROUND_BYTES = 16_384
/** MQTT 5, 3.4.2.1: the broker has the message, and nobody has subscribed to it. */
const NO_SUBSCRIBERS = 16

type Waiting = {
  /** Signature of the request. */
  readonly request: string
  readonly take: (answered: Answered) => void
  readonly fail: (error: UplinkFailed) => void
  /** What came in its place and was not the cloud's. */
  passedOver?: string
}

type Line = {
  readonly client: MqttClient
  readonly answersAt: string
  /** By correlation data, in hex. */
  readonly waiting: Map<string, Waiting>
  /** The largest packet that the broker takes. */
  readonly maxBytes: number
}

type State = {
  readonly options: MqttUplinkOptions
  readonly wire: BrokerLine
  readonly roster: Roster
  line: Promise<Line> | undefined
  idle: NodeJS.Timeout | undefined
  /** The cloud's certificate (hash) that signed last. */
  knows: string | undefined
}

/** Throws CONFIG_INVALID on an address that is none of a broker. */
export function openMqttUplink(
  options: MqttUplinkOptions,
): Uplink & { readonly ask: AskReceiver; readonly close: () => void } {
  const { siteId, rootKey, signatures } = options
  const state: State = {
    ...{ options, wire: brokerLine(options), roster: createRoster({ signatures }, siteId, rootKey) },
    ...{ line: undefined, idle: undefined, knows: undefined },
  }
  return {
    name: options.name,
    push: async push => {
      const plain = encodePush(push)
      const packed = plain.length > GZIP_ABOVE_BYTES
      const body = packed ? new Uint8Array(gzipSync(plain)) : plain
      const before = state.wire.traffic()
      try {
        const answered = await exchange(state, { path: PUSH_PATH, body, packed })
        const answer: Omit<PushAnswer, 'wireBytes'> = readPushAnswer(answered)
        return { ...answer, wireBytes: state.wire.traffic() - before }
      } catch (error) {
        if (error instanceof UplinkFailed) error.wireBytes = state.wire.traffic() - before
        throw error
      }
    },
    ask: async (path, body) => {
      const answered = await exchange(state, { path, body, packed: false })
      if (answered.status !== 200) throw refusedBy(answered)
      return answered.body
    },
    close: () => hangUp(state),
  }
}

function hangUp(state: State): void {
  clearTimeout(state.idle)
  const { line } = state
  state.line = undefined
  line?.then(
    ({ client }) => client.end(true),
    () => undefined,
  )
}

type Question = { readonly path: string; readonly body: Uint8Array; readonly packed: boolean }

async function exchange(state: State, question: Question): Promise<Answered> {
  clearTimeout(state.idle)
  const mine = lineOf(state)
  try {
    const line = await mine
    const answered = await request(state, line, question)
    // Another question may have been answered meanwhile: of two timers one would be forgotten, and hang up under a third.
    clearTimeout(state.idle)
    state.idle = setTimeout(() => hangUp(state), IDLE_MS)
    state.idle.unref()
    return answered
  } catch (error) {
    // Whatever failed: the next question goes by a new line. Those of an old one have heard of it already.
    if (state.line === mine) hangUp(state)
    if (error instanceof UplinkFailed) throw error
    throw new UplinkFailed(`the broker was not reached: ${reasonOf(error)}`, { cause: error })
  }
}

/** The line that is open, or a new one; one that was lost is no line any more. */
function lineOf(state: State): Promise<Line> {
  if (state.line) return state.line
  const mine: Promise<Line> = dial(state, () => {
    if (state.line === mine) state.line = undefined
  })
  state.line = mine
  return mine
}

async function dial(state: State, lost: () => void): Promise<Line> {
  const { options, wire } = state
  const { siteId, random, username, password } = options
  // Loaded only by nodes that have such an uplink.
  const { MqttClient } = await import('mqtt')
  const asker = hex(random.bytes(12))
  const client = new MqttClient(() => wire.open(), {
    ...{ protocolVersion: 5, clientId: `chargemesh-${asker}`, clean: true, keepalive: KEEPALIVE_S },
    ...{ reconnectPeriod: 0, connectTimeout: CONNECT_TIMEOUT_MS, resubscribe: false, queueQoSZero: false },
    properties: { maximumPacketSize: MAX_ANSWER_BYTES + MAX_AROUND_BYTES },
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
  })
  const waiting = new Map<string, Waiting>()
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  let failure: unknown
  client.on('error', error => {
    failure ??= error
    reject(error)
  })
  client.on('disconnect', ({ reasonCode }) => {
    failure ??= new Error(`reason ${reasonCode}`)
  })
  client.on('connect', ({ properties }) => resolve(properties?.maximumPacketSize ?? Number.POSITIVE_INFINITY))
  const failAll = (error: UplinkFailed): void => {
    for (const one of waiting.values()) one.fail(error)
    waiting.clear()
  }
  client.on('packetreceive', packet => {
    if (packet.cmd === 'puback' && packet.reasonCode === NO_SUBSCRIBERS)
      failAll(new UplinkFailed('no receiver listens at the broker', {}))
  })
  client.on('close', () => {
    lost()
    const why = failure === undefined ? '' : `: ${reasonOf(failure)}`
    const hungUp = new UplinkFailed(`the broker hung up${why}`, { cause: failure })
    reject(failure ?? hungUp)
    failAll(hungUp)
  })
  client.on('message', (_topic, payload, { properties }) => {
    const key = properties?.correlationData && hex(properties.correlationData)
    const one = key === undefined ? undefined : waiting.get(key)
    if (one) hear(state, one, { properties: properties?.userProperties ?? {}, payload })
  })
  const line = { client, waiting, answersAt: answerTopic(siteId, asker) }
  try {
    const maxBytes = await promise
    await subscribed(client, line.answersAt, options.timeoutMs ?? TIMEOUT_MS)
    return { ...line, maxBytes }
  } catch (error) {
    client.end(true)
    throw error
  }
}

/** A broker that pings and never says that it has subscribed would keep the push, and all ways behind it, for ever. */
async function subscribed(client: MqttClient, topic: string, timeoutMs: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new UplinkFailed(`the broker did not subscribe us in ${timeoutMs} ms`, {})),
    timeoutMs,
  )
  try {
    await Promise.race([client.subscribeAsync(topic, { qos: 1 }), promise])
  } finally {
    clearTimeout(timer)
  }
}

type Message = { readonly properties: Properties; readonly payload: Uint8Array }

function hear(state: State, one: Waiting, { properties, payload }: Message): void {
  const body = new Uint8Array(payload)
  const { signatures } = state.options
  const read = readAnswer({ roster: state.roster, signatures, request: one.request }, properties, body)
  if (typeof read === 'string') {
    one.passedOver = read
    return
  }
  state.knows = read.by
  const { status, retryAfter } = read.answer
  one.take({ status, retryAfter, body })
}

async function request(state: State, line: Line, { path, body, packed }: Question): Promise<Answered> {
  const { options, knows } = state
  const { siteId, clock, random, timeoutMs = TIMEOUT_MS } = options
  if (body.length + MAX_AROUND_BYTES > line.maxBytes)
    throw new UplinkFailed(`the broker takes ${line.maxBytes} bytes, this is ${body.length}`, { status: 413 })
  const parts = { method: 'POST', path, issuedAt: Math.floor(clock.wallMs()), body }
  const headers = signedHeaders(options, parts)
  const correlation = random.bytes(16)
  const key = hex(correlation)
  const properties: IClientPublishOptions['properties'] = {
    ...{ responseTopic: line.answersAt, correlationData: Buffer.from(correlation), contentType: CBOR_TYPE },
    // Nobody waits for it any longer: a cloud that comes back later need not work on it.
    messageExpiryInterval: Math.ceil(timeoutMs / 1000),
    userProperties: {
      ...headers,
      [PATH_PROPERTY]: path,
      ...(packed && { 'content-encoding': 'gzip' }),
      ...(knows !== undefined && { [KNOWS_PROPERTY]: knows }),
    },
  }
  const { promise, resolve, reject } = Promise.withResolvers<Answered>()
  const waiting: Waiting = { request: headers[SIGNATURE_HEADER] ?? '', take: resolve, fail: reject }
  line.waiting.set(key, waiting)
  const timer = setTimeout(() => reject(late(waiting, timeoutMs)), timeoutMs)
  try {
    const sent = line.client.publishAsync(requestTopic(siteId), Buffer.from(body), { qos: 1, properties })
    sent.catch((error: unknown) =>
      reject(new UplinkFailed(`the broker refused it: ${reasonOf(error)}`, { cause: error })),
    )
    return await promise
  } finally {
    clearTimeout(timer)
    line.waiting.delete(key)
  }
}

function late({ passedOver }: Waiting, timeoutMs: number): UplinkFailed {
  const instead = passedOver === undefined ? '' : `; what came was not the cloud's: ${passedOver}`
  return new UplinkFailed(`no answer in ${timeoutMs} ms${instead}`, {})
}
