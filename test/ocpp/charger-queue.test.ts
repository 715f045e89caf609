import { describe, expect, it } from 'vitest'
import type { CallResult } from '../../simulations/charger/line.ts'
import { createQueue } from '../../simulations/charger/queue.ts'

describe("a virtual charger's queue", () => {
  it('fixes a payload when it is first sent, and keeps the order over failures and lost lines', async () => {
    const script: CallResult[] = [
      { kind: 'timeout' },
      { kind: 'error', code: 'InternalError' },
      { kind: 'offline' },
      { kind: 'result', payload: { transactionId: 4 } },
      { kind: 'result', payload: {} },
    ]
    const sent: unknown[] = []
    const line = { up: true }
    const queue = createQueue({
      call: async (action, payload) => {
        sent.push([action, payload])
        const result = script.shift() ?? { kind: 'offline' }
        if (result.kind === 'offline') line.up = false
        return result
      },
      ready: () => line.up,
      attempts: () => Number.POSITIVE_INFINITY,
      retryIntervalMs: () => 0,
    })
    let built = 0
    const confirmed: unknown[] = []
    for (const action of ['StartTransaction', 'StopTransaction'] as const) {
      queue.push({
        action,
        isReading: false,
        payload: () => ({ built: ++built }),
        onConfirmed: payload => confirmed.push(payload),
      })
    }
    // The script ends the first run with a lost line; what is left waits for a kick.
    while (line.up) await new Promise(resolve => setImmediate(resolve))
    expect(queue.size()).toBe(2)
    await Promise.resolve()
    line.up = true
    queue.kick()
    await queue.settled()
    expect(sent).toEqual([
      ...Array.from({ length: 4 }, () => ['StartTransaction', { built: 1 }]),
      ['StopTransaction', { built: 2 }],
    ])
    expect(confirmed).toEqual([{ transactionId: 4 }, {}])
    expect(queue.discarded()).toEqual([])
  })
})
