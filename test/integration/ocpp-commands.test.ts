import { afterEach, describe, expect, it } from 'vitest'
import type { ListedCard } from '../../src/ports.ts'
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

  it('give a charger its list in pieces, and hear what it makes of them', async () => {
    const { central, charger: charge, lines } = await open()
    const charger = charge({ list: { maxLength: 3, perMessage: 2, forgets: true } })
    await until('booted', charger.booted)
    const version = { kind: 'getLocalListVersion' } as const
    expect(await central.command(CP1, version)).toEqual({ kind: 'accepted', detail: 0 })
    const send = async (update: 'full' | 'differential', number: number, ...entries: readonly ListedCard[]) =>
      await central.command(CP1, { kind: 'sendLocalList', version: number, update, entries })
    const expiresAt = Date.now() + 60_000
    const first = { idTag: 'SECRETCARD', status: 'Accepted', expiresAt, parentIdTag: 'G' } as const
    expect(await send('full', 5, first, { idTag: 'B', status: 'Blocked' })).toEqual({ kind: 'accepted' })
    expect(charger.list.verdict('secretcard', expiresAt - 1)).toBe('Accepted')
    expect(charger.list.verdict('SECRETCARD', expiresAt)).toBe('Expired')
    expect(await send('differential', 5, first)).toEqual({ kind: 'rejected', status: 'VersionMismatch' })
    expect(await send('differential', 6, { idTag: 'B' })).toEqual({ kind: 'accepted' })
    expect(charger.list.verdict('B', 0)).toBeUndefined()
    const many = ['C', 'D', 'E'].map(idTag => ({ idTag, status: 'Accepted' }) as const)
    expect(await send('differential', 7, ...many)).toEqual({ kind: 'rejected', status: 'Failed' })
    expect(await central.command(CP1, version)).toEqual({ kind: 'accepted', detail: 6 })
    expect(await send('full', 2 ** 31, first)).toMatchObject({ status: 'Unsendable' })
    expect(await send('full', 8, { idTag: 'X'.repeat(21), status: 'Accepted' })).toMatchObject({
      status: 'Unsendable',
    })
    await charger.powerCycle()
    await until('booted again', charger.booted)
    expect(await central.command(CP1, version)).toEqual({ kind: 'accepted', detail: 0 })
    expect(lines.join().toUpperCase()).not.toContain('SECRETCARD')
  })

  it('hear that a charger has no list, or says nothing that can be read', async () => {
    const { central, charger: charge, socket } = await open()
    await until('booted', charge().booted)
    const version = { kind: 'getLocalListVersion' } as const
    expect(await central.command(CP1, version)).toEqual({ kind: 'accepted', detail: -1 })
    const raw = await socket('CP2')
    const asked = central.command('CP2' as ChargerId, version)
    await until('asked', () => raw.frames.length === 1)
    const [frame] = raw.frames
    raw.send([3, Array.isArray(frame) ? frame[1] : '', { listVersion: 'many' }])
    expect(await asked).toEqual({ kind: 'rejected', status: 'Unreadable' })
  })
})
