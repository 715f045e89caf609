// What is read of a charger's meter values, as a table: every unit, phase, place, measurand and context (OCPP 1.6
// section 7.31 ff., 2.0.1 part 2 appendix). `reads` leaves out the time of sampling, which is always the value's own.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { readings } from '../../src/ocpp/meter.ts'
import { fieldsOf, type Repairs } from '../../src/ocpp/repair.ts'

type Row = {
  readonly name: string
  readonly version: string
  readonly meterValue: unknown
  readonly reads: readonly Readonly<Record<string, unknown>>[]
  readonly repairs: readonly string[]
}

const rows: readonly Row[] = JSON.parse(
  readFileSync(new URL('../fixtures/ocpp/meter-values.json', import.meta.url), 'utf8'),
)

describe('meter values become readings', () => {
  it.each(rows)('$name', ({ meterValue, reads, repairs }) => {
    const found: Repairs = new Set()
    const read = readings(fieldsOf({ meterValue }, found), 'meterValue')
    expect(read.map(({ sampledAt: _, ...rest }) => rest)).toEqual(reads)
    expect(read.every(({ sampledAt }) => sampledAt.raw === '2026-05-01T10:00:00Z')).toBe(true)
    expect([...found].sort()).toEqual(repairs)
  })

  it('has a row for each of these and more', () => {
    expect(rows.length).toBeGreaterThanOrEqual(60)
    expect(new Set(rows.map(row => row.name)).size).toBe(rows.length)
  })
})
