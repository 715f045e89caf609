// The register that stands in for that of a stop which names none: the newest that was heard, whatever came between.
import { expect, it } from 'vitest'
import { newRecord, noteAnswered } from '../../src/ocpp/chargers.ts'
import type { TokenRef } from '../../src/units.ts'

const timeOf = (minute: number | undefined) => ({
  raw: '',
  ...(minute !== undefined && { at: Date.UTC(2026, 4, 1, 8, minute) }),
})
type Read = readonly [wh: number, minute: number | undefined]

function heard(start: Read, ...messages: readonly (readonly Read[])[]): number | undefined {
  const record = newRecord(0)
  const tx = { connectorId: 1, stationTransactionId: 'tx' }
  const startedAt = timeOf(start[1])
  noteAnswered(
    record,
    { kind: 'start', ...tx, tokenRef: 'aa' as TokenRef, meterStartWh: start[0], startedAt },
    { kind: 'started', transactionId: 1, allowed: 'ALLOWED' },
  )
  for (const reads of messages) {
    const readings = reads.map(([energyWh, minute]) => ({
      sampledAt: timeOf(minute),
      energyWh,
    }))
    noteAnswered(record, { kind: 'meter', ...tx, readings }, { kind: 'noted' })
  }
  return record.registers.get('tx')?.wh
}

it.each([
  ['the start, where nothing else was said', [[1000, 0]], 1000],
  ['the newest', [[1000, 0], [[1500, 5]], [[2000, 10]]], 2000],
  ['not what is replayed behind it', [[1000, 0], [[2000, 10]], [[1500, 5]]], 2000],
  ['not a slip before it', [[1000, 0], [[900_000, 5]], [[2000, 10]]], 2000],
  [
    'not a slip before it in one message',
    [
      [1000, 0],
      [
        [900_000, 5],
        [2000, 10],
      ],
    ],
    2000,
  ],
  [
    'the highest, where no clock was set',
    [[1000, undefined], [[2000, undefined]], [[1500, undefined]]],
    2000,
  ],
] as const)('%s', (_what, [start, ...messages], wh) => {
  expect(heard(start as Read, ...(messages as readonly (readonly Read[])[]))).toBe(wh)
})
