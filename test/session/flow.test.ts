// A stop that names no session and says more than can have flowed is not the stop of the one that is open.
import { expect, it } from 'vitest'
import { campus, HOUR_MS } from '../serve/charging.ts'

it('is left to people when it stands at a register that no plug can have reached', () => {
  const node = campus().node('a')
  node.start({ meterStartWh: 1000 })
  node.clock.at += HOUR_MS
  node.stop({ transactionId: -1, meterStopWh: 600_000 })
  expect(node.of()).toMatchObject({ sessions: [{ state: 'charging' }], orphanEnds: [{}] })
  node.stop({ transactionId: -1, meterStopWh: 351_000 })
  expect(node.of()).toMatchObject({ sessions: [{ energyWh: 350_000 }], orphanEnds: [{}] })
})

it('says nothing against a stop whose clock was never set', () => {
  const node = campus().node('a')
  node.start({ meterStartWh: 1000 })
  node.stop({ transactionId: -1, meterStopWh: 600_000, at: 5000 })
  expect(node.only()).toMatchObject({ energyWh: 599_000, flags: expect.arrayContaining(['joined-by-fit']) })
})
