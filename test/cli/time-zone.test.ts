// What clocks on walls show, from this machine's tables into a tariff.
import { describe, expect, it } from 'vitest'
import { instantOfWall, offsetsOf } from '../../src/cli/time-zone.ts'
import { MeshError } from '../../src/errors.ts'
import { offsetAt } from '../../src/tariff/hours.ts'

const NOW = Date.UTC(2026, 10, 22)

describe('the offsets of a time zone', () => {
  it.each([
    ['Europe/Berlin', 60, '2026-03-29T01:00:00.000Z', 120, '2026-10-25T01:00:00.000Z', 60],
    ['America/New_York', -300, '2026-03-08T07:00:00.000Z', -240, '2026-11-01T06:00:00.000Z', -300],
    ['Australia/Lord_Howe', 660, '2026-04-04T15:00:00.000Z', 630, '2026-10-03T15:30:00.000Z', 660],
  ])('of %s change twice a year, to the minute', (zone, first, springAt, spring, autumnAt, autumn) => {
    const offsets = offsetsOf(zone, NOW)
    expect(offsets[0]).toEqual({ fromAt: NOW - 365 * 24 * 3600 * 1000, minutes: first })
    expect(
      offsets.slice(1, 3).map(({ fromAt, minutes }) => [new Date(fromAt).toISOString(), minutes]),
    ).toEqual([
      [springAt, spring],
      [autumnAt, autumn],
    ])
    expect(offsets.length).toBe(23)
    expect(offsetAt(offsets, Date.parse(springAt) / 1000 - 1)).toBe(first)
    expect(offsetAt(offsets, Date.parse(springAt) / 1000)).toBe(spring)
  })

  it.each([
    ['Asia/Kolkata', 330],
    ['UTC', 0],
    ['America/Argentina/Buenos_Aires', -180],
  ])('of %s never change', (zone, minutes) => {
    expect(offsetsOf(zone, NOW).map(one => one.minutes)).toEqual([minutes])
  })

  it('reach ten years, and no zone has more of them than a tariff holds', () => {
    for (const zone of Intl.supportedValuesOf('timeZone').filter((_, i) => i % 20 === 0)) {
      const offsets = offsetsOf(zone, NOW)
      expect(offsets.length, zone).toBeLessThanOrEqual(64)
      for (const [i, { fromAt, minutes }] of offsets.entries()) {
        expect(minutes, zone).not.toBe(offsets[i - 1]?.minutes)
        expect(fromAt, zone).toBeGreaterThan(offsets[i - 1]?.fromAt ?? -1)
      }
    }
    expect(new Date(offsetsOf('Europe/Berlin', NOW).at(-1)?.fromAt ?? 0).toISOString()).toBe(
      '2036-10-26T01:00:00.000Z',
    )
  })

  it('of a zone that nobody knows are refused by name', () => {
    expect(() => offsetsOf('Europe/Bern', NOW)).toThrow(MeshError)
    expect(() => offsetsOf('Europe/Bern', NOW)).toThrow(
      '--time-zone Europe/Bern: wanted a zone of the IANA database',
    )
  })
})

describe('an hour on the wall', () => {
  const berlin = offsetsOf('Europe/Berlin', NOW)
  it.each([
    ['2026-12-24T17:30', '2026-12-24T16:30:00.000Z'],
    ['2026-07-04T08:00', '2026-07-04T06:00:00.000Z'],
    // Shown twice: the first.
    ['2026-10-25T02:30', '2026-10-25T00:30:00.000Z'],
    // Never shown.
    ['2026-03-29T02:30', '2026-03-29T01:30:00.000Z'],
  ])('%s in Berlin is %s', (shown, at) => {
    expect(new Date(instantOfWall(berlin, Date.parse(`${shown}Z`))).toISOString()).toBe(at)
  })
})
