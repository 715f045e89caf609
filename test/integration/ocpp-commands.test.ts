import { afterEach, describe, expect, it } from 'vitest'
import type { ChargerId } from '../../src/units.ts'
import { openSite, type Site, until } from './ocpp-site.ts'

const CP1 = 'CP1' as ChargerId
let site: Site | undefined

async function open(): Promise<Site> {
  site = await openSite()
  return site
}

afterEach(async () => {
  await site?.close()
})

describe('commands', () => {
  it('start and stop a session from afar', async () => {
    const { central, charger: charge, heard } = await open()
    const charger = charge()
    await until('booted', charger.booted)
    charger.plugIn(1)
    expect(await central.command(CP1, { kind: 'remoteStart', idTag: 'A', connectorId: 1 })).toEqual({
      kind: 'accepted',
    })
    await until('started', () => charger.sessions()[0]?.transactionIds.length === 1)
    const transactionId = charger.sessions()[0]?.transactionIds[0] ?? 0
    expect(await central.command(CP1, { kind: 'remoteStop', transactionId: transactionId + 1 })).toEqual({
      kind: 'rejected',
      status: 'Rejected',
    })
    expect(await central.command(CP1, { kind: 'remoteStop', transactionId })).toEqual({ kind: 'accepted' })
    await until('stopped', () => charger.sessions()[0]?.finished === true)
    expect(heard('stop')[0]).toMatchObject({ transactionId, reason: 'Remote' })
  })

  it('read and change the configuration, and never show a password', async () => {
    const { central, charger: charge, lines } = await open()
    const charger = charge()
    await until('booted', charger.booted)
    const change = { kind: 'changeConfiguration', key: 'MeterValueSampleInterval', value: '7' } as const
    expect(await central.command(CP1, change)).toEqual({ kind: 'accepted' })
    const read = await central.command(CP1, {
      kind: 'getConfiguration',
      keys: ['MeterValueSampleInterval', 'AuthorizationKey', 'Nothing'],
    })
    expect(read).toEqual({
      kind: 'accepted',
      detail: {
        configurationKey: [
          { key: 'MeterValueSampleInterval', readonly: false, value: '7' },
          { key: 'AuthorizationKey', readonly: false },
        ],
        unknownKey: ['Nothing'],
      },
    })
    const unknown = { kind: 'changeConfiguration', key: 'Nothing', value: '7' } as const
    expect(await central.command(CP1, unknown)).toEqual({ kind: 'rejected', status: 'NotSupported' })
    expect(lines.join()).not.toContain('correct horse')
  })

  it('trigger messages and reset', async () => {
    const { central, charger: charge, heard } = await open()
    const charger = charge()
    await until('booted', charger.booted)
    await central.command(CP1, { kind: 'trigger', message: 'MeterValues', connectorId: 1 })
    await until('metered', () => heard('meter').length === 1)
    expect(await central.command(CP1, { kind: 'trigger', message: 'Poem' })).toMatchObject({
      status: 'Unsendable',
    })
    expect(await central.command(CP1, { kind: 'reset', hard: false })).toEqual({ kind: 'accepted' })
    await until('booted again', () => heard('boot').length === 2)
  })

  it('come to nothing for a charger that is away or goes away', async () => {
    const { central, socket } = await open()
    const heartbeat = { kind: 'trigger', message: 'Heartbeat' } as const
    expect(await central.command(CP1, heartbeat)).toMatchObject({ kind: 'unreachable' })
    const raw = await socket()
    const asked = central.command(CP1, heartbeat)
    await until('asked', () => raw.frames.length === 1)
    central.disconnect(CP1, 'test')
    expect(await asked).toMatchObject({ kind: 'unreachable' })
    await until('closed', raw.closed)
  })

  it('do not repeat what a charger says in an error', async () => {
    const { central, socket } = await open()
    const raw = await socket()
    const asked = central.command(CP1, { kind: 'remoteStart', idTag: 'SECRETCARD' })
    await until('asked', () => raw.frames.length === 1)
    const [frame] = raw.frames
    raw.send([4, Array.isArray(frame) ? frame[1] : '', 'GenericError', 'card SECRETCARD is unknown', {}])
    expect(await asked).toEqual({ kind: 'rejected', status: 'GenericError' })
  })
})
