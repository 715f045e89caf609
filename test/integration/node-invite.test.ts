// A node that joins by code: its keys are made where it will run, and it knows the site's cards from its first boot.
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { boxWith, codeOf, invitationIn } from '../../src/host/invitation.ts'
import { type NodeKeys, type OpenInvitation, openInvitation } from '../../src/host/invite.ts'
import { type Ask, askDigest, JOIN_PATH, joinByInvitation } from '../../src/host/join.ts'
import { openOperator } from '../../src/host/operator.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { admissionOf, certifyNode } from '../../src/host/site-birth.ts'
import { drawKeys, publicKeys } from '../../src/identity/keys.ts'
import { ed25519 } from '../../src/identity/signature.ts'
import { hex } from '../../src/units.ts'
import { until } from '../deadline.ts'
import { asked, mustRun, run, startSite, tempFolder } from './operator-site.ts'

const NAME = 'pole-7'
let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, nodeDir, dir] = ['', '', '']
let running: RunningNode[] = []
let invitation: OpenInvitation | undefined
let faults: string[] = []
const plainly = { settings: () => 'name: pole-7\n', nowAt: Date.now }

beforeEach(async () => {
  folder = await tempFolder()
  const started = await startSite(folder.dir)
  site = started.site
  nodeDir = started.nodeDir
  running = [started.node]
  faults = []
  dir = join(folder.dir, NAME)
  await mustRun('token', 'add', 'AAAA', '--label', 'a', '--site', site, '--via', nodeDir)
})

afterEach(async () => {
  await invitation?.close()
  invitation = undefined
  for (const node of running) await node.close()
  await folder.remove()
})

/** `certified` says for which keys the certificate is made: those of who asks, unless the operator's machine lies. */
async function invite(forMs = 60_000, certified = (keys: NodeKeys): NodeKeys => keys): Promise<string> {
  invitation = await openInvitation({
    ...{ listen: { host: '127.0.0.1', port: 0 }, forMs, nowAt: Date.now },
    peers: [running[0]?.meshAddresses[0] ?? ''],
    onFault: reason => void faults.push(reason),
    admit: async keys => {
      const operator = await openOperator(site)
      try {
        const encoded = await certifyNode(operator, certified(keys), { name: NAME, nowAt: Date.now() })
        return { name: NAME, admission: admissionOf(operator, encoded) }
      } finally {
        await operator.close()
      }
    },
  })
  // Whether it is awaited or not: a time that ran out is no unhandled fault.
  invitation.joined.catch(() => undefined)
  return codeOf({ host: '127.0.0.1', port: invitation.port, secret: invitation.secret })
}

/** What an honest node asks with keys of its own. */
function askWith(secret: Uint8Array): Ask {
  const keys = drawKeys(length => new Uint8Array(randomBytes(length)))
  const { peerKey, logKey, sealKey } = publicKeys(keys)
  const named = { peerKey: hex(peerKey), logKey: hex(logKey), sealKey: hex(sealKey) }
  const digest = askDigest(secret, named)
  const { sign } = ed25519()
  return {
    ...{ version: 1, ...named },
    logProof: hex(sign(keys.logKey, digest)),
    peerProof: hex(sign(keys.peerKey, digest)),
  }
}

const ports = ['--mesh', '127.0.0.1:0', '--ocpp', '127.0.0.1:0']

describe('a code', () => {
  it('makes a node of the site, whose keys nobody else has seen', async () => {
    const code = await invite()
    const said = await mustRun('node', 'join', code, '--dir', dir, ...ports)
    expect(said.out).toContain(`node ${NAME} is ready`)
    expect(await invitation?.joined).toBe(NAME)
    const { keys } = JSON.parse(await readFile(join(dir, 'identity.json'), 'utf8')) as { keys: object }
    const operator = await readFile(join(site, 'issuer', 'identity.json'), 'utf8')
    for (const secret of Object.values(keys)) expect(operator).not.toContain(secret)
    running.push(await runNode(dir))
    const cards = await asked<readonly { card: string; state: string }[]>(dir, '/v1/tokens')
    expect(cards).toMatchObject([{ card: 'a', state: 'granted' }])
    const met = async (): Promise<boolean> =>
      (await asked<{ peers: readonly string[] }>(dir, '/v1/status')).peers.join() === 'pole-1'
    await until(met, { withinMs: 10_000, what: 'it meets the node that the invitation named' })
  })

  it('lets one node in, and tells the next one why not', async () => {
    const code = await invite()
    await mustRun('node', 'join', code, '--dir', dir, ...ports)
    const said = await run('node', 'join', code, '--dir', join(folder.dir, 'second'), ...ports)
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining('another node used it') })
    await invitation?.close()
    const late = await run('node', 'join', code, '--dir', join(folder.dir, 'third'), ...ports)
    expect(late).toMatchObject({ code: 1, error: expect.stringContaining('its minutes are over') })
  })

  it('of another invitation opens nothing, and leaves this one as it was', async () => {
    const code = await invite()
    const read = invitationIn(code)
    if (!read) throw new Error(code)
    const wrong = { ...read, secret: read.secret.toReversed() }
    for (let i = 0; i < 30; i++)
      await expect(joinByInvitation(dir, wrong, plainly)).rejects.toThrow('does not know this code')
    await mustRun('node', 'join', code, '--dir', dir, ...ports)
    expect(await invitation?.joined).toBe(NAME)
  })

  it.each([
    ['application/json', '1900000000', 415],
    ['text/plain', '1900000000', 415],
    ['application/octet-stream', 'x'.repeat(500), 403],
    ['application/octet-stream', 'x'.repeat(5000), 413],
  ])('reads nothing of a stranger who sends %s', async (type, body, status) => {
    const read = invitationIn(await invite())
    const answer = await fetch(`http://127.0.0.1:${read?.port}${JOIN_PATH}`, {
      ...{ method: 'POST', headers: { 'content-type': type }, body },
    })
    expect(answer.status).toBe(status)
  })

  it.each([
    ['signs with another log key', 'logProof'],
    ['signs with another peer key', 'peerProof'],
  ] as const)('lets nobody in who knows it and %s than the one it names', async (_, forged) => {
    const code = await invite()
    const read = invitationIn(code)
    if (!read) throw new Error(code)
    const statusOf = async (ask: Ask): Promise<number> => {
      const plain = new TextEncoder().encode(JSON.stringify(ask))
      const body = new Uint8Array(
        boxWith(read.secret, 'ask', { nonce: new Uint8Array(randomBytes(12)), plain }),
      )
      const headers = { 'content-type': 'application/octet-stream' }
      const said = await fetch(`http://127.0.0.1:${read.port}${JOIN_PATH}`, { method: 'POST', headers, body })
      return said.status
    }
    const [honest, other] = [askWith(read.secret), askWith(read.secret)]
    expect(await statusOf({ ...honest, [forged]: other[forged] })).toBe(403)
    expect(await statusOf(honest)).toBe(200)
  })

  it('leaves nothing behind when the certificate that comes back is for other keys', async () => {
    const others = publicKeys(drawKeys(length => new Uint8Array(randomBytes(length))))
    const read = invitationIn(await invite(60_000, keys => ({ ...keys, logKey: others.logKey })))
    if (!read) throw new Error('no code')
    await expect(joinByInvitation(dir, read, plainly)).rejects.toThrow('not for the keys of this node')
    await expect(readFile(join(dir, 'identity.json'))).rejects.toThrow('ENOENT')
  })

  it('stands while the operator’s folder is busy, and is used when it is free', async () => {
    const code = await invite()
    const operator = await openOperator(site)
    const said = await run('node', 'join', code, '--dir', dir, ...ports)
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining('see what') })
    expect(faults.join()).toContain('is used by')
    await operator.close()
    await mustRun('node', 'join', code, '--dir', dir, ...ports)
  })

  it('makes a whole node although nobody hears that it is done', async () => {
    const read = invitationIn(await invite())
    if (!read) throw new Error('no code')
    const settings = (): string => {
      // The operator stops waiting between the answer and the end.
      void invitation?.close()
      return 'name: pole-7\n'
    }
    const joined = await joinByInvitation(dir, read, { ...plainly, settings })
    expect(joined.isUnheard).toBe(true)
    expect((await readFile(join(dir, 'identity.json'), 'utf8')).length).toBeGreaterThan(0)
  })

  it('writes nothing where the settings cannot be', async () => {
    const read = invitationIn(await invite())
    if (!read) throw new Error('no code')
    const settings = (): string => {
      throw new Error('no such port')
    }
    await expect(joinByInvitation(dir, read, { ...plainly, settings })).rejects.toThrow('no such port')
    await expect(readFile(join(dir, 'identity.json'))).rejects.toThrow('ENOENT')
    await joinByInvitation(dir, read, plainly).catch(error =>
      expect(String(error)).toContain('another node used it'),
    )
  })

  it('is void when its minutes are over', async () => {
    await invite(50)
    await expect(invitation?.joined).rejects.toThrow('nobody came in time')
  })

  it('is told apart from a mistyped one, and needs an empty folder', async () => {
    const code = await invite()
    const typo = code.replace(/.$/, last => (last === '0' ? '1' : '0'))
    const said = await run('node', 'join', typo, '--dir', dir)
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining('a character is wrong or missing') })
    const full = await run('node', 'join', code, '--dir', nodeDir)
    expect(full).toMatchObject({ code: 1, error: expect.stringContaining('holds a node already') })
    const both = await run('node', 'join', code, '--dir', dir, '--name', 'x')
    expect(both).toMatchObject({ code: 1, error: expect.stringContaining('leave them out') })
  })

  it('warns a machine whose clock is off by a year, and joins it', async () => {
    const read = invitationIn(await invite())
    if (!read) throw new Error('no code')
    const yearMs = 365 * 24 * 3600 * 1000
    const { clockOffMs } = await joinByInvitation(dir, read, {
      ...{ ...plainly, nowAt: () => Date.now() - yearMs },
    })
    expect(Math.round((clockOffMs ?? 0) / yearMs)).toBe(-1)
  })
})

it('node invite says what is wrong with its options', async () => {
  for (const [words, complaint] of [
    [['--minutes', '0'], '--minutes 0: wanted a whole number from 1 to 1440'],
    [['--port', '70000'], '--port 70000'],
    [['--peer', 'pole-01'], '--peer pole-01: wanted host:port'],
    [['--host', '::1'], '--host ::1: wanted a name or an IPv4 address'],
  ] as const) {
    const said = await run('node', 'invite', '--site', site, '--name', 'x', ...words)
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining(complaint) })
  }
})
