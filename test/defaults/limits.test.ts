// A limit in the unit that the charger takes: nothing made up, and never more than was said.
import { describe, expect, it } from 'vitest'
import { type Cap, capabilitiesIn, limitFor, safeProfile } from '../../src/defaults/limits.ts'

const can = (values: Readonly<Record<string, string>> = {}) =>
  capabilitiesIn(
    new Map(Object.entries(values).map(([key, value]) => [key.toLowerCase(), { value, isReadOnly: true }])),
  )
const UNITS = 'ChargingScheduleAllowedChargingRateUnit'
const cap = (more: Partial<Cap>): Cap => ({ isDirect: false, ...more })

describe('the limit of a connector', () => {
  it.each([
    ['as it was said', cap({ watts: 11_000 }), { [UNITS]: 'Current,Power' }, { unit: 'W', limit: 11_000 }],
    ['as it was said', cap({ amps: 16 }), { [UNITS]: 'Power,Current' }, { unit: 'A', limit: 16 }],
    ['unseen, as it was said', cap({ watts: 7400 }), {}, { unit: 'W', limit: 7400 }],
    [
      'of three phases',
      cap({ watts: 11_000, phases: 3 }),
      { [UNITS]: 'Current' },
      { unit: 'A', limit: 15.9 },
    ],
    ['of one phase', cap({ watts: 7400, phases: 1 }), { [UNITS]: 'A' }, { unit: 'A', limit: 32.1 }],
    [
      'of the rotation',
      cap({ watts: 7400 }),
      { [UNITS]: 'A', ConnectorPhaseRotation: '0.R,1.R' },
      { unit: 'A', limit: 32.1 },
    ],
    [
      'of three by rotation',
      cap({ amps: 16 }),
      { [UNITS]: 'W', ConnectorPhaseRotation: '1.RST' },
      { unit: 'W', limit: 11_040 },
    ],
    [
      'the lower of two',
      cap({ amps: 32, watts: 11_000, phases: 3 }),
      { [UNITS]: 'A' },
      { unit: 'A', limit: 15.9 },
    ],
    [
      'of direct current, in the unit that it takes',
      cap({ amps: 32, watts: 50_000, isDirect: true }),
      { [UNITS]: 'Current,Power' },
      { unit: 'W', limit: 50_000 },
    ],
    [
      'of direct current, where it takes amperes only',
      cap({ amps: 80, watts: 50_000, isDirect: true }),
      { [UNITS]: 'Current' },
      { unit: 'A', limit: 80 },
    ],
  ])('is %s: %j with %j', (_, said, values, wanted) => {
    expect(limitFor(said, can(values))).toMatchObject(wanted)
  })

  it('that has to be counted without the number of phases comes out low, and says so', () => {
    const inAmps = limitFor(cap({ watts: 7400 }), can({ [UNITS]: 'Current' }))
    expect(inAmps).toMatchObject({ unit: 'A', limit: 10.7 })
    expect(inAmps).toMatchObject({ note: expect.stringContaining('charger add --phases') })
    expect(limitFor(cap({ amps: 16 }), can({ [UNITS]: 'Power' }))).toMatchObject({ limit: 3680 })
  })

  it('is none where it cannot be set honestly, with the reason', () => {
    expect(limitFor(cap({ watts: 50_000, isDirect: true }), can({ [UNITS]: 'Current' }))).toContain('direct')
    expect(limitFor(cap({ watts: 1 }), can({ SupportedFeatureProfiles: 'Core,RemoteTrigger' }))).toContain(
      'smart',
    )
    expect(
      limitFor(cap({ watts: 1 }), can({ SupportedFeatureProfiles: 'Core,SmartCharging' })),
    ).toMatchObject({ unit: 'W' })
  })

  it('gives nothing more after the longest session, where the charger can count to two', () => {
    const limit = { unit: 'A', limit: 16 } as const
    expect(safeProfile(limit, 7200, can()).periods).toEqual([
      { fromS: 0, limit: 16 },
      { fromS: 7200, limit: 0 },
    ])
    expect(safeProfile(limit, 7200, can({ ChargingScheduleMaxPeriods: '1' })).periods).toHaveLength(1)
    expect(safeProfile(limit, undefined, can()).periods).toEqual([{ fromS: 0, limit: 16 }])
  })
})
