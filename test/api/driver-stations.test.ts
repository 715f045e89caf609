import { describe, expect, it } from 'vitest'
import {
  chooseConnector,
  connectorState,
  type Station,
  stationAnswer,
} from '../../src/api/driver-stations.ts'
import { Problem, STATION } from '../../src/api/driver-words.ts'
import type { Session } from '../../src/session/fold.ts'
import type { ChargerId } from '../../src/units.ts'

type Over = Partial<Omit<Station, 'chargerId' | 'statusOf'>> & {
  readonly said?: Readonly<Record<number, string>>
}

function station(name: string, { said = {}, ...over }: Over = {}): Station {
  return {
    chargerId: name as ChargerId,
    ...{ connectors: 2, zone: undefined, connectorType: undefined, maxPowerW: undefined },
    reach: { kind: 'here' },
    heardAt: 1000,
    statusOf: connectorId => {
      const status = said[connectorId]
      return status === undefined ? undefined : { status, errorCode: 'NoError', sinceMs: 1000 }
    },
    openSessions: [],
    ...over,
  }
}

const session = (connectorId: number, cardless = false): Session =>
  ({ connectorId, tokenRef: 'a', start: { body: { cardless, tokenRef: 'a' } } }) as unknown as Session

function refusal(run: () => unknown): Problem['answer'] & { readonly status: number } {
  try {
    run()
  } catch (error) {
    if (error instanceof Problem) return { ...error.answer, status: error.status }
    throw error
  }
  throw new Error('nothing was refused')
}

describe('a connector', () => {
  it.each([
    ['Available', 'free'],
    ['Preparing', 'plugged_in'],
    ['Charging', 'occupied'],
    ['SuspendedEV', 'occupied'],
    ['SuspendedEVSE', 'occupied'],
    ['Finishing', 'occupied'],
    ['Reserved', 'reserved'],
    ['Unavailable', 'unavailable'],
    ['Faulted', 'faulted'],
    ['Occupied', 'plugged_in'],
    ['Nonsense', 'unknown'],
  ])('that says %s is %s', (status, state) => {
    expect(connectorState(station('CP1', { said: { 1: status } }), 1)).toBe(state)
  })

  it('is as the whole station, where that is out of order', () => {
    const said = { 0: 'Faulted', 1: 'Available' }
    expect(connectorState(station('CP1', { said }), 1)).toBe('faulted')
    expect(connectorState(station('CP1', { said: { ...said, 0: 'Available' } }), 1)).toBe('free')
  })

  it('of a charger that is away is not known, unless a session runs there', () => {
    const away = { reach: { kind: 'away' }, said: { 1: 'Available', 2: 'Available' } } as const
    const one = station('CP1', { ...away, openSessions: [session(2)] })
    expect([1, 2].map(at => connectorState(one, at))).toEqual(['unknown', 'occupied'])
    const answer = STATION.parse(stationAnswer(one, null))
    expect(answer).toMatchObject({ reachable: 'away', heard_at: '1970-01-01T00:00:01.000Z' })
    // What it said last is told with its time.
    expect(answer.connectors[0]).toMatchObject({ state: 'unknown', status: 'Available' })
  })

  it('of OCPP 2.0.1 that is occupied is free for a card while none was shown', () => {
    const said = { 1: 'Occupied' }
    expect(connectorState(station('CP1', { said, openSessions: [session(1)] }), 1)).toBe('occupied')
    expect(connectorState(station('CP1', { said, openSessions: [session(1, true)] }), 1)).toBe('plugged_in')
  })
})

describe('the connector of a start', () => {
  it.each([
    [{ 1: 'Available', 2: 'Preparing' }, undefined, 2],
    [{ 1: 'Available', 2: 'Preparing' }, 1, 1],
    [{ 1: 'Charging', 2: 'Available' }, undefined, 2],
    [{ 1: 'Charging', 2: 'Reserved' }, undefined, 2],
    [{}, undefined, undefined],
    [{}, 2, 2],
  ])('of %j, asked for %s, is %s', (said, wanted, chosen) => {
    expect(chooseConnector(station('CP1', { said }), wanted, () => [])).toBe(chosen)
  })

  it('that is not there is refused', () => {
    expect(refusal(() => chooseConnector(station('CP1'), 3, () => []))).toMatchObject({
      ...{ status: 404, text: 'CP1 has no connector 3.' },
    })
  })

  it('that cannot charge names the nearest that can', () => {
    const broken = station('CP1', { zone: 'A', said: { 1: 'Faulted', 2: 'Faulted' } })
    const far = station('CP0', { zone: 'B', said: { 1: 'Available' } })
    const near = station('CP9', { zone: 'A', said: { 1: 'Charging', 2: 'Available' } })
    const away = station('CP2', { zone: 'A', said: { 1: 'Available' }, reach: { kind: 'away' } })
    const all = [broken, far, near, away]
    expect(refusal(() => chooseConnector(broken, undefined, () => all))).toMatchObject({
      ...{ status: 409, error: 'STATION_UNAVAILABLE' },
      text: 'CP1 has a fault. Free now: CP9, connector 2.',
      alternatives: [
        { station_id: 'CP9', connector_id: 2 },
        { station_id: 'CP0', connector_id: 1 },
      ],
    })
    expect(refusal(() => chooseConnector(near, 1, () => [near]))).toMatchObject({
      ...{ error: 'STATION_BUSY', text: 'CP9, connector 1, is in use. Free now: CP9, connector 2.' },
    })
    expect(refusal(() => chooseConnector(broken, 1, () => [broken])).text).toBe(
      'CP1, connector 1, has a fault. This node knows of no other that is free now; try again later.',
    )
  })
})
