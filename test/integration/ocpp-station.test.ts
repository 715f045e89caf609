// A station of OCPP 2.0.1 over a real socket.
import { afterEach, describe, expect, it } from 'vitest'
import { accepts, openSite, PASSWORD, type RawCharger, type Site, until } from './ocpp-site.ts'

const sites: Site[] = []

async function open(...args: Parameters<typeof openSite>): Promise<Site> {
  const site = await openSite(...args)
  sites.push(site)
  return site
}

afterEach(async () => {
  await Promise.all(sites.splice(0).map(site => site.close()))
})

const TIME = '2026-05-01T08:00:00Z'
const CP1 = 'CP1' as Parameters<Site['central']['command']>[0]

async function answerTo({ frames, send }: RawCharger, action: string, payload: unknown): Promise<unknown> {
  const id = `m${frames.length}-${action}`
  send([2, id, action, payload])
  const find = () => frames.find(frame => Array.isArray(frame) && frame[1] === id)
  await until(`an answer to ${action}`, () => find() !== undefined)
  return (find() as unknown[]).slice(2)
}

/** The next CALL that came to the station, taken once. */
async function asked(
  { frames }: RawCharger,
  action: string,
): Promise<readonly [string, Record<string, unknown>]> {
  const find = () => frames.findIndex(frame => Array.isArray(frame) && frame[0] === 2 && frame[2] === action)
  await until(`a ${action}`, () => find() >= 0)
  const [[, id, , params]] = frames.splice(find(), 1) as [[number, string, string, Record<string, unknown>]]
  return [id, params]
}

const event = (eventType: string, seqNo: number, over: object = {}) => ({
  ...{ eventType, timestamp: TIME, triggerReason: 'Authorized', seqNo },
  ...{ transactionInfo: { transactionId: 'tx-9' }, evse: { id: 1 } },
  ...over,
})
const metered = (value: number) => ({ meterValue: [{ timestamp: TIME, sampledValue: [{ value }] }] })
const idToken = { idToken: '04A1B2C3', type: 'ISO14443' }

describe('a station of OCPP 2.0.1', () => {
  it.each([
    [['ocpp2.0.1'], 'ocpp2.0.1'],
    [['ocpp2.1', 'ocpp2.0.1', 'ocpp1.6'], 'ocpp2.0.1'],
    [['ocpp1.6', 'ocpp2.0.1'], 'ocpp1.6'],
  ])('that offers %j is answered with %s', async (offered, chosen) => {
    const site = await open()
    expect((await site.socket('CP1', PASSWORD, offered)).ws.protocol).toBe(chosen)
  })

  it('carries a session in words that do not know the version', async () => {
    const site = await open()
    const station = await site.socket('CP1', PASSWORD, ['ocpp2.0.1'])
    expect(await answerTo(station, 'TransactionEvent', event('Started', 0, metered(1000)))).toEqual([{}])
    const updated = event('Updated', 1, { idToken, ...metered(1400) })
    expect(await answerTo(station, 'TransactionEvent', updated)).toEqual([
      { idTokenInfo: { status: 'Accepted' } },
    ])
    // Every second update may be left out.
    expect(await answerTo(station, 'TransactionEvent', event('Updated', 3, metered(1900)))).toEqual([{}])
    expect(await answerTo(station, 'TransactionEvent', event('Ended', 4))).toEqual([{}])
    expect(site.inputs.map(({ message }) => message.kind)).toEqual([
      'connected',
      'start',
      'card',
      'meter',
      'meter',
      'stop',
    ])
    expect(site.heard('start')).toMatchObject([
      { stationTransactionId: 'tx-9', meterStartWh: 1000, cardless: true },
    ])
    expect(site.heard('card')).toEqual([
      { kind: 'card', stationTransactionId: 'tx-9', tokenRef: 'ref:04A1B2C3' },
    ])
    // It named no register at its end; the last one heard is not above the true one.
    expect(site.heard('stop')).toMatchObject([{ stationTransactionId: 'tx-9', meterStopWh: 1900 }])
    expect(site.central.status()[0]?.repairs).toEqual({
      ...{ 'sequence-gap': 1, 'no-meter-stop': 1, 'meter-stop-from-last-reading': 1 },
    })
  })

  it('is known by the request where it was asked to start and names no card', async () => {
    const site = await open()
    const station = await site.socket('CP1', PASSWORD, ['ocpp2.0.1'])
    await until('connected', () => site.central.connected().length === 1)
    const outcome = site.central.command(CP1, { kind: 'remoteStart', idTag: 'CARD-7', connectorId: 1 })
    const [id, { remoteStartId }] = await asked(station, 'RequestStartTransaction')
    station.send([3, id, { status: 'Accepted' }])
    expect(await outcome).toMatchObject({ kind: 'accepted' })
    const start = (transactionId: string, of: unknown) =>
      event('Started', 0, {
        ...{ triggerReason: 'RemoteStart', transactionInfo: { transactionId, remoteStartId: of } },
        ...metered(1000),
      })
    await answerTo(station, 'TransactionEvent', start('tx-9', remoteStartId))
    // The request of another node, or of one that was started anew: nobody's card is guessed.
    await answerTo(station, 'TransactionEvent', start('tx-8', Number(remoteStartId) - 1))
    const starts = site.heard('start')
    expect(starts[0]).toMatchObject({ stationTransactionId: 'tx-9', tokenRef: 'ref:CARD-7' })
    expect(starts[0]).not.toHaveProperty('cardless')
    expect(starts[1]).toMatchObject({ stationTransactionId: 'tx-8', cardless: true })
  })

  it('gets no answer where a part of what it said could not be kept', async () => {
    const site = await open({
      handle: async input => (input.message.kind === 'meter' ? { kind: 'silence' } : accepts(input)),
    })
    const station = await site.socket('CP1', PASSWORD, ['ocpp2.0.1'])
    station.send([2, 'm', 'TransactionEvent', event('Updated', 1, { idToken, ...metered(1400) })])
    await until('a closed socket', station.closed)
    expect(station.frames).toEqual([])
  })

  it('is told that an action is not known here', async () => {
    const station = await (await open()).socket('CP1', PASSWORD, ['ocpp2.0.1'])
    expect(await answerTo(station, 'StartTransaction', {})).toMatchObject(['NotImplemented', {}, {}])
  })

  it('answers commands in its own words', async () => {
    const site = await open()
    const station = await site.socket('CP1', PASSWORD, ['ocpp2.0.1'])
    await until('connected', () => site.central.connected().length === 1)
    const outcome = site.central.command(CP1, {
      ...{ kind: 'remoteStop', transactionId: 5, stationTransactionId: 'tx-9' },
    })
    const [id, params] = await asked(station, 'RequestStopTransaction')
    expect(params).toEqual({ transactionId: 'tx-9' })
    station.send([3, id, { status: 'Accepted' }])
    expect(await outcome).toEqual({ kind: 'accepted' })
  })

  it('reports all its variables in parts, whose first may come before the answer', async () => {
    const site = await open()
    const station = await site.socket('CP1', PASSWORD, ['ocpp2.0.1'])
    await until('connected', () => site.central.connected().length === 1)
    const outcome = site.central.command(CP1, { kind: 'getConfiguration', keys: [] })
    const [id, { requestId }] = await asked(station, 'GetBaseReport')
    const part = (seqNo: number, tbc: boolean, name: string, mutability: string, value: string) => ({
      ...{ requestId, generatedAt: TIME, seqNo, tbc },
      reportData: [
        { component: { name }, variable: { name: 'V' }, variableAttribute: [{ value, mutability }] },
      ],
    })
    await answerTo(station, 'NotifyReport', part(0, true, 'A', 'ReadOnly', '1'))
    station.send([3, id, { status: 'Accepted' }])
    await answerTo(station, 'NotifyReport', part(1, false, 'B', 'ReadWrite', '2'))
    expect(await outcome).toEqual({
      kind: 'accepted',
      detail: {
        configurationKey: [
          { key: 'A.V', readonly: true, value: '1' },
          { key: 'B.V', readonly: false, value: '2' },
        ],
        unknownKey: [],
      },
    })
  })

  it('that goes in the middle of its report has told nothing, and nobody waits for the rest', async () => {
    const site = await open()
    const station = await site.socket('CP1', PASSWORD, ['ocpp2.0.1'])
    await until('connected', () => site.central.connected().length === 1)
    const outcome = site.central.command(CP1, { kind: 'getConfiguration', keys: [] })
    const [id, { requestId }] = await asked(station, 'GetBaseReport')
    station.send([3, id, { status: 'Accepted' }])
    await answerTo(station, 'NotifyReport', {
      requestId,
      generatedAt: TIME,
      seqNo: 0,
      tbc: true,
      reportData: [],
    })
    station.ws.terminate()
    expect(await outcome).toEqual({ kind: 'unreachable', reason: 'the connection was lost' })
  })
})
