// What a meter signed, from the charger's socket to the operator's folder: byte for byte, through a node that cannot read
// it, and after the operator's keys were changed.
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import type { RunningNode } from '../../src/host/runner.ts'
import { until } from '../deadline.ts'
import { asked, mustRun, run, startSite, tempFolder } from './operator-site.ts'

const PASSWORD = 'sixteen-or-more-chars'
const meter = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const meterKey = meter.publicKey.export({ format: 'der', type: 'spki' }).toString('hex')

let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, nodeDir] = ['', '']
let node: RunningNode
let socket: WebSocket | undefined

beforeEach(async () => {
  folder = await tempFolder()
  ;({ site, nodeDir, node } = await startSite(folder.dir))
  const add = ['charger', 'add', 'CP01', '--password', PASSWORD]
  await mustRun(...add, '--site', site, '--via', nodeDir)
})
afterEach(async () => {
  socket?.terminate()
  await node.close()
  await folder.remove()
})

/** As firmware does it: an object as text, blanks and odd escapes included. */
function signedValue(reason: string, kWh: string): string {
  const payload = `{"FV":"1.0","MS":"M1","ID":"SECRET-CARD","RD":[{"TM":"","TX":"${reason}","RV":${kWh},"RI":"1-b:1.8.0","RU":"kWh","ST":"G"}]}`
  const made = sign('sha256', Buffer.from(payload), meter.privateKey).toString('hex')
  const data = Buffer.from(`OCMF|${payload}|{"SD":"${made}"}`).toString('base64')
  return `{ "signedMeterData" :"${data}", "signingMethod":"","encodingMethod":"OCMF","publicKey":"" ,"x":"\\u00fc"}`
}

async function call(action: string, payload: unknown): Promise<Readonly<Record<string, unknown>>> {
  const id = randomUUID()
  const answer = Promise.withResolvers<Readonly<Record<string, unknown>>>()
  const heard = (data: WebSocket.RawData): void => {
    const [kind, of, said] = JSON.parse(String(data))
    if (kind === 3 && of === id) answer.resolve(said)
  }
  socket?.on('message', heard)
  socket?.send(JSON.stringify([2, id, action, payload]))
  return await answer.promise
}

async function connect(version: string): Promise<void> {
  socket = new WebSocket(`${node.ocppUrl}/CP01`, version, { auth: `CP01:${PASSWORD}` })
  const opened = Promise.withResolvers<void>()
  socket.once('open', opened.resolve).once('error', opened.reject)
  await opened.promise
}

type Listed = { readonly sessionId: string; readonly stoppedAt?: string }

async function endedSession(): Promise<string> {
  const ended = async (): Promise<Listed | undefined> =>
    (await asked<readonly Listed[]>(nodeDir, '/v1/sessions')).find(one => one.stoppedAt !== undefined)
  await until(async () => (await ended()) !== undefined, { withinMs: 5000, what: 'the session' })
  return (await ended())?.sessionId ?? ''
}

const at = (hour: number): string => `2026-05-01T${hour}:00:00Z`

/** A session of 7.5 kWh whose stop carries what the meter signed at both ends. */
async function charged(values: readonly string[]): Promise<string> {
  await connect('ocpp1.6')
  const start = { connectorId: 1, idTag: 'CARD1', meterStart: 5000, timestamp: at(10) }
  const { transactionId } = await call('StartTransaction', start)
  const transactionData = [
    {
      timestamp: at(11),
      sampledValue: values.map(value => ({ value, format: 'SignedData', context: 'Transaction.End' })),
    },
  ]
  await call('StopTransaction', { transactionId, meterStop: 12_500, timestamp: at(11), transactionData })
  return await endedSession()
}

/** The same at a station of OCPP 2.0.1: each end with its register and what was signed of it. */
async function chargedAtStation(values: readonly unknown[]): Promise<string> {
  await connect('ocpp2.0.1')
  for (const [i, eventType] of ['Started', 'Ended'].entries())
    await call('TransactionEvent', {
      ...{
        eventType,
        timestamp: at(10 + i),
        seqNo: i,
        triggerReason: 'Authorized',
        evse: { id: 1, connectorId: 1 },
      },
      ...{ transactionInfo: { transactionId: 'T-1' }, idToken: { idToken: 'CARD1', type: 'ISO14443' } },
      meterValue: [
        {
          timestamp: at(10 + i),
          sampledValue: [
            { value: [5, 12.5][i], unitOfMeasure: { unit: 'kWh' }, signedMeterValue: values[i] },
          ],
        },
      ],
    })
  return await endedSession()
}

const signed = (id: string, ...more: readonly string[]) =>
  run('session', 'signed', id.slice(0, 8), '--site', site, '--via', nodeDir, ...more)

describe('what a meter signed', () => {
  it('is given back byte for byte, verified, and read by nobody on the way', async () => {
    const values = [signedValue('B', '5.000'), signedValue('E', '12.500')]
    const id = await charged(values)
    const sealed = await asked<unknown>(nodeDir, `/v1/sessions/${id}/signed`)
    expect(JSON.stringify(sealed)).not.toContain('SECRET')
    const out = join(folder.dir, 'out')
    const said = await signed(id, '--public-key', meterKey, '--out', out, '--json')
    expect(said).toMatchObject({ code: 0, error: '' })
    expect(JSON.parse(said.out)).toMatchObject({
      ...{ sessionId: id, registers: 'agree', signedBeginWh: 5000, signedEndWh: 12_500, closed: 0 },
      values: values.map(() => ({ verdict: 'valid', keyFrom: 'given', meter: 'M1', nodes: ['pole-1'] })),
    })
    expect(await readdir(out)).toEqual(['001.ocmf', '001.signed', '002.ocmf', '002.signed'])
    for (const [i, value] of values.entries()) {
      expect(await readFile(join(out, `00${i + 1}.signed`), 'utf8')).toBe(value)
      expect((await stat(join(out, `00${i + 1}.signed`))).mode & 0o077).toBe(0)
      const { signedMeterData } = JSON.parse(value)
      expect((await readFile(join(out, `00${i + 1}.ocmf`))).toString('base64')).toBe(signedMeterData)
    }
    // What was written once is not written over.
    expect((await signed(id, '--out', out)).error).toMatch(/^CONFIG_INVALID: --out .*EEXIST/)
    expect((await signed(id)).out).toMatch(/key unknown[\s\S]*they agree/)
  })

  it('of OCPP 2.0.1 is given back as the object in which it came', async () => {
    const values = [signedValue('B', '5.000'), signedValue('E', '12.500')].map(text => JSON.parse(text))
    const id = await chargedAtStation(values)
    const out = join(folder.dir, 'out')
    const said = await signed(id, '--public-key', meterKey, '--out', out, '--json')
    expect(said).toMatchObject({ code: 0, error: '' })
    expect(JSON.parse(said.out)).toMatchObject({
      registers: 'agree',
      signedBeginWh: 5000,
      signedEndWh: 12_500,
    })
    for (const [i, value] of values.entries())
      expect(JSON.parse(await readFile(join(out, `00${i + 1}.signed`), 'utf8'))).toEqual(value)
  })

  it('is called what it is when it was changed, or is not what the session says', async () => {
    const forged = signedValue('E', '12.500').replace(
      '"signedMeterData" :"',
      '"signedMeterData" :"T0NNRnx7fXx7IlNEIjoiMDAifQ==","y":"',
    )
    const id = await charged([signedValue('B', '5.000'), forged, signedValue('E', '9.500')])
    const said = await signed(id, '--public-key', meterKey)
    expect(said.code).toBe(1)
    expect(said.out).toMatch(/NOT VALID[\s\S]*signed 5000 to 9500 Wh, session 5000 to 12500 Wh: THEY DIFFER/)
    expect(said.error).toMatch(/^SIGNATURE_INVALID: 1 signed values are not valid; what was signed is not/)
  })

  it('opens with the keys of before, after the operator has new ones', async () => {
    const id = await charged([signedValue('B', '5.000'), signedValue('E', '12.500')])
    await mustRun('keys', 'rotate', 'issuer', '--site', site, '--via', nodeDir)
    const said = await signed(id, '--public-key', meterKey, '--json')
    expect(said).toMatchObject({ code: 0, error: '' })
    expect(JSON.parse(said.out)).toMatchObject({ registers: 'agree', closed: 0 })
  })

  it('goes into a receipt, and is judged there by who has the keys of the site and of the meter', async () => {
    const id = await charged([signedValue('B', '5.000'), signedValue('E', '12.500')])
    await mustRun('site', 'root', '--site', site, '--out', join(folder.dir, 'root.pub'))
    const made = join(folder.dir, 'made.receipt')
    const words = ['receipt', id.slice(0, 8), '--via', nodeDir]
    const plain = await mustRun(...words, '--json')
    expect(JSON.parse(plain.out)).toMatchObject({ signedValues: { count: 2 } })
    expect((await mustRun(...words)).out).toMatch(/Signed meter values: 2, kept by the/)
    await mustRun(...words, '--site', site, '--out', made)
    const verify = ['verify', made, '--root', join(folder.dir, 'root.pub'), '--meter-key', meterKey]
    const said = await mustRun(...verify, '--json')
    expect(JSON.parse(said.out)).toMatchObject({
      ...{ verdict: 'valid', receipt: { sessionId: id } },
      meter: { registers: 'agree', values: [1, 2].map(() => ({ verdict: 'valid', keyFrom: 'given' })) },
    })
    expect((await mustRun(...verify)).out).toMatch(
      /^VALID\n[\s\S]*2 enclosed by the operator, 2 valid by the given key/,
    )
    expect((await run(...words, '--site', site)).error).toMatch(
      /^CONFIG_INVALID: --site goes with --out or --json/,
    )
  })

  it('that differs from the session makes a receipt in which it is enclosed invalid', async () => {
    const id = await charged([signedValue('B', '5.000'), signedValue('E', '9.500')])
    const { rootKey } = JSON.parse((await mustRun('site', 'root', '--site', site, '--json')).out)
    const made = join(folder.dir, 'made.receipt')
    await mustRun('receipt', id.slice(0, 8), '--via', nodeDir, '--site', site, '--out', made)
    const said = await run('verify', made, '--root', rootKey)
    expect(said.code).toBe(1)
    expect(said.error).toMatch(/^SIGNATURE_INVALID: .*what the meter signed is not what the receipt says/)
  })

  it.each([
    ['no such session', ['ffffffff'], /^CONFIG_INVALID: session ffffffff: this node knows none/],
    ['too few digits', ['f'], /^CONFIG_INVALID: session f: /],
    [
      'no key',
      ['ffffffff', '--public-key', '/no/such/file'],
      /^CONFIG_INVALID: .*--public-key wants an elliptic/,
    ],
  ] as const)('is not shown for %s, and what to do is said', async (_what, [id = '', ...more], error) => {
    const said = await run('session', 'signed', id, '--site', site, '--via', nodeDir, ...more)
    expect(said.code).toBe(1)
    expect(said.error).toMatch(error)
  })
})
