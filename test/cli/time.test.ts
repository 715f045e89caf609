// Times on the command line: what is understood, and what is refused instead of guessed.
import { describe, expect, it } from 'vitest'
import { instantOf } from '../../src/cli/time.ts'
import { MeshError } from '../../src/errors.ts'

const NOW = 1_780_000_000_000

describe('a time on the command line', () => {
  it.each([
    ['now', NOW],
    ['2026-07-04', Date.UTC(2026, 6, 4)],
    ['2026-07-04T08:00Z', Date.UTC(2026, 6, 4, 8)],
    ['2026-07-04T08:00:30Z', Date.UTC(2026, 6, 4, 8, 0, 30)],
    ['2026-07-04T08:00:30.5Z', Date.UTC(2026, 6, 4, 8, 0, 30, 500)],
    ['2026-07-04T08:00+02:00', Date.UTC(2026, 6, 4, 6)],
    ['2026-07-04T08:00-05:30', Date.UTC(2026, 6, 4, 13, 30)],
    ['2026-07-04T08:00', new Date(2026, 6, 4, 8).getTime()],
    ['2028-02-29', Date.UTC(2028, 1, 29)],
    ['1970-01-01', 0],
  ])('%s is understood', (text, at) => {
    expect(instantOf('--from', text, NOW)).toBe(at)
  })

  it.each([
    '',
    'tomorrow',
    'NOW',
    '1780000000000',
    '04.07.2026',
    '2026-7-4',
    '2026-07-04 08:00',
    '2026-07-04T8:00',
    '2026-07-04T08',
    '2026-07-04T08:00z',
    '2026-07-04T08:00+0200',
    '2026-13-01',
    '2026-00-10',
    '2026-06-31',
    '2026-02-29',
    '2026-02-30T10:00Z',
    '2026-07-04T25:00Z',
    '2026-07-04T24:00Z',
    '2026-07-04T08:60Z',
    '1969-12-31',
    '2026-07-04\n',
  ])('%j is refused, with the option and an example', text => {
    expect(() => instantOf('--until', text, NOW)).toThrow(MeshError)
    expect(() => instantOf('--until', text, NOW)).toThrow(/--until .*wanted a time such as 2026-07-04T08:00/s)
  })
})
