// A question to one connected node and its answer, on a stream of their own: who holds a charger, and commands to it
// (commanding.ts). Apart from the replica's stream, so that no command waits behind a catch-up. Only certified devices are
// asked or answered; software that does not know this protocol refuses the stream, and the question has no answer.
import type { Connection, Stream } from '@libp2p/interface'
import { InvariantBroken, MeshError, reasonOf } from '../errors.ts'
import { MAX_ORDER_BYTES } from '../identity/order.ts'
import type { Clock, Logger } from '../ports.ts'
import type { DeviceId } from '../units.ts'
import { frame, frameReader } from './framing.ts'
import { type Bucket, createBucket } from './network-bucket.ts'

export const ASK_PROTOCOL = '/chargemesh/command/1'
/** Questions of one connection under way at a time; a charger may take its time with each. */
const MAX_AT_ONCE = 6
export const ASK_STREAMS = {
  ...{ maxInboundStreams: MAX_AT_ONCE, maxOutboundStreams: MAX_AT_ONCE, runOnLimitedConnection: false },
}
/** In base64, and the words around it. */
const MAX_QUESTION_BYTES = 2 * MAX_ORDER_BYTES
/** All settings of a charger, at their longest. */
const MAX_ANSWER_BYTES = 512 * 1024
/** Questions of one device that are answered a second. */
const MAX_ASKED_PER_S = 20
/** A question arrives whole within this time. */
const HEARING_MS = 5000

export type Answer = (from: DeviceId, question: Uint8Array) => Promise<Uint8Array>

export type AskingDeps = {
  readonly clock: Clock
  readonly logger: Logger
  readonly connectionTo: (deviceId: DeviceId) => Connection | undefined
  /** What it awaits may take as long as a charger does. Without it nobody is answered. */
  readonly answer: Answer | undefined
}

export type Asking = {
  /** Rejects with NODE_UNREACHABLE: not connected, or no answer in that time. */
  readonly ask: (to: DeviceId, question: Uint8Array, withinMs: number) => Promise<Uint8Array>
  /** A stream that a verified device has opened. */
  readonly accept: (from: DeviceId, stream: Stream) => void
}

export function createAsking({ clock, logger, connectionTo, answer }: AskingDeps): Asking {
  const heard = new Map<DeviceId, Bucket>()

  const mayAsk = (from: DeviceId): boolean => {
    const nowMs = clock.monotonicMs()
    // Certified devices only: as many as a site has.
    const bucket = heard.get(from) ?? createBucket(MAX_ASKED_PER_S, nowMs)
    heard.set(from, bucket)
    return bucket.take(1, nowMs) >= 0
  }

  async function reply(stream: Stream, answering: Promise<Uint8Array>): Promise<void> {
    try {
      stream.send(frame(await answering))
      await stream.close({ signal: AbortSignal.timeout(HEARING_MS) })
    } catch (error) {
      if (error instanceof InvariantBroken) throw error
      logger.debug('network.asking', { reason: reasonOf(error) })
      stream.abort(new Error('not answered'))
    }
  }

  return {
    ask: async (to, question, withinMs) => {
      const connection = connectionTo(to)
      if (!connection) throw new MeshError('NODE_UNREACHABLE', 'that node is not connected to this one')
      const signal = AbortSignal.timeout(withinMs)
      try {
        const stream = await connection.newStream(ASK_PROTOCOL, { signal, maxOutboundStreams: MAX_AT_ONCE })
        return await spoken(stream, question, signal)
      } catch (error) {
        throw new MeshError('NODE_UNREACHABLE', `no answer of that node: ${reasonOf(error)}`, error)
      }
    },
    accept: (from, stream) => {
      if (!answer || !mayAsk(from)) {
        stream.abort(new Error('not answered here, or asked too often'))
        return
      }
      const reader = frameReader(MAX_QUESTION_BYTES)
      const giveUp = setTimeout(() => stream.abort(new Error('too slow')), HEARING_MS)
      let isHeard = false
      stream.addEventListener('close', () => clearTimeout(giveUp))
      stream.addEventListener('message', ({ data }) => {
        if (isHeard) return
        const read = reader.push(data.subarray())
        if (read.kind === 'oversize') stream.abort(new Error('oversize'))
        else if (read.messages[0]) {
          isHeard = true
          clearTimeout(giveUp)
          void reply(stream, answer(from, read.messages[0]))
        }
      })
    },
  }
}

function spoken(stream: Stream, question: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const reader = frameReader(MAX_ANSWER_BYTES)
  const fail = (reason: string): void => {
    reject(new Error(reason))
    stream.abort(new Error(reason))
  }
  const late = (): void => fail('it took too long')
  signal.addEventListener('abort', late)
  if (signal.aborted) late()
  stream.addEventListener('message', ({ data }) => {
    const read = reader.push(data.subarray())
    if (read.kind === 'oversize') fail('its answer is too long')
    else if (read.messages[0]) {
      resolve(read.messages[0])
      stream.close().catch(() => stream.abort(new Error('answered')))
    }
  })
  stream.addEventListener('close', () => {
    signal.removeEventListener('abort', late)
    reject(new Error('it closed the stream'))
  })
  try {
    stream.send(frame(question))
  } catch (error) {
    fail(reasonOf(error))
  }
  return promise
}
