// What a node says of the revocations that it holds.
import { expect, it } from 'vitest'
import type { Ledger } from '../../src/ledger.ts'
import type { EventRef } from '../../src/log/body.ts'
import type { DeviceId, EventHash, LogId } from '../../src/units.ts'
import { createWitness } from '../../src/witness.ts'

const SELF = 'dd'.repeat(16) as DeviceId
const OWED: EventRef = { logId: 'aa'.repeat(16) as LogId, seq: 1, hash: 'bb'.repeat(32) as EventHash }

it('says nothing once its own device is revoked: that would count for nobody, and never be done', () => {
  let isRevoked = false
  let changes = 0
  const ledger = {
    view: () => ({ changes: () => ++changes, knowledge: { owedBy: () => [OWED] } }),
    isRevoked: (deviceId: DeviceId) => deviceId === SELF && isRevoked,
  } as unknown as Ledger
  const witness = createWitness(SELF)
  expect(witness.due(ledger, 0)).toEqual([{ name: 'checkpoint', body: { heads: [OWED] } }])
  isRevoked = true
  for (let nowMs = 10_000; nowMs <= 600_000; nowMs += 10_000) expect(witness.due(ledger, nowMs)).toEqual([])
})
