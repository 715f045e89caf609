// What a question is answered with: segments of the logs that were asked for, objects, and the proof of a fork. Each is
// answered once however often it is named, and no peer gets more than its queue could hold.

import { type Remember, readAnew } from '../remember.ts'
import { type DeviceId, type LogId, sameBytes } from '../units.ts'
import { type Log, type Logs, shortHash } from './logs.ts'
import type { Want } from './message.ts'
import type { Objects } from './objects.ts'
import { ANSWER_BURST_BYTES, type Peer } from './peer.ts'
import { MAX_OUTSTANDING, WINDOW_SEGMENTS } from './questions.ts'
import { evidence, nameOf, objectPages, type Send, segmentMessage, sendOf } from './sends.ts'

/** How fast answers to one peer are allowed again: the rate at which a peer may talk to us. */
const ANSWER_BYTES_PER_MS = 16 * 1024
/** Both branches of a forked log go to one peer at most this often. */
const PROOF_EVERY_MS = 10_000
/** ... and this often where only its digest differs from ours; so many at once. */
const PROOF_AGAIN_MS = 60_000
const MAX_PROOFS = 4
/** What a cut is taken to weigh. */
const CUT_BYTES = 1024

export type Asker = { readonly id: DeviceId; readonly peer: Peer; readonly nowMs: number }

export type Answers = {
  readonly answer: (asker: Asker, want: Want) => readonly Send[]
  /** Both branches from where they part: whoever holds one of them sees the other, and freezes the log too. */
  readonly proof: (asker: Asker, log: Log) => readonly Send[]
  /** Up to its fork a frozen log looks like any other, so whoever holds only that much is shown the rest unasked. */
  readonly proofs: (asker: Asker) => readonly Send[]
}

export type AnswersDeps = {
  readonly logs: Logs
  readonly objects: Objects
  readonly remember?: Remember
}

export function createAnswers({ logs, objects, remember = readAnew }: AnswersDeps): Answers {
  const proof = ({ id, peer, nowMs }: Asker, log: Log): readonly Send[] => {
    const provedAtMs = peer.provedAt.get(log.logId)
    if (!log.fork || (provedAtMs !== undefined && nowMs - provedAtMs < PROOF_EVERY_MS)) return []
    peer.provedAt.set(log.logId, nowMs)
    const ours = logs.segments(log.logId, log.fork.seq, 1)
    return [...ours.map(segment => sendOf(id, segment, false)), evidence(id, log, log.fork)]
  }

  const ofLog = (to: DeviceId, asked: Want['logs'][number]): readonly Send[] => {
    const log = logs.get(asked.logId)
    if (!log) return []
    const before = asked.fromSeq > 0 ? log.hashes[asked.fromSeq - 1] : undefined
    const branch =
      before !== undefined && asked.prevHash.length === 8 && !sameBytes(shortHash(before), asked.prevHash)
    const wanted = Math.min(branch ? 0 : asked.fromSeq, log.fork?.seq ?? Number.MAX_SAFE_INTEGER)
    const fromSeq = Math.max(wanted, log.base)
    const segments = logs.segments(asked.logId, fromSeq, WINDOW_SEGMENTS)
    const nextSeq = segments.at(-1)?.nextSeq ?? fromSeq
    const more = nextSeq <= (log.fork ? log.fork.seq : log.head.seq)
    const sends = segments.map((segment, i): Send => {
      const isCut = more && i === segments.length - 1
      const message = remember(isCut ? 'answer-and-more' : 'answer', segment, () =>
        segmentMessage(segment, isCut),
      )
      return { to, message }
    })
    // What was pruned is answered with what stands for it, before what follows on it.
    if (log.cut && wanted < log.base)
      sends.unshift({ to, message: { kind: 'cut', logId: log.logId, ...log.cut.words } })
    // Nobody gets one branch of a forked log without the other.
    return log.fork && !more ? [...sends, evidence(to, log, log.fork)] : sends
  }

  return {
    proof,
    proofs: asker => {
      const sends: Send[] = []
      let left = MAX_PROOFS
      for (const log of logs.forked()) {
        const provedAtMs = asker.peer.provedAt.get(log.logId) ?? Number.NEGATIVE_INFINITY
        if (left === 0 || asker.nowMs - provedAtMs < PROOF_AGAIN_MS) continue
        left -= 1
        sends.push(...proof(asker, log))
      }
      return sends
    },
    answer: ({ id, peer, nowMs }, want) => {
      const earned = (nowMs - peer.answeredAtMs) * ANSWER_BYTES_PER_MS
      peer.answerBytes = Math.min(ANSWER_BURST_BYTES, peer.answerBytes + earned)
      peer.objectBytes = Math.min(ANSWER_BURST_BYTES, peer.objectBytes + earned)
      peer.answeredAtMs = nowMs
      const sends: Send[] = []
      const asked = new Map<LogId, Want['logs'][number]>(want.logs.map(one => [one.logId, one]))
      for (const one of [...asked.values()].slice(0, MAX_OUTSTANDING)) {
        if (peer.answerBytes <= 0) break
        const answers = ofLog(id, one)
        for (const { message } of answers)
          if (message.kind === 'segment') peer.answerBytes -= message.update.length
          else if (message.kind === 'cut') peer.answerBytes -= CUT_BYTES
        sends.push(...answers)
      }
      const held: Uint8Array[] = []
      for (const name of new Set(want.objects.map(nameOf))) {
        const object = objects.get(name)
        if (!object || peer.objectBytes <= 0) continue
        peer.objectBytes -= object.encoded.length
        held.push(object.encoded)
      }
      return [...sends, ...objectPages(held).map(message => ({ to: id, message }))]
    },
  }
}
