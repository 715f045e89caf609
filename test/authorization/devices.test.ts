// What a revoked device's logs still count for (PROTOCOL 1.7, 2.6).
import { describe, expect, it } from 'vitest'
import { createDevices, type Epoch, limitsOf, type Revoked } from '../../src/authorization/devices.ts'
import type { EventRef } from '../../src/log/body.ts'
import type { DeviceId, EventHash, LogId } from '../../src/units.ts'

const log = (name: string): LogId => name.repeat(32) as LogId
const [A, B, C, D] = ['a', 'b', 'c', 'd'].map(log) as [LogId, LogId, LogId, LogId]
const device = '01'.repeat(16) as DeviceId
const at = (logId: LogId, seq: number): EventRef => ({ logId, seq, hash: '00'.repeat(32) as EventHash })
/** The log before it ended with event 9, by its author's word. */
const epoch = (logId: LogId, prev?: LogId, serial = 1): Epoch => ({
  ...{ logId, serial, prev: prev && { logId: prev, seq: 9 } },
})
const cut = (cutoff: readonly EventRef[], serial = 1): Revoked => ({ serial, cutoff: [...cutoff] })
const ALL = Number.POSITIVE_INFINITY
/** Up to event 9, where the next one says that it ended. */
const ENDED = 10
/** Three boots of one device, one after the other. */
const CHAIN = [epoch(A), epoch(B, A), epoch(C, B)]

describe('of a revoked device', () => {
  it.each<[string, readonly Epoch[], readonly Revoked[], readonly number[]]>([
    ['everything counts that no revocation speaks of', CHAIN, [], [ALL, ALL, ALL]],
    [
      'a named log counts up to there, those before it up to where the next one says that they ended',
      CHAIN,
      [cut([at(B, 7)])],
      [ENDED, 8, 0],
    ],
    ['nothing counts where nothing is named', CHAIN, [cut([])], [0, 0, 0]],
    ['two logs may be named', CHAIN, [cut([at(A, 2), at(C, 0)])], [3, ENDED, 1]],
    ['the strictest of several revocations counts', CHAIN, [cut([at(C, 9)]), cut([at(B, 3)])], [ENDED, 4, 0]],
    [
      'a log that follows none of those named counts not at all',
      [epoch(A), epoch(D)],
      [cut([at(A, 1)])],
      [2, 0],
    ],
    ['a newer certificate speaks for itself', [epoch(A), epoch(B, A, 2)], [cut([at(A, 1)])], [2, ALL]],
    [
      'epochs that name one another in a circle end',
      [epoch(A, B), epoch(B, A)],
      [cut([at(A, 4)])],
      [5, ENDED],
    ],
  ])('%s', (_, epochs, revoked, limits) => {
    expect([...limitsOf(epochs, revoked).values()]).toEqual(limits)
    expect([...limitsOf(epochs.toReversed(), revoked).values()]).toEqual(limits.toReversed())
  })
})

it('a device is revoked up to the serial that was named', () => {
  const devices = createDevices()
  expect(devices.isRevoked({ deviceId: device, serial: 4 })).toBe(false)
  devices.addRevocation({ deviceId: device, serial: 4, cutoff: [] })
  expect([3, 4, 5].map(serial => devices.isRevoked({ deviceId: device, serial }))).toEqual([
    true,
    true,
    false,
  ])
  expect(devices.limitOf(device, A)).toBe(0)
  expect(devices.limitOf('02'.repeat(16) as DeviceId, A)).toBe(ALL)
})
