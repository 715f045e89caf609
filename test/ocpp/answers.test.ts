import ocppRpc from 'ocpp-rpc'
import { describe, expect, it } from 'vitest'
import schemas from '../../node_modules/ocpp-rpc/lib/schemas/ocpp1_6.json' with { type: 'json' }
import { confirmation } from '../../src/ocpp/answers.ts'
import { callOf, outcomeOf } from '../../src/ocpp/commands.ts'
import type { Allowed, ChargerAnswer, ChargerCommand } from '../../src/ports.ts'

const NOW_AT = Date.UTC(2026, 4, 1)
const schema = ocppRpc.createValidator('ocpp1.6', schemas)

describe('what we say is OCPP 1.6 to the letter', () => {
  const answers: readonly [Parameters<typeof confirmation>[0], string, ChargerAnswer, unknown][] = [
    [
      'boot',
      'BootNotification',
      { kind: 'booted', nowAt: NOW_AT, heartbeatS: 60 },
      { status: 'Accepted', currentTime: '2026-05-01T00:00:00.000Z', interval: 60 },
    ],
    ['heartbeat', 'Heartbeat', { kind: 'noted' }, { currentTime: '2026-05-01T00:00:00.000Z' }],
    ['status', 'StatusNotification', { kind: 'noted' }, {}],
    ['meter', 'MeterValues', { kind: 'noted' }, {}],
    ['stop', 'StopTransaction', { kind: 'stopped' }, {}],
    ['dataTransfer', 'DataTransfer', { kind: 'noted' }, { status: 'UnknownVendorId' }],
    [
      'authorize',
      'Authorize',
      { kind: 'authorized', allowed: 'ALLOWED', expiresAt: NOW_AT },
      { idTagInfo: { status: 'Accepted', expiryDate: '2026-05-01T00:00:00.000Z' } },
    ],
    [
      'start',
      'StartTransaction',
      { kind: 'started', transactionId: 7, allowed: 'BLOCKED' },
      { transactionId: 7, idTagInfo: { status: 'Blocked' } },
    ],
  ]
  it.each(answers)('answering %s', (asked, action, answer, expected) => {
    const payload = confirmation(asked, answer, NOW_AT)
    expect(payload).toEqual(expected)
    expect(schema.validate(`urn:${action}.conf`, payload)).toBe(true)
  })

  const words: readonly [Allowed, string][] = [
    ['ALLOWED', 'Accepted'],
    ['BLOCKED', 'Blocked'],
    ['EXPIRED', 'Expired'],
    ['NO_CREDIT', 'Invalid'],
    ['NOT_ALLOWED', 'Invalid'],
  ]
  it.each(words)('%s is %s', (allowed, status) => {
    expect(confirmation('authorize', { kind: 'authorized', allowed }, 0)).toEqual({ idTagInfo: { status } })
  })

  const commands: readonly [ChargerCommand, string][] = [
    [{ kind: 'remoteStart', idTag: 'A', connectorId: 1 }, 'RemoteStartTransaction'],
    [{ kind: 'remoteStart', idTag: 'A' }, 'RemoteStartTransaction'],
    [{ kind: 'remoteStop', transactionId: 5 }, 'RemoteStopTransaction'],
    [{ kind: 'reset', hard: true }, 'Reset'],
    [{ kind: 'reset', hard: false }, 'Reset'],
    [{ kind: 'getConfiguration', keys: [] }, 'GetConfiguration'],
    [{ kind: 'getConfiguration', keys: ['A'] }, 'GetConfiguration'],
    [{ kind: 'changeConfiguration', key: 'A', value: '' }, 'ChangeConfiguration'],
    [{ kind: 'trigger', message: 'Heartbeat' }, 'TriggerMessage'],
    [{ kind: 'trigger', message: 'MeterValues', connectorId: 2 }, 'TriggerMessage'],
  ]
  it.each(commands)('commanding %j', (command, action) => {
    const call = callOf(command)
    if (typeof call === 'string') throw new Error(call)
    expect(call.action).toBe(action)
    expect(schema.validate(`urn:${action}.req`, call.params)).toBe(true)
  })
})

describe('what we do not say', () => {
  it('is a confirmation that does not fit its question, or an id that means nothing', () => {
    expect(confirmation('start', { kind: 'noted' }, 0)).toBeUndefined()
    expect(confirmation('stop', { kind: 'silence' }, 0)).toBeUndefined()
    expect(
      confirmation('authorize', { kind: 'started', transactionId: 1, allowed: 'ALLOWED' }, 0),
    ).toBeUndefined()
    for (const transactionId of [0, -1, 1.5, 2 ** 31]) {
      expect(confirmation('start', { kind: 'started', transactionId, allowed: 'ALLOWED' }, 0)).toBeUndefined()
    }
  })

  it('is a command that breaks the standard', () => {
    const commands: readonly ChargerCommand[] = [
      { kind: 'remoteStart', idTag: 'x'.repeat(21) },
      { kind: 'remoteStart', idTag: 'x', connectorId: 0 },
      { kind: 'remoteStop', transactionId: 1.5 },
      { kind: 'getConfiguration', keys: [''] },
      { kind: 'changeConfiguration', key: 'x', value: 'x'.repeat(501) },
      { kind: 'trigger', message: 'Poem' },
    ]
    for (const command of commands) expect(callOf(command)).toEqual(expect.any(String))
    expect(callOf({ kind: 'remoteStart', idTag: 'x'.repeat(21) })).not.toContain('xxx')
  })
})

describe('what a charger makes of a command', () => {
  const reset: ChargerCommand = { kind: 'reset', hard: false }
  it('is accepted, rejected with its word, or unreadable', () => {
    expect(outcomeOf(reset, { status: 'Accepted' })).toEqual({ kind: 'accepted' })
    expect(outcomeOf(reset, { status: 'RebootRequired' })).toEqual({
      kind: 'accepted',
      detail: { status: 'RebootRequired' },
    })
    expect(outcomeOf(reset, { status: 'Rejected' })).toEqual({ kind: 'rejected', status: 'Rejected' })
    for (const odd of [undefined, null, [], 'Accepted', {}, { status: 5 }, { status: '<b>' }]) {
      expect(outcomeOf(reset, odd)).toEqual({ kind: 'rejected', status: 'Unreadable' })
    }
  })

  it('shows configuration values as text, without secrets, also when firmware sends numbers', () => {
    const payload = {
      configurationKey: [
        { key: 'A', readonly: true, value: 5 },
        { key: 'AuthorizationKey', value: 'secret' },
        7,
        { value: 'x' },
      ],
      unknownKey: 'none',
    }
    expect(outcomeOf({ kind: 'getConfiguration', keys: [] }, payload)).toEqual({
      kind: 'accepted',
      detail: {
        configurationKey: [
          { key: 'A', readonly: true, value: '5' },
          { key: 'AuthorizationKey', readonly: false },
        ],
        unknownKey: [],
      },
    })
  })
})
