// What a node is known to hold of the operator's words follows from its own signed ones, in whatever order its logs came; an
// old image that was put back knows no more than it did then.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createKnowledge, type Knowledge } from '../../src/authorization/knowledge.ts'
import type { EventRef } from '../../src/log/body.ts'
import type { DeviceId, EventHash, LogId } from '../../src/units.ts'

const NODE = 'aa'.repeat(16) as DeviceId
const HASH = '00'.repeat(32) as EventHash
const at = (log: string, seq: number): EventRef => ({ logId: log.repeat(32) as LogId, seq, hash: HASH })
const REVOKED = at('f', 7)

type Epoch = {
  readonly log: string
  readonly hlc: bigint
  readonly prev?: EventRef
  readonly storeState?: 'intact' | 'lossy' | 'fresh'
  /** Events behind the opening, each with the head of the operator's log that it names. */
  readonly heads?: readonly number[]
}

function tell(knowledge: Knowledge, { log, hlc, prev, storeState = 'intact', heads = [] }: Epoch): void {
  const place = (seq: number) => ({ ...at(log, seq), hlc: hlc + BigInt(seq) })
  knowledge.opened(NODE, place(0), { storeState, ...(prev && { prev }) })
  heads.forEach((seq, i) => void knowledge.said(NODE, place(i + 1), [at('f', seq)]))
}

function since(...epochs: readonly Epoch[]): bigint | undefined {
  const knowledge = createKnowledge()
  for (const epoch of epochs) tell(knowledge, epoch)
  return knowledge.heldSince(NODE, REVOKED)
}

describe('a node', () => {
  it('is known to hold a revocation from the first word that names it or a later one', () => {
    expect(since()).toBeUndefined()
    expect(since({ log: '1', hlc: 100n, heads: [6] })).toBeUndefined()
    expect(since({ log: '1', hlc: 100n, heads: [6, 9, 12] })).toBe(102n)
    expect(since({ log: '1', hlc: 100n, heads: [7] })).toBe(101n)
  })

  it('still holds it after a reboot, whatever of its old log came later', () => {
    const first: Epoch = { log: '1', hlc: 100n, heads: [9, 9] }
    expect(since(first, { log: '2', hlc: 200n, prev: at('1', 2) })).toBe(101n)
  })

  it('holds what it said only up to the place that its next epoch follows: an old image knows no more', () => {
    const first: Epoch = { log: '1', hlc: 100n, heads: [3, 9] }
    expect(since(first, { log: '2', hlc: 200n, prev: at('1', 1) })).toBeUndefined()
    const learned: Epoch = { log: '2', hlc: 200n, prev: at('1', 1), heads: [8] }
    expect(since(first, learned)).toBe(201n)
  })

  it('is asked anew where its store lost something', () => {
    const first: Epoch = { log: '1', hlc: 100n, heads: [9] }
    for (const storeState of ['lossy', 'fresh'] as const)
      expect(since(first, { log: '2', hlc: 200n, prev: at('1', 1), storeState })).toBeUndefined()
  })

  it('is known alike in whatever order its logs came', () => {
    const epochs: readonly Epoch[] = [
      { log: '1', hlc: 100n, heads: [2, 8] },
      { log: '2', hlc: 200n, prev: at('1', 2), heads: [9] },
      { log: '3', hlc: 300n, prev: at('2', 1) },
    ]
    const orders = fc.shuffledSubarray([...epochs], { minLength: 3 })
    fc.assert(fc.property(orders, order => void expect(since(...order)).toBe(102n)))
  })

  it('runs into no ring of epochs that a forger made', () => {
    const ring: readonly Epoch[] = [
      { log: '1', hlc: 100n, prev: at('2', 5) },
      { log: '2', hlc: 200n, prev: at('1', 5) },
    ]
    expect(since(...ring)).toBeUndefined()
  })

  it('owes a word about the newest revocation of each log until it has said one', () => {
    const knowledge = createKnowledge()
    tell(knowledge, { log: '1', hlc: 100n, heads: [6] })
    for (const ref of [at('f', 4), REVOKED, at('e', 1)]) knowledge.revoked(ref)
    expect(knowledge.owedBy(NODE)).toEqual([REVOKED, at('e', 1)])
    knowledge.said(NODE, { ...at('1', 2), hlc: 102n }, [REVOKED])
    expect(knowledge.owedBy(NODE)).toEqual([at('e', 1)])
  })
})
