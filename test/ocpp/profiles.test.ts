// Charging profiles in both versions' words, and the bounds of the standard: what breaks one is not sent.
import { describe, expect, it } from 'vitest'
import type { ChargingProfile } from '../../src/charging-profile.ts'
import { callOf, outcomeOf } from '../../src/ocpp/commands.ts'
import { callOf201, outcomeOf201 } from '../../src/ocpp/commands201.ts'
import type { ChargerCommand } from '../../src/ports.ts'

const PROFILE: ChargingProfile = {
  ...{ profileId: 7100, stackLevel: 0, purpose: 'default', unit: 'A' },
  periods: [
    { fromS: 0, limit: 16.1, phases: 3 },
    { fromS: 3600, limit: 0 },
  ],
}
const set = (connectorId: number, change: Partial<ChargingProfile> = {}): ChargerCommand => ({
  ...{ kind: 'setProfile', connectorId, profile: { ...PROFILE, ...change } },
})

describe('a profile', () => {
  it('for every session counts from its start, in the words of 1.6', () => {
    expect(callOf(set(0))).toEqual({
      action: 'SetChargingProfile',
      params: {
        connectorId: 0,
        csChargingProfiles: {
          ...{ chargingProfileId: 7100, stackLevel: 0, chargingProfilePurpose: 'TxDefaultProfile' },
          chargingProfileKind: 'Relative',
          chargingSchedule: {
            chargingRateUnit: 'A',
            chargingSchedulePeriod: [
              { startPeriod: 0, limit: 16.1, numberPhases: 3 },
              { startPeriod: 3600, limit: 0 },
            ],
          },
        },
      },
    })
  })

  it('of the whole charger began long ago, and one of a session names it', () => {
    expect(callOf(set(0, { purpose: 'charger' }))).toMatchObject({
      params: {
        csChargingProfiles: {
          ...{ chargingProfilePurpose: 'ChargePointMaxProfile', chargingProfileKind: 'Absolute' },
          chargingSchedule: { startSchedule: '2000-01-01T00:00:00.000Z' },
        },
      },
    })
    expect(callOf(set(1, { purpose: 'session', transactionId: 7 }))).toMatchObject({
      params: { csChargingProfiles: { chargingProfilePurpose: 'TxProfile', transactionId: 7 } },
    })
  })

  it('has other words in 2.0.1, and the station names the session', () => {
    const session = { purpose: 'session', transactionId: 7, stationTransactionId: 'tx-7' } as const
    expect(callOf201(set(2, session), 1)).toEqual({
      action: 'SetChargingProfile',
      params: {
        evseId: 2,
        chargingProfile: {
          ...{
            id: 7100,
            stackLevel: 0,
            chargingProfilePurpose: 'TxProfile',
            chargingProfileKind: 'Relative',
          },
          transactionId: 'tx-7',
          chargingSchedule: [
            {
              ...{ id: 7100, chargingRateUnit: 'A' },
              chargingSchedulePeriod: [
                { startPeriod: 0, limit: 16.1, numberPhases: 3 },
                { startPeriod: 3600, limit: 0 },
              ],
            },
          ],
        },
      },
    })
    expect(callOf201(set(2, { purpose: 'session', transactionId: 7 }), 1)).toContain('2.0.1')
    expect(callOf201(set(0, { purpose: 'charger' }), 1)).toMatchObject({
      params: { chargingProfile: { chargingProfilePurpose: 'ChargingStationMaxProfile' } },
    })
  })

  it.each([
    ['a charger on a connector', set(1, { purpose: 'charger' })],
    ['a session without its number', set(1, { purpose: 'session' })],
    ['a session on no connector', set(0, { purpose: 'session', transactionId: 7 })],
    ['a number where there is no session', set(0, { transactionId: 7 })],
    ['no periods', set(0, { periods: [] })],
    ['a late beginning', set(0, { periods: [{ fromS: 1, limit: 6 }] })],
    ['periods in disorder', set(0, { periods: [0, 60, 60].map(fromS => ({ fromS, limit: 6 })) })],
    ['a hundredth', set(0, { periods: [{ fromS: 0, limit: 6.25 }] })],
    ['less than nothing', set(0, { periods: [{ fromS: 0, limit: -1 }] })],
    ['a power station', set(0, { unit: 'W', periods: [{ fromS: 0, limit: 1e8 }] })],
    ['four phases', set(0, { periods: [{ fromS: 0, limit: 6, phases: 4 }] })],
    ['half a connector', set(0.5)],
    [
      'a schedule of a year',
      { kind: 'getCompositeSchedule', connectorId: 1, durationS: 31_536_000 } as const,
    ],
  ])('is not sent with %s', (_, command) => {
    expect(typeof callOf(command)).toBe('string')
    expect(typeof callOf201(command, 1)).toBe('string')
  })

  it('is cleared by what is named, and nothing else', () => {
    expect(callOf({ kind: 'clearProfile', profileId: 7100 })).toEqual({
      ...{ action: 'ClearChargingProfile', params: { id: 7100 } },
    })
    const others = { kind: 'clearProfile', connectorId: 1, purpose: 'default' } as const
    expect(callOf(others)).toMatchObject({
      params: { connectorId: 1, chargingProfilePurpose: 'TxDefaultProfile' },
    })
    expect(callOf201(others, 1)).toEqual({
      action: 'ClearChargingProfile',
      params: { chargingProfileCriteria: { evseId: 1, chargingProfilePurpose: 'TxDefaultProfile' } },
    })
    expect(callOf201({ kind: 'clearProfile', profileId: 1 }, 1)).toMatchObject({
      params: { chargingProfileId: 1 },
    })
  })

  it('that counts now is read in both, whatever firmware makes of it', () => {
    const ask = { kind: 'getCompositeSchedule', connectorId: 1, durationS: 60 } as const
    expect(callOf(ask)).toMatchObject({ params: { connectorId: 1, duration: 60 } })
    expect(callOf201(ask, 1)).toMatchObject({ params: { evseId: 1, duration: 60 } })
    const schedule = {
      chargingRateUnit: 'A',
      chargingSchedulePeriod: [{ startPeriod: 0, limit: '16' }, 'junk', { startPeriod: 'soon' }],
    }
    const wanted = { kind: 'accepted', detail: { unit: 'A', periods: [{ fromS: 0, limit: 16 }] } }
    expect(outcomeOf(ask, { status: 'Accepted', chargingSchedule: schedule })).toEqual(wanted)
    expect(outcomeOf201(ask, { status: 'Accepted', schedule })).toEqual(wanted)
    expect(outcomeOf(ask, { status: 'Rejected' })).toEqual({ kind: 'rejected', status: 'Rejected' })
    expect(outcomeOf(ask, { status: 'Accepted' })).toEqual({ kind: 'rejected', status: 'Unreadable' })
  })
})

it('a station is asked for its transaction by its own name, and 1.6 has no such question', () => {
  const ask = { kind: 'getTransactionStatus', stationTransactionId: 'tx-1' } as const
  expect(typeof callOf(ask)).toBe('string')
  expect(callOf201(ask, 1)).toEqual({ action: 'GetTransactionStatus', params: { transactionId: 'tx-1' } })
  expect(outcomeOf201(ask, { ongoingIndicator: false, messagesInQueue: true })).toEqual({
    kind: 'accepted',
    detail: { isOngoing: false, hasQueue: true },
  })
  expect(outcomeOf201(ask, { messagesInQueue: 'no' })).toEqual({
    kind: 'accepted',
    detail: { hasQueue: false },
  })
})
