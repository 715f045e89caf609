// An account is forgotten: nobody can read any more what its meter signed, and nothing else has changed.
import { randomUUID } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import type { RunningNode } from '../../src/host/runner.ts'
import { until } from '../deadline.ts'
import { asked, mustRun, run, startSite, tempFolder } from './operator-site.ts'

const PASSWORD = 'sixteen-or-more-chars'
const CARD = 'FORGETME1'
const SIGNED = 'OCMF|{"FV":"1.0","ID":"FORGETME1","RD":[]}|{"SD":"00"}'

let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, nodeDir] = ['', '']
let node: RunningNode
let socket: WebSocket | undefined
let operator: readonly string[] = []

beforeEach(async () => {
  folder = await tempFolder()
  ;({ site, nodeDir, node } = await startSite(folder.dir))
  operator = ['--site', site, '--via', nodeDir]
  await mustRun('charger', 'add', 'CP01', '--password', PASSWORD, ...operator)
  await mustRun('token', 'add', CARD, '--label', 'Van 12', ...operator)
  await mustRun('token', 'add', 'ANOTHER', ...operator)
})
afterEach(async () => {
  socket?.terminate()
  socket = undefined
  await node.close()
  await folder.remove()
})

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

const at = (hour: number): string => `2026-05-01T${hour}:00:00Z`
type Listed = { readonly sessionId: string; readonly stoppedAt?: string; readonly cost?: string }
const sessions = async () => await asked<readonly Listed[]>(nodeDir, '/v1/sessions')

/** A session with one value that the meter signed, and its id. */
async function charged(idTag: string, hour: number): Promise<string> {
  socket ??= new WebSocket(`${node.ocppUrl}/CP01`, 'ocpp1.6', { auth: `CP01:${PASSWORD}` })
  const ws = socket
  await new Promise<void>((done, fail) => {
    if (ws.readyState === WebSocket.OPEN) done()
    else ws.once('open', done).once('error', fail)
  })
  const before = (await sessions()).map(one => one.sessionId)
  const start = { connectorId: 1, idTag, meterStart: 1000 * hour, timestamp: at(hour) }
  const { transactionId } = await call('StartTransaction', start)
  const sampledValue = [{ value: SIGNED, format: 'SignedData', context: 'Transaction.End' }]
  const stop = { transactionId, meterStop: 1000 * hour + 500, timestamp: at(hour + 1) }
  await call('StopTransaction', { ...stop, transactionData: [{ timestamp: at(hour + 1), sampledValue }] })
  const ended = async () =>
    (await sessions()).find(one => !before.includes(one.sessionId) && one.stoppedAt !== undefined)
  await until(async () => (await ended()) !== undefined, { withinMs: 5000, what: 'the session' })
  return (await ended())?.sessionId ?? ''
}

const signed = async (id: string) => await run('session', 'signed', id, '--json', ...operator)
const keysIn = async (): Promise<Buffer> => await readFile(join(site, 'issuer', 'accounts.keys'))
const forget = async (word: string, ...more: readonly string[]) =>
  await run('forget', word, ...more, ...operator)

describe('an account that is forgotten', () => {
  it('takes with it what was signed in its sessions, and nothing else', async () => {
    const [mine, other] = [await charged(CARD, 10), await charged('ANOTHER', 12)]
    for (const id of [mine, other])
      expect(JSON.parse((await signed(id)).out)).toMatchObject({ closed: 0, values: [{ format: 'OCMF' }] })
    const [costs, keys] = [(await sessions()).map(one => one.cost), await keysIn()]
    const tried = await forget(CARD, '--dry-run', '--json')
    expect(JSON.parse(tried.out)).toMatchObject({ dryRun: true, keysDestroyed: 1, cardsRevoked: 1 })
    expect(await keysIn(), 'a dry run changes nothing').toEqual(keys)
    const done = JSON.parse((await forget(CARD, '--yes', '--json')).out)
    expect(done).toMatchObject({ forgotten: true, keysDestroyed: 1, cardsRevoked: 1, sealedToOperator: [] })
    expect(done.proofs).toMatchObject([
      {
        keyHash: expect.stringMatching(/^[0-9a-f]{64}$/),
        eventHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
    ])
    expect((await keysIn()).length).toBeLessThan(keys.length)

    const gone = await signed(mine)
    expect(gone).toMatchObject({ code: 0, error: '' })
    expect(JSON.parse(gone.out)).toMatchObject({ values: [], closed: 0, destroyed: { values: 1 } })
    expect((await run('session', 'signed', mine, ...operator)).out).toContain(
      '1 values cannot be read by anybody: the key of this account was destroyed',
    )
    expect(JSON.parse((await signed(other)).out)).toMatchObject({ closed: 0, values: [{ format: 'OCMF' }] })
    expect(
      (await sessions()).map(one => one.cost),
      'what it owes stays',
    ).toEqual(costs)
    expect((await run('token', 'show', CARD, '--site', site)).out).toContain('revoked')

    const again = JSON.parse((await forget(CARD, '--yes', '--json')).out)
    expect(again).toMatchObject({ keysDestroyed: 0, cardsRevoked: 0, proofs: done.proofs })
  })

  it('is named by its label or its reference, and gets a new key when its card is granted again', async () => {
    const shown = JSON.parse((await run('token', 'show', CARD, '--site', site, '--json')).out)
    const { account } = shown.grant
    for (const word of ['Van 12', account, account.toUpperCase()])
      expect(JSON.parse((await forget(word, '--dry-run', '--json')).out)).toMatchObject({
        accounts: [account],
      })
    const { proofs } = JSON.parse((await forget('Van 12', '--yes', '--json')).out)
    await mustRun('token', 'add', CARD, '--again', ...operator)
    const id = await charged(CARD, 14)
    expect(JSON.parse((await signed(id)).out)).toMatchObject({ values: [{ format: 'OCMF' }], closed: 0 })
    const twice = JSON.parse((await forget(CARD, '--yes', '--json')).out)
    expect(twice.proofs).toHaveLength(2)
    expect(twice.proofs).toContainEqual(proofs[0])
    expect(JSON.parse((await signed(id)).out)).toMatchObject({ destroyed: { values: 1 } })
  })

  it('keeps its key when the operator gets new ones, and when all is said again', async () => {
    const id = await charged(CARD, 10)
    await mustRun('keys', 'rotate', 'issuer', '--stolen', ...operator)
    const later = await charged(CARD, 12)
    for (const one of [id, later])
      expect(JSON.parse((await signed(one)).out)).toMatchObject({ closed: 0, values: [{ format: 'OCMF' }] })
    await forget(CARD, '--yes')
    for (const one of [id, later])
      expect(JSON.parse((await signed(one)).out)).toMatchObject({ destroyed: { values: 1 } })
  })

  it.each([
    [
      'without a word that it is meant',
      [CARD],
      /^CONFIG_INVALID: this cannot be undone: look with --dry-run/,
    ],
    ['that nobody has', ['NOBODY', '--yes'], /^CONFIG_INVALID: no account has this card, label or reference/],
    ['with an empty name', ['', '--yes'], /^CONFIG_INVALID: no account has this/],
  ])('is refused %s, and nothing is destroyed', async (_, words, error) => {
    const keys = await keysIn()
    const said = await run('forget', ...words, ...operator)
    expect(said.code).toBe(1)
    expect(said.error).toMatch(error)
    expect(await keysIn()).toEqual(keys)
  })

  it('leaves an audit of before and one of after alike, and both are proven', async () => {
    await charged(CARD, 10)
    const audit = async (name: string) => {
      const file = join(folder.dir, name)
      await mustRun('audit', 'export', '--via', nodeDir, '--out', file)
      const said = await run('verify', file, '--root', join(site, 'site.json'), '--json')
      const { verdict, sessions, findings } = JSON.parse(said.out)
      const wrong = findings.filter((one: { severity: string }) => one.severity === 'wrong')
      return { code: said.code, verdict, sessions, wrong }
    }
    const before = await audit('before.audit')
    await mustRun('forget', CARD, '--yes', ...operator)
    expect(await audit('after.audit')).toEqual(before)
    expect(before).toMatchObject({ code: 0, wrong: [], sessions: { sessions: 1 } })
  })

  it('is said to be so after a command that was interrupted, and that the key may lie in another copy', async () => {
    await rm(join(site, 'issuer', 'accounts.keys'))
    const said = JSON.parse((await forget(CARD, '--yes', '--json')).out)
    expect(said).toMatchObject({ keysDestroyed: 0, keysElsewhere: 1, cardsRevoked: 1 })
    expect(said.proofs).toHaveLength(1)
    expect(JSON.parse((await forget(CARD, '--yes', '--json')).out)).toMatchObject({ keysElsewhere: 0 })
  })

  it('is forgotten from a folder that is sealed with a passphrase', async () => {
    const id = await charged(CARD, 10)
    const pass = join(folder.dir, 'pass')
    await writeFile(pass, 'the passphrase of the operator\n')
    await mustRun('keys', 'encrypt', '--dir', site, '--passphrase-file', pass)
    const unlock = ['--passphrase-file', pass]
    const values = async () =>
      JSON.parse((await run('session', 'signed', id, '--json', ...operator, ...unlock)).out)
    expect(await values()).toMatchObject({ closed: 0, values: [{ format: 'OCMF' }] })
    const keys = await keysIn()
    expect((await forget(CARD, '--yes')).code, 'sealed').toBe(1)
    expect(await keysIn()).toEqual(keys)
    const done = JSON.parse((await forget(CARD, '--yes', '--json', ...unlock)).out)
    expect(done).toMatchObject({ keysDestroyed: 1, cardsRevoked: 1 })
    expect((await keysIn()).length).toBeLessThan(keys.length)
    expect(await values()).toMatchObject({ values: [], closed: 0, destroyed: { values: 1 } })
  })

  it('is not guessed where a label stands on two cards', async () => {
    await mustRun('token', 'add', 'THIRD', '--label', 'Van 12', ...operator)
    const said = await forget('Van 12', '--yes')
    expect(said.error).toMatch(/^CONFIG_INVALID: this names several accounts; say which by its reference: /)
  })
})

describe('a private card', () => {
  it('has no label in the log', async () => {
    await mustRun('token', 'add', 'QUIET', '--label', 'Ms Smith', '--private', ...operator)
    expect((await run('token', 'list', '--site', site)).out).not.toContain('Smith')
  })
})
