// Who may read: whoever has the operator's token. Failures are counted by address, over all routes of one gate.
import { timingSafeEqual } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sha256, utf8Bytes } from '../identity/hash.ts'
import type { Clock } from '../ports.ts'
import { createAttempts } from './attempts.ts'
import { refuse } from './pushing.ts'

/** Answers the refusal, or undefined where the request may go on. */
export type ReaderGate = (request: FastifyRequest, reply: FastifyReply) => FastifyReply | undefined

/** Lets whoever has one of the tokens in. */
export function createReaderGate(tokens: readonly string[], clock: Clock): ReaderGate {
  const attempts = createAttempts(clock)
  const wanted = tokens.map(token => sha256(utf8Bytes(token)))
  return (request, reply) => {
    const wait = attempts.waitS(request.ip)
    if (wait > 0) return refuse(reply, 429, { code: 'too-many-failures', retryAfterS: wait })
    const token = /^Bearer (\S{1,256})$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    // Hashes of equal length, so that the comparison tells nothing about either.
    const hash = sha256(utf8Bytes(token))
    if (wanted.some(one => timingSafeEqual(hash, one))) return undefined
    attempts.fail(request.ip)
    return refuse(reply, 401, { code: 'bad-token' })
  }
}
