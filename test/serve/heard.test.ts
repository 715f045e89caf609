// What chargers say of updates, uploads and alarms: what is kept, and how much of it.
import { describe, expect, it } from 'vitest'
import { createHeard } from '../../src/heard.ts'
import type { ChargerMessage } from '../../src/ports.ts'
import type { ChargerId } from '../../src/units.ts'

const MINUTE_MS = 60_000
const input = (message: ChargerMessage, chargerId = 'CP01') => ({
  ...{ chargerId: chargerId as ChargerId, connectionId: 1, message, repairs: [] },
})
const alarm = (raw: string) =>
  input({ kind: 'security', event: 'TamperDetectionActivated', occurredAt: { raw } })

describe('alarms', () => {
  it('are written down, until a charger says too many: the last one says so', () => {
    const counted: string[] = []
    const heard = createHeard(name => void counted.push(name))
    const written = Array.from({ length: 500 }, (_, i) => heard.alarms(alarm(`t${i}`), 1000 + i)).flat()
    expect(written).toHaveLength(20)
    expect(written[0]).toEqual({
      name: 'diagnostics',
      body: { code: 'security-event', detail: 'TamperDetectionActivated t0', chargerId: 'CP01' },
    })
    expect(written.at(-1)).toMatchObject({
      body: { detail: 'TamperDetectionActivated t19; what follows soon is only counted' },
    })
    expect(counted).toEqual(Array.from({ length: 480 }, () => 'charger.alarmsUnwritten'))
    // One charger's noise takes no other's room.
    expect(heard.alarms({ ...alarm('t'), chargerId: 'CP02' as ChargerId }, 2000)).toHaveLength(1)
  })

  it('find room again, one each three minutes, and never more than at first', () => {
    const heard = createHeard(() => undefined)
    const flood = (atMs: number): number =>
      Array.from({ length: 100 }, () => heard.alarms(alarm('t'), atMs)).flat().length
    expect(flood(0)).toBe(20)
    expect(flood(6 * MINUTE_MS)).toBe(2)
    expect(flood(60 * 24 * MINUTE_MS)).toBe(20)
  })
})

it('make, firmware and what is under way are remembered, and survive a boot', () => {
  const heard = createHeard(() => undefined)
  const id = 'CP01' as ChargerId
  expect(heard.of(id)).toEqual({})
  heard.note(input({ kind: 'progress', of: 'firmware', status: 'Installing', requestId: 7 }), 5)
  heard.note(input({ kind: 'progress', of: 'log', status: 'Uploading', requestId: 0 }), 6)
  heard.note(input({ kind: 'boot', vendor: 'v', model: 'm', firmware: '2' }), 7)
  heard.note(input({ kind: 'heartbeat' }), 8)
  expect(heard.of(id)).toEqual({
    ...{ vendor: 'v', model: 'm', firmware: '2', bootedAtMs: 7 },
    update: { status: 'Installing', requestId: 7, atMs: 5 },
    upload: { status: 'Uploading', requestId: 0, atMs: 6 },
  })
})
