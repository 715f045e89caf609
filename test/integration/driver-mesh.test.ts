// Drivers on a mesh of two nodes, at a station of OCPP 2.0.1: any node shows its session, the one that holds it acts.
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { SOC, SOC_ENABLED, STATIONS } from '../../src/api/driver-words.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { until } from '../deadline.ts'
import {
  CARD,
  callTo,
  type DriverSite,
  LATER,
  openDriverSite,
  phone,
  problem,
  session,
  withDriverPlane,
} from './driver-site.ts'
import { mustRun } from './operator-site.ts'

let at: DriverSite
let other: RunningNode
let station: Awaited<ReturnType<typeof openStation>>

type Frame = readonly [number, string, string, Record<string, unknown>]

/** Answers what it is asked, and begins and ends as it is told. */
async function openStation(url: string, password: string) {
  const authorization = `Basic ${Buffer.from(`CP02:${password}`).toString('base64')}`
  const socket = new WebSocket(`${url}/CP02`, ['ocpp2.0.1'], { headers: { authorization } })
  const variables = new Map([['SampledDataCtrlr.TxUpdatedMeasurands', 'Energy.Active.Import.Register']])
  const asked: string[] = []
  let [calls, seqNo] = [0, 0]
  const call = (action: string, payload: object): void =>
    socket.send(JSON.stringify([2, `m${++calls}`, action, payload]))
  const event = (eventType: string, triggerReason: string, energyWh: number, more: object = {}): void => {
    const measured = [{ value: energyWh }, { value: 61, measurand: 'SoC' }]
    const timestamp = new Date().toISOString()
    call('TransactionEvent', {
      ...{ eventType, triggerReason, timestamp, seqNo: seqNo++, evse: { id: 1, connectorId: 1 } },
      ...{ transactionInfo: { transactionId: 'tx-1' }, meterValue: [{ timestamp, sampledValue: measured }] },
      ...more,
    })
  }
  const keyOf = ({ component, variable }: { component: { name: string }; variable: { name: string } }) =>
    `${component.name}.${variable.name}`
  const answer = (action: string, payload: Record<string, unknown>): object => {
    const data = (payload.getVariableData ?? payload.setVariableData ?? []) as never[]
    switch (action) {
      case 'GetVariables':
        return {
          getVariableResult: data.map((one: Parameters<typeof keyOf>[0]) => ({
            ...one,
            ...{ attributeStatus: 'Accepted', attributeValue: variables.get(keyOf(one)) },
          })),
        }
      case 'SetVariables':
        return {
          setVariableResult: data.map((one: Parameters<typeof keyOf>[0] & { attributeValue: string }) => {
            variables.set(keyOf(one), one.attributeValue)
            return { component: one.component, variable: one.variable, attributeStatus: 'Accepted' }
          }),
        }
      case 'RequestStartTransaction':
        setImmediate(() => event('Started', 'RemoteStart', 154_200, { idToken: payload.idToken }))
        return { status: 'Accepted', transactionId: 'tx-1' }
      case 'RequestStopTransaction':
        setImmediate(() => event('Ended', 'RemoteStop', 156_700))
        return { status: payload.transactionId === 'tx-1' ? 'Accepted' : 'Rejected' }
      default:
        return {}
    }
  }
  socket.on('message', text => {
    const frame = JSON.parse(String(text)) as Frame
    if (frame[0] !== 2) return
    asked.push(frame[2])
    socket.send(JSON.stringify([3, frame[1], answer(frame[2], frame[3])]))
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  const boot = { reason: 'PowerUp', chargingStation: { vendorName: 'v', model: 'm' } }
  call('BootNotification', boot)
  for (const evseId of [1, 2])
    call('StatusNotification', {
      ...{ timestamp: new Date().toISOString(), connectorStatus: 'Available', evseId, connectorId: 1 },
    })
  return { asked, event, variables, close: () => socket.terminate() }
}

beforeAll(async () => {
  at = await openDriverSite()
  const dir = join(at.dir, 'other')
  const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0', '--peer', at.node().meshAddresses[0] ?? '']
  await mustRun(
    ...['node', 'join', '--site', at.site, '--via', at.nodeDir, '--dir', dir, '--name', 'other', ...ports],
  )
  await withDriverPlane(dir)
  other = await runNode(dir)
  const known = async (): Promise<boolean> =>
    STATIONS.parse((await callTo(other, 'GET', '/stations', undefined, phone())).body).stations.length === 3
  await until(known, { ...LATER, what: 'the other node knows the stations' })
  station = await openStation(other.ocppUrl, at.passwordOf('CP02'))
}, 60_000)

afterAll(async () => {
  station?.close()
  await other?.close()
  await at?.close()
})

describe('a station of OCPP 2.0.1 at another node', () => {
  it('starts, shows, and stops where it is connected; is shown and named elsewhere', async () => {
    const free = async (): Promise<boolean> => {
      const { body } = await callTo(other, 'GET', '/stations', undefined, phone())
      const cp = STATIONS.parse(body).stations.find(({ station_id }) => station_id === 'CP02')
      return cp?.connectors.every(({ state }) => state === 'free') === true
    }
    await until(free, { ...LATER, what: 'both connectors are free' })
    // Nothing goes on there yet, so only who holds it can say where to ask.
    const idle = await at.call('POST', '/start_session', { card: CARD, station_id: 'CP02' }, phone())
    expect([idle.status, problem(idle)]).toMatchObject([
      409,
      { error: 'STATION_ELSEWHERE', reachable_at: 'other' },
    ])
    const words = { card: CARD, station_id: 'CP02', connector_id: 1 }
    const begun = await callTo(other, 'POST', '/start_session', words, phone())
    expect([begun.status, session(begun)]).toMatchObject([
      200,
      { meter_start: 154_200, rate_per_kwh: '0.25', connector_id: 1 },
    ])
    const id = session(begun).session_id
    station.event('Updated', 'MeterValuePeriodic', 155_000)

    // The first node has heard of it through the mesh.
    const shown = async (): Promise<boolean> => {
      const said = await at.call('GET', `/session/${id}`, undefined, phone())
      return said.status === 200 && session(said).energy_kwh === 0.8
    }
    await until(shown, { ...LATER, what: 'the first node shows its energy' })
    const live = session(await at.call('GET', `/session/${id}`, undefined, phone()))
    expect(live).toMatchObject({ total_cost: '0.20', soc: 61, sync: { state: 'mesh', nodes: 2 } })
    const soc = await at.call('GET', '/station/CP02/check-soc', undefined, phone())
    expect(SOC.parse(soc.body)).toMatchObject({ soc: 61, reason: null })
    const stop = { card: CARD, session_id: id }
    for (const [path, body] of [
      ['/stop_session', stop],
      ['/start_session', { ...words, connector_id: 2 }],
      ['/station/CP02/enable-soc', { card: CARD }],
    ] as const) {
      const said = await at.call('POST', path, body, phone())
      expect([path, said.status, problem(said)]).toMatchObject([
        path,
        409,
        { error: 'STATION_ELSEWHERE', reachable_at: 'other' },
      ])
    }

    const ended = session(await callTo(other, 'POST', '/stop_session', stop, phone()))
    expect(ended).toMatchObject({ meter_stop: 156_700, energy_kwh: 2.5, total_cost: '0.63' })
    expect(station.asked).toContain('RequestStopTransaction')
    const receipt = async (): Promise<boolean> =>
      session(await at.call('GET', `/session/${id}`, undefined, phone())).total_cost === '0.63'
    await until(receipt, { ...LATER, what: 'the first node shows the receipt' })
  }, 40_000)

  it('adds SoC under the name that it has there', async () => {
    const said = await callTo(other, 'POST', '/station/CP02/enable-soc', { card: CARD }, phone())
    expect(SOC_ENABLED.parse(said.body)).toMatchObject({ enabled: true, changed: true })
    expect(station.variables.get('SampledDataCtrlr.TxUpdatedMeasurands')).toBe(
      'Energy.Active.Import.Register,SoC',
    )
  })
})
