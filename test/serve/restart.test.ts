// A start that looks like an earlier one said again: when it is that, and when a charger that counts every session from
// the same register has lost the stop in between. Seen of ocpp-virtual-charge-point, which crashes with its server.
import { describe, expect, it } from 'vitest'
import { campus, carry, gist, HOUR_MS, MINUTE_MS, meet } from './charging.ts'

function twoNodes() {
  const site = campus()
  const [a, b] = [site.node('a'), site.node('b')]
  site.publish(a, b)
  return { a, b }
}

describe('a start with the words of an earlier one that was never stopped', () => {
  it('is another session where energy was metered in between: the charger lost the stop and counts each from 0', () => {
    const { a, b } = twoNodes()
    const at = a.clock.at
    const words = { meterStartWh: 0 }
    const first = a.start({ ...words, at })
    a.clock.at = b.clock.at = at + HOUR_MS
    a.meter({ transactionId: first.transactionId, energyWh: 750, at: at + MINUTE_MS })
    carry(a, b)
    const second = b.start({ ...words, at: at + HOUR_MS })
    b.stop({ transactionId: second.transactionId, meterStopWh: 400, at: at + 2 * HOUR_MS })
    meet(a, b)
    expect(gist(a.of())).toEqual(gist(b.of()))
    expect(a.of().sessions).toMatchObject([
      { state: 'charging', registerWh: 750, flags: [] },
      { state: 'completed', energyWh: 400, flags: [] },
    ])
    // The queue was not lost after all: what the first took is billed as well.
    a.stop({ transactionId: first.transactionId, meterStopWh: 800, at: at + 2 * MINUTE_MS })
    expect(a.of().sessions.map(({ energyWh }) => energyWh)).toEqual([800, 400])
  })

  it('is one session where the readings went on after the start was said again', () => {
    const { a } = twoNodes()
    const at = a.clock.at
    const first = a.start({ meterStartWh: 0, at })
    a.clock.at += HOUR_MS
    a.start({ meterStartWh: 0, at: at + MINUTE_MS })
    a.meter({ transactionId: first.transactionId, energyWh: 750, at: at + 2 * MINUTE_MS })
    expect(a.only()).toMatchObject({ state: 'charging', flags: ['restarted-clock'] })
  })
})
