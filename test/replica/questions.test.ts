// How much is asked for at a time: what answers bring must fit the queue of the peer that gives them, or the end of them
// is lost and waited for in vain.
import { beforeEach, expect, it } from 'vitest'
import { createLogs } from '../../src/replica/logs.ts'
import {
  createQuestions,
  MAX_OUTSTANDING,
  type Questions,
  WANT_TIMEOUT_MS,
} from '../../src/replica/questions.ts'
import type { DeviceId, LogId } from '../../src/units.ts'

const peer = 'aa'.repeat(16) as DeviceId
const logOf = (i: number): LogId => i.toString(16).padStart(32, '0') as LogId

let questions: Questions
beforeEach(() => {
  questions = createQuestions(createLogs())
  questions.open(peer)
})

function claim(logs: number, seq: number): void {
  for (let i = 0; i < logs; i++) questions.claimed(peer, { logId: logOf(i), seq, hash: new Uint8Array(8) })
}

it('of long logs only as many are asked for as fit a queue of 1 MiB', () => {
  claim(20, 100_000)
  expect(questions.due(peer, 0)).toHaveLength(4)
  expect(questions.due(peer, 1)).toEqual([])
})

it('of short logs as many are asked for as a question may name', () => {
  claim(40, 5)
  expect(questions.due(peer, 0)).toHaveLength(MAX_OUTSTANDING)
})

it('a question that was never answered does not take the room of others for ever', () => {
  claim(20, 100_000)
  const asked = questions.due(peer, 0).map(({ logId }) => logId)
  const later = questions.due(peer, WANT_TIMEOUT_MS).map(({ logId }) => logId)
  expect(later).toHaveLength(4)
  expect(later.filter(logId => asked.includes(logId))).toHaveLength(4)
})
