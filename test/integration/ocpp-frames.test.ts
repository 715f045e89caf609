import { afterEach, describe, expect, it } from 'vitest'
import type { ChargerAnswer } from '../../src/ports.ts'
import { accepts, openSite, type RawCharger, type Site, type SiteOptions, until } from './ocpp-site.ts'

let site: Site | undefined

async function open(options?: SiteOptions): Promise<{ site: Site; raw: RawCharger }> {
  site = await openSite(options)
  return { site, raw: await site.socket() }
}

afterEach(async () => {
  await site?.close()
})

const START = { connectorId: 1, idTag: 'A', meterStart: 10, timestamp: '2026-05-01T10:00:00Z' }
const stop = (transactionId: unknown) => ({ transactionId, meterStop: 20, timestamp: '2026-05-01T11:00:00Z' })

describe('frames of a proven charger', () => {
  it('pass with the transaction ids that real firmware sends, doubled ones too', async () => {
    const { site, raw } = await open()
    const ids = [-1, 0, 2 ** 31 - 1, 123456, 123456]
    for (const [i, id] of ids.entries()) raw.send([2, `m${i}`, 'StopTransaction', stop(id)])
    // JSON.parse would have rounded it; as text so that the test does not.
    raw.sendText(
      `[2,"m5","StopTransaction",${JSON.stringify(stop(0)).replace(':0', ':9223372036854775807')}]`,
    )
    await until('all answered', () => raw.frames.length === 6)
    expect(raw.frames).toEqual(ids.concat(0).map((_, i) => [3, `m${i}`, {}]))
    expect(site.heard('stop').map(message => message.transactionId)).toEqual([...ids, 0])
    expect(site.inputs.at(-1)?.repairs).toContain('transaction-id-out-of-range')
  })

  it('answer a numeric message id with the same number', async () => {
    const { site, raw } = await open()
    raw.sendText(`[2,17,"StartTransaction",${JSON.stringify(START)}]`)
    await until('answered', () => raw.frames.length === 1)
    expect(raw.frames[0]).toMatchObject([3, 17, { idTagInfo: { status: 'Accepted' } }])
    expect(site.inputs.at(-1)?.repairs).toContain('numeric-message-id')
  })

  it('mend stray commas around a transaction message', async () => {
    const { site, raw } = await open()
    raw.sendText(
      `,[2,"x","StopTransaction",{,"transactionId":5,"meterStop":20,"timestamp":"2026-05-01T11:00:00Z",}]`,
    )
    await until('answered', () => raw.frames.length === 1)
    expect(raw.frames[0]).toEqual([3, 'x', {}])
    expect(site.central.status()[0]?.repairs).toMatchObject({ 'bad-json': 1 })
  })

  it('get NotImplemented for an unknown action, and an empty confirmation for one without meaning here', async () => {
    const { site, raw } = await open()
    raw.send([2, 'a', 'MakeCoffee', {}])
    raw.send([2, 'b', 'FirmwareStatusNotification', { status: 'Idle' }])
    raw.send([2, 'c', 'SecurityEventNotification', {}])
    raw.send([2, 'd', 'DataTransfer', { vendorId: 'com.example' }])
    await until('answered', () => raw.frames.length === 4)
    expect(raw.frames[0]).toEqual([4, 'a', 'NotImplemented', expect.any(String), {}])
    expect(raw.frames.slice(1)).toEqual([
      [3, 'b', {}],
      [3, 'c', {}],
      [3, 'd', { status: 'UnknownVendorId' }],
    ])
    expect(site.heard('dataTransfer')).toEqual([{ kind: 'dataTransfer', vendorId: 'com.example' }])
  })

  it('survive text that is no JSON, and close after too much of it', async () => {
    const { site, raw } = await open()
    for (let i = 0; i < 20; i++) raw.sendText('{"no":"frame"')
    raw.send([2, 'ok', 'Heartbeat', {}])
    await until('still served', () => raw.frames.some(frame => Array.isArray(frame) && frame[1] === 'ok'))
    for (let i = 0; i < 25; i++) raw.sendText('\u0000\u0001')
    await until('closed', raw.closed)
    expect(site.central.status()[0]?.repairs['bad-message']).toBeGreaterThan(20)
    await until('told once', () => site.heard('disconnected').length === 1)
  })

  it('may be bad now and then for ever', async () => {
    const { raw } = await open()
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 15; i++) raw.sendText('{"no":"frame"')
      raw.send([2, `ok${round}`, 'Heartbeat', {}])
    }
    await until('served', () => raw.frames.some(frame => Array.isArray(frame) && frame[1] === 'ok2'))
  })

  it('stop at the last register that was heard when the stop names none', async () => {
    const { site, raw } = await open({
      handle: async input =>
        input.message.kind === 'start'
          ? { kind: 'started', transactionId: input.message.meterStartWh, allowed: 'ALLOWED' }
          : accepts(input),
    })
    const bare = (transactionId: number) => ({ transactionId, timestamp: '2026-05-01T11:00:00Z' })
    const meter = (transactionId: number, value: string) => ({
      connectorId: 1,
      transactionId,
      meterValue: [{ timestamp: '2026-05-01T10:30:00Z', sampledValue: [{ value }] }],
    })
    raw.send([2, '1', 'StartTransaction', { ...START, meterStart: 10 }])
    raw.send([2, '2', 'StartTransaction', { ...START, connectorId: 2, meterStart: 20 }])
    raw.send([2, '3', 'MeterValues', meter(10, '700')])
    raw.send([2, '4', 'MeterValues', meter(10, '650')])
    raw.send([2, '5', 'StopTransaction', bare(10)])
    raw.send([2, '6', 'StopTransaction', bare(20)])
    raw.send([2, '7', 'StopTransaction', bare(30)])
    await until('answered', () => raw.frames.length === 7)
    expect(site.heard('stop').map(({ meterStopWh }) => meterStopWh)).toEqual([700, 20, 0])
    expect(site.central.status()[0]?.repairs).toMatchObject({ 'no-meter-stop': 3, 'meter-stop-unknown': 1 })
  })

  it('close the socket on a frame of a megabyte, and on nothing smaller that is deep', async () => {
    const { raw } = await open()
    raw.sendText('['.repeat(60_000))
    raw.sendText(`[2,3,"Heartbeat",${'['.repeat(20_000)}${']'.repeat(20_000)}]`)
    raw.sendText('\u0000'.repeat(60_000))
    raw.send([2, 'ok', 'Heartbeat', {}])
    await until('still served', () => raw.frames.some(frame => Array.isArray(frame) && frame[1] === 'ok'))
    raw.sendText(`[2,"big","Heartbeat",{"x":"${'y'.repeat(1_000_000)}"}]`)
    await until('closed', raw.closed)
  })

  it('are handled one after another, in order, although the node takes its time', async () => {
    const order: string[] = []
    let running = 0
    const { raw } = await open({
      handle: async (input): Promise<ChargerAnswer> => {
        expect(++running).toBe(1)
        await new Promise(resolve => setTimeout(resolve, input.message.kind === 'start' ? 40 : 1))
        order.push(input.message.kind)
        running--
        return accepts(input)
      },
    })
    raw.send([2, '1', 'StartTransaction', START])
    raw.send([2, '2', 'MeterValues', { connectorId: 1, transactionId: 1, meterValue: [] }])
    raw.send([2, '3', 'StopTransaction', stop(1)])
    await until('answered', () => raw.frames.length === 3)
    expect(order).toEqual(['connected', 'start', 'meter', 'stop'])
    expect(raw.frames.map(frame => (Array.isArray(frame) ? frame[1] : frame))).toEqual(['1', '2', '3'])
  })

  it('are answered once when re-sent under the same message id while the first is being handled', async () => {
    const gate = Promise.withResolvers<void>()
    const { site, raw } = await open({
      handle: async input => {
        if (input.message.kind === 'start') await gate.promise
        return accepts(input)
      },
    })
    raw.send([2, 'same', 'StartTransaction', START])
    raw.send([2, 'same', 'StartTransaction', START])
    raw.send([2, 'next', 'Heartbeat', {}])
    await until('seen', () => site.central.status()[0]?.repairs['repeated-message-id'] === 1)
    gate.resolve()
    await until('answered', () => raw.frames.length === 2)
    expect(raw.frames[0]).toMatchObject([3, 'same', {}])
    expect(site.heard('start')).toHaveLength(1)
  })

  it('close the socket when more wait than a charger may have waiting', async () => {
    const gate = Promise.withResolvers<void>()
    const { site, raw } = await open({
      handle: async input => {
        await gate.promise
        return accepts(input)
      },
    })
    for (let i = 0; i < 70; i++) raw.send([2, `m${i}`, 'Heartbeat', {}])
    await until('closed', raw.closed)
    await expect(site.socket()).rejects.toThrow('429')
    gate.resolve()
    await until('told', () => site.heard('disconnected').length === 1)
    expect(raw.frames).toEqual([])
  })

  it('leave no message of a silenced connection handled after the silent one', async () => {
    const { site, raw } = await open({
      handle: async input => (input.message.kind === 'start' ? { kind: 'silence' } : accepts(input)),
    })
    raw.send([2, '1', 'StartTransaction', START])
    raw.send([2, '2', 'StopTransaction', stop(1)])
    await until('closed', raw.closed)
    await until('told', () => site.heard('disconnected').length === 1)
    expect(site.inputs.map(({ message }) => message.kind)).toEqual(['connected', 'start', 'disconnected'])
    expect(raw.frames).toEqual([])
  })
})
