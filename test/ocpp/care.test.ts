// The operator's care of a charger, in both versions of OCPP, against the standards' own schemas.
import ocppRpc from 'ocpp-rpc'
import { describe, expect, it } from 'vitest'
import schemas16 from '../../node_modules/ocpp-rpc/lib/schemas/ocpp1_6.json' with { type: 'json' }
import schemas201 from '../../node_modules/ocpp-rpc/lib/schemas/ocpp2_0_1.json' with { type: 'json' }
import type { CareCommand } from '../../src/care.ts'
import { dialectOf } from '../../src/ocpp/dialect.ts'

const AT = Date.UTC(2026, 4, 1, 8)
const location = 'ftp://10.0.0.5/pole.bin'
const signed = { certificate: '-----BEGIN CERTIFICATE-----', signature: 'c2ln' }
const update = { kind: 'updateFirmware', requestId: 7, location, retrieveAt: AT } as const
const upload = { kind: 'uploadLog', requestId: 8, log: 'diagnostics', location } as const
const again = { retries: 2, retryIntervalS: 60 }
const address = { url: 'wss://10.0.0.6:8887/ocpp', interface: 'Wired0', securityProfile: 2 }
const profile = { kind: 'setNetworkProfile', slot: 1, messageTimeoutS: 30, ...address } as const
const reserve = { kind: 'reserve', reservationId: 5, connectorId: 1, idTag: '04A2B3C4', untilAt: AT } as const

type Case = readonly [CareCommand, v16: string | undefined, v201: string]
const CASES: readonly Case[] = [
  [{ kind: 'unlock', connectorId: 2 }, 'UnlockConnector', 'UnlockConnector'],
  [{ kind: 'setAvailability', operative: false }, 'ChangeAvailability', 'ChangeAvailability'],
  [{ kind: 'setAvailability', operative: true, connectorId: 1 }, 'ChangeAvailability', 'ChangeAvailability'],
  [{ kind: 'clearCache' }, 'ClearCache', 'ClearCache'],
  [reserve, 'ReserveNow', 'ReserveNow'],
  [{ ...reserve, connectorId: 0 }, 'ReserveNow', 'ReserveNow'],
  [{ kind: 'cancelReservation', reservationId: 5 }, 'CancelReservation', 'CancelReservation'],
  [{ ...update, ...again }, 'UpdateFirmware', 'UpdateFirmware'],
  [{ ...update, signed, installAt: AT }, 'SignedUpdateFirmware', 'UpdateFirmware'],
  [{ ...upload, ...again, fromAt: AT - 1, untilAt: AT }, 'GetDiagnostics', 'GetLog'],
  [{ ...upload, log: 'security', fromAt: AT }, 'GetLog', 'GetLog'],
  [{ kind: 'dataTransfer', vendorId: 'v', messageId: 'm', data: 'd' }, 'DataTransfer', 'DataTransfer'],
  [profile, undefined, 'SetNetworkProfile'],
]

const VERSIONS = [
  { dialect: dialectOf('ocpp1.6'), schema: ocppRpc.createValidator('ocpp1.6', schemas16), at: 1 },
  { dialect: dialectOf('ocpp2.0.1'), schema: ocppRpc.createValidator('ocpp2.0.1', schemas201), at: 2 },
] as const

describe.each(VERSIONS)('in $dialect.subprotocol', ({ dialect, schema, at }) => {
  it.each(CASES)('%o is said to the letter, or not at all', (...[command, v16, v201]: Case) => {
    const action = at === 1 ? v16 : v201
    const call = dialect.callOf(command, 1)
    if (action === undefined) {
      expect(call).toEqual('this charger speaks OCPP 1.6, which has no such message')
      return
    }
    if (typeof call === 'string') throw new Error(call)
    expect(call.action).toBe(action)
    expect(schema.validate(`urn:${action}.req`, call.params)).toBe(true)
  })

  const WRONG: readonly CareCommand[] = [
    { kind: 'unlock', connectorId: 0 },
    { kind: 'unlock', connectorId: 1.5 },
    { kind: 'setAvailability', operative: true, connectorId: -1 },
    { ...reserve, idTag: '' },
    { ...reserve, idTag: 'x'.repeat(37) },
    { ...reserve, reservationId: 2 ** 31 },
    { ...reserve, untilAt: 9e15 },
    { kind: 'cancelReservation', reservationId: -1 },
    { ...update, location: 'pole.bin' },
    { ...update, location: `ftp://${'x'.repeat(512)}` },
    { ...update, retrieveAt: 9e15 },
    { ...update, retries: -1 },
    { ...update, signed: { certificate: 'x'.repeat(5501), signature: 'x' } },
    { ...update, signed: { certificate: 'x', signature: '' } },
    { ...upload, fromAt: AT, untilAt: AT - 1 },
    { kind: 'dataTransfer', vendorId: '' },
    { kind: 'dataTransfer', vendorId: 'v', messageId: 'x'.repeat(51) },
    { ...profile, url: 'https://10.0.0.6' },
    { ...profile, securityProfile: 4 },
    { ...profile, interface: 'Wired9' },
  ]
  it.each(WRONG)('does not send %o', command => {
    expect(typeof dialect.callOf(command, 1)).toBe('string')
  })

  it.each([
    [{ kind: 'unlock', connectorId: 1 }, { status: 'Unlocked' }, { kind: 'accepted' }],
    [{ kind: 'unlock', connectorId: 1 }, { status: 'Accepted' }, { kind: 'rejected', status: 'Accepted' }],
    [
      { kind: 'setAvailability', operative: false },
      { status: 'Scheduled' },
      { kind: 'accepted', detail: { status: 'Scheduled' } },
    ],
    [{ kind: 'clearCache' }, { status: 'Rejected' }, { kind: 'rejected', status: 'Rejected' }],
    [{ kind: 'clearCache' }, { status: '04A2B3C4 <b>' }, { kind: 'rejected', status: 'Unreadable' }],
    [reserve, { status: 'Occupied' }, { kind: 'rejected', status: 'Occupied' }],
    [
      { ...upload, log: 'security' },
      { status: 'AcceptedCanceled', filename: 'log.gz' },
      { kind: 'accepted', detail: { status: 'AcceptedCanceled', requestId: 8, fileName: 'log.gz' } },
    ],
    [
      { kind: 'dataTransfer', vendorId: 'v' },
      { status: 'UnknownVendorId' },
      { kind: 'rejected', status: 'UnknownVendorId' },
    ],
    [
      { kind: 'dataTransfer', vendorId: 'v' },
      { status: 'Accepted', data: 'x'.repeat(5000) },
      { kind: 'accepted', detail: 'x'.repeat(2000) },
    ],
  ] as const)('%o answered with %o means %o', (command, payload, outcome) => {
    expect(dialect.outcomeOf(command, payload)).toEqual(outcome)
  })

  it.each(['FirmwareStatusNotification', 'LogStatusNotification', 'SecurityEventNotification'])(
    'confirms %s to the letter, whatever stands in it',
    action => {
      const translation = dialect.translate(action, {}, () => undefined)
      if (translation.kind !== 'message') throw new Error(translation.kind)
      const payload = dialect.confirm(translation.drafts, [{ kind: 'noted' }], AT)
      expect(schema.validate(`urn:${action}.conf`, payload)).toBe(true)
    },
  )
})

it('a charger of OCPP 1.6 that has nothing to upload says so by naming no file', () => {
  const { outcomeOf } = dialectOf('ocpp1.6')
  expect(outcomeOf(upload, {})).toEqual({ kind: 'rejected', status: 'NothingToUpload' })
  const accepted = { kind: 'accepted', detail: { requestId: 8, fileName: 'diag.zip' } }
  expect(outcomeOf(upload, { fileName: 'diag.zip' })).toEqual(accepted)
  expect(outcomeOf(update, {})).toEqual({ kind: 'accepted', detail: { requestId: 7 } })
})
