import { describe, expect, it } from 'vitest'
import { createCommanding } from '../../src/host/commanding.ts'
import { createUpstreamCommands } from '../../src/host/upstream-commands.ts'
import { utf8Bytes } from '../../src/identity/hash.ts'
import { sealPublicKey, sealTo } from '../../src/identity/seal.ts'
import type { ChargerCommand, CommandOutcome } from '../../src/ports.ts'
import type { ChargerId, DeviceId } from '../../src/units.ts'
import { testSite } from '../site.ts'

const CHARGER = 'CP1' as ChargerId
const silent = (): undefined => undefined
const logger = { debug: silent, info: silent, warn: silent, error: silent }
const TERMS = { protocol: 'ocpp2.0.1', lostAnswers: 'hold', shadow: false, live: true } as const

function upstream(outcome: CommandOutcome, session: object = {}) {
  const asked: ChargerCommand[] = []
  const held = {
    ...{
      sessionId: 'ours',
      transactionIds: [3, 4],
      starts: [],
      start: { body: { stationTransactionId: 'TX-7' } },
    },
    ...session,
  }
  const view = {
    forwarding: {
      told: { named: (_: string, __: string, id: string) => (id === 'TX-7' ? 'ours' : undefined) },
    },
    ofCharger: () => ({ sessions: [held] }),
  }
  const forward = async (_: ChargerId, command: ChargerCommand): Promise<CommandOutcome> => {
    asked.push(command)
    return outcome
  }
  const node = { ledger: () => ({ view: () => view }) } as never
  const answer = createUpstreamCommands({ node, commanding: { forward }, logger })
  const say = (action: string, payload: object, protocol: 'ocpp1.6' | 'ocpp2.0.1' = 'ocpp2.0.1') =>
    answer({ name: 'office', terms: { ...TERMS, protocol } }, CHARGER, { action, payload: { ...payload } })
  return { asked, say }
}

describe('a central system of OCPP 2.0.1', () => {
  it('starts with the card and EVSE that it names, and stops by the id that it was told', async () => {
    const { asked, say } = upstream({ kind: 'accepted' })
    const idToken = { idToken: '04A1B2C3', type: 'ISO14443' }
    expect(await say('RequestStartTransaction', { remoteStartId: 1, idToken, evseId: 2 })).toEqual({
      status: 'Accepted',
    })
    expect(await say('RequestStopTransaction', { transactionId: 'TX-7' })).toEqual({ status: 'Accepted' })
    expect(asked).toEqual([
      { kind: 'remoteStart', idTag: '04A1B2C3', connectorId: 2 },
      { kind: 'remoteStop', transactionId: 4, stationTransactionId: 'TX-7' },
    ])
  })

  it('hears why not, in words that fit, and asks the charger nothing in vain', async () => {
    const away = upstream({ kind: 'unreachable', reason: 'the charger is connected to no node within reach' })
    const idToken = { idToken: '04A1B2C3', type: 'ISO14443' }
    expect(await away.say('RequestStartTransaction', { remoteStartId: 1, idToken })).toEqual({
      status: 'Rejected',
      statusInfo: { reasonCode: 'Site', additionalInfo: expect.stringContaining('no node within reach') },
    })
    const over = upstream({ kind: 'accepted' }, { end: {} })
    expect(await over.say('RequestStopTransaction', { transactionId: 'TX-7' })).toMatchObject({
      status: 'Rejected',
    })
    expect(await over.say('RequestStopTransaction', { transactionId: 'TX-8' })).toMatchObject({
      status: 'Rejected',
    })
    expect(await over.say('RequestStartTransaction', { idToken: { idToken: 7 } })).toMatchObject({
      status: 'Rejected',
    })
    expect(await over.say('RemoteStartTransaction', { idTag: 7 }, 'ocpp1.6')).toEqual({ status: 'Rejected' })
    expect(over.asked).toEqual([])
  })

  it('tries each id that a session was given, until the charger knows one', async () => {
    const { asked, say } = upstream({ kind: 'rejected', status: 'Rejected' })
    expect(await say('RequestStopTransaction', { transactionId: 'TX-7' })).toMatchObject({
      status: 'Rejected',
    })
    expect(asked.map(command => 'transactionId' in command && command.transactionId)).toEqual([4, 3])
  })

  it('is told what is not supported, by a status where there is one and by an error where not', async () => {
    const { say } = upstream({ kind: 'accepted' })
    expect(await say('Reset', { type: 'Immediate' })).toEqual({ status: 'Rejected' })
    expect(await say('TriggerMessage', { requestedMessage: 'Heartbeat' })).toEqual({
      status: 'NotImplemented',
    })
    expect(await say('SetVariables', {})).toBeUndefined()
    expect(await say('constructor', {})).toBeUndefined()
  })
})

describe('the node that holds the charger', () => {
  const site = testSite('forwarded commands')
  const [forwarder, stranger, holder] = ['forwarder', 'stranger', 'holder'].map(name =>
    site.device(name),
  ) as [ReturnType<typeof site.device>, ReturnType<typeof site.device>, ReturnType<typeof site.device>]
  const sealKey = site.random(32)

  async function asks(from: DeviceId, command: object, isVoid = false) {
    const done: ChargerCommand[] = []
    const ledger = {
      isVoid: () => isVoid,
      view: () => ({ forwarding: { turns: { order: () => [forwarder.certificate.deviceId] } } }),
    }
    const central = {
      connected: () => [CHARGER],
      command: async (_: ChargerId, one: ChargerCommand) => {
        done.push(one)
        return { kind: 'accepted' }
      },
    }
    const { answer } = createCommanding({
      ...{ roster: site.roster([forwarder, stranger]), signatures: site.signatures, logger, sealKey },
      ...{ certificate: holder.certificate, random: { bytes: site.random } },
      clock: { wallMs: () => 0, monotonicMs: () => 0 },
      mayCharge: () => ({ allowed: 'ALLOWED' }) as never,
      tokenReference: async () => 'aa' as never,
      node: { ledger: () => ledger } as never,
      doors: { central } as never,
    })
    const box = sealTo(sealPublicKey(sealKey), site.random(32), utf8Bytes(JSON.stringify(command)))
    const question = { kind: 'forwarded', chargerId: CHARGER, sealed: Buffer.from(box).toString('base64') }
    const said = await answer(from, utf8Bytes(JSON.stringify(question)))
    return { done, said: JSON.parse(new TextDecoder().decode(said)) as unknown }
  }
  const stop = { kind: 'remoteStop', transactionId: 4 }

  it('obeys a forwarder whom the operator names, in starts and stops and nothing else', async () => {
    const { deviceId } = forwarder.certificate
    expect(await asks(deviceId, stop)).toEqual({ done: [stop], said: { kind: 'accepted' } })
    const reset = await asks(deviceId, { kind: 'reset', hard: true })
    expect(reset).toEqual({ done: [], said: { kind: 'refused', reason: 'malformed' } })
  })

  it('obeys no other node, and no forwarder that was revoked', async () => {
    const refused = { done: [], said: { kind: 'refused', reason: 'not-its-role' } }
    expect(await asks(stranger.certificate.deviceId, stop)).toEqual(refused)
    expect(await asks(forwarder.certificate.deviceId, stop, true)).toEqual(refused)
  })
})
