import { describe, expect, it } from 'vitest'
import { isStartAcked } from '../../src/session/acked.ts'
import type { LogId } from '../../src/units.ts'
import { campus, meet } from '../serve/charging.ts'

describe('a session that moved from node to node', () => {
  it('is the cloud’s when that has committed a start of it and its price, wherever they stand', () => {
    const { node, grant, publish, tariff } = campus()
    const [a, b] = [node('a'), node('b')]
    tariff('0.25')
    grant()
    publish(a, b)
    const { transactionId } = a.start()
    meet(a, b)
    b.stop({ transactionId })
    const session = b.only()
    const { ref } = session.start
    const priced = session.pricing?.ref.seq ?? 0
    expect(session.end?.ref.logId).not.toBe(ref.logId)
    expect(priced).toBeGreaterThan(ref.seq)
    const upTo = (seq: number) => (logId: LogId) => (logId === ref.logId ? seq : 1000)
    expect(isStartAcked(session, upTo(ref.seq - 1))).toBe(false)
    expect(isStartAcked(session, upTo(ref.seq))).toBe(false)
    expect(isStartAcked(session, upTo(priced))).toBe(true)
  })
})
