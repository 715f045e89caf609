// The operator's folder against a running node: entries arrive, and a folder that was copied or restored never writes a
// second branch of its log, so that a revocation behind the backup stays.
import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { apiFileIn, clientOf, submitTo } from '../../src/api/client.ts'
import { openOperator } from '../../src/host/operator.ts'
import { rememberPlace } from '../../src/host/place.ts'
import type { RunningNode } from '../../src/host/runner.ts'
import { asked, mustRun, run, startSite, tempFolder } from './operator-site.ts'

let folder: Awaited<ReturnType<typeof tempFolder>>
let [site, nodeDir] = ['', '']
let node: RunningNode

beforeEach(async () => {
  folder = await tempFolder()
  const started = await startSite(folder.dir)
  site = started.site
  nodeDir = started.nodeDir
  node = started.node
})

afterEach(async () => {
  await node.close()
  await folder.remove()
})

const via = (): readonly string[] => ['--site', site, '--via', nodeDir]

/** Cards as the node knows them: label and state. */
async function cards(): Promise<Readonly<Record<string, string>>> {
  const rows = await asked<readonly { card: string; state: string }[]>(nodeDir, '/v1/tokens')
  return Object.fromEntries(rows.map(row => [row.card, row.state]))
}

async function forks(): Promise<readonly unknown[]> {
  return (await asked<{ forks: readonly unknown[] }>(nodeDir, '/v1/status')).forks
}

async function logsOfIssuer(): Promise<number> {
  const logs = await asked<readonly { author: string }[]>(nodeDir, '/v1/logs')
  return logs.filter(log => log.author === 'issuer').length
}

describe('a command with --via', () => {
  it('gives the node what it wrote, and goes on with the same log', async () => {
    await mustRun('token', 'add', 'AAAA', '--label', 'a', ...via())
    const said = await mustRun('token', 'revoke', 'AAAA', ...via())
    expect(said.out).toContain('given to the node')
    expect(said.error).toBe('')
    await mustRun('token', 'add', 'BBBB', '--label', 'b', ...via())
    expect(await cards()).toEqual({ a: 'revoked', b: 'granted' })
    expect(await logsOfIssuer()).toBe(1)
  })

  it('writes nothing when no node answers', async () => {
    const gone = join(folder.dir, 'gone')
    const said = await run('token', 'add', 'AAAA', '--site', site, '--via', gone)
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining('nothing was written') })
    expect(JSON.parse((await mustRun('token', 'list', '--site', site, '--json')).out)).toEqual([])
  })

  it('gives the nodes that answer what it wrote, and fails for the one that does not', async () => {
    const gone = join(folder.dir, 'gone')
    const said = await run('token', 'add', 'AAAA', '--label', 'a', ...via(), '--via', gone)
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining('not everybody took it') })
    expect(await cards()).toEqual({ a: 'granted' })
  })
})

describe('a backup of the site folder', () => {
  const backup = (): string => join(folder.dir, 'backup')

  async function revokedSinceBackup(): Promise<void> {
    await mustRun('token', 'add', 'AAAA', '--label', 'a', ...via())
    await cp(site, backup(), { recursive: true })
    await mustRun('token', 'revoke', 'AAAA', ...via())
  }

  it('laid over the same folder opens a new log when a node knows more: the revocation stays', async () => {
    await revokedSinceBackup()
    // The folder itself stays, and with it its number: only the node can tell.
    for (const name of ['journal', 'place.json'])
      await rm(join(site, 'issuer', name), { recursive: true, force: true })
    await cp(backup(), site, { recursive: true, force: true })
    const said = await mustRun('token', 'add', 'CCCC', '--label', 'c', ...via())
    expect(said.error).toContain('this folder is older than what the site knows')
    expect(await forks()).toEqual([])
    expect(await cards()).toEqual({ a: 'revoked', c: 'granted' })
    const again = await mustRun('token', 'add', 'DDDD', '--label', 'd', ...via())
    expect(again.error).toBe('')
    expect(await logsOfIssuer()).toBe(2)
  })

  it('in a folder of its own opens a new log without asking anybody', async () => {
    await revokedSinceBackup()
    await mustRun('token', 'add', 'CCCC', '--label', 'c', '--site', backup())
    await mustRun('token', 'add', 'DDDD', '--label', 'd', '--site', backup())
    await mustRun('token', 'add', 'BBBB', '--label', 'b', ...via())
    await mustRun('token', 'add', 'EEEE', '--label', 'e', '--site', backup(), '--via', nodeDir)
    expect(await forks()).toEqual([])
    expect(await cards()).toEqual({ a: 'revoked', b: 'granted', c: 'granted', d: 'granted', e: 'granted' })
    expect(await logsOfIssuer()).toBe(2)
  })
})

describe('a folder that went on alone with the log of a backup', () => {
  /** A backup was laid over the folder, and then written in without a node to ask. */
  async function branched(): Promise<string> {
    const other = join(folder.dir, 'other')
    await mustRun('token', 'add', 'AAAA', '--label', 'a', ...via())
    await cp(site, other, { recursive: true })
    await mustRun('token', 'revoke', 'AAAA', ...via())
    await rememberPlace(join(other, 'issuer'))
    await mustRun('token', 'add', 'CCCC', '--label', 'c', '--site', other)
    return other
  }

  it('keeps its branch to itself and goes on with a new log', async () => {
    const other = await branched()
    const said = await mustRun('token', 'add', 'DDDD', '--label', 'd', '--site', other, '--via', nodeDir)
    expect(said.error).toContain('this folder is older than what the site knows')
    expect(await forks()).toEqual([])
    expect(await cards()).toEqual({ a: 'revoked', d: 'granted' })
  })

  it('is told that the node takes nothing of a log with two branches, each time', async () => {
    const operator = await openOperator(await branched())
    try {
      const client = clientOf('api.json', await readFile(apiFileIn(nodeDir), 'utf8'))
      const { segments } = operator.submission()
      const logId = segments[0]?.logId
      const { hashAt } = operator
      const own = await submitTo(client, { ...operator.submission(), written: logId, hashAt })
      expect(own).toMatchObject({ admitted: 0, refused: [expect.stringContaining('has two branches')] })
      const all = segments.map(({ fromSeq, update }) => ({
        ...{ logId, fromSeq, update: Buffer.from(update).toString('base64') },
      }))
      const body = { certificates: [], segments: all, objects: [] }
      await client.post('/v1/submissions', body)
      const second = (await client.post('/v1/submissions', body)) as { refused: readonly string[] }
      expect(second.refused.join()).toContain(`log ${logId} is frozen`)
    } finally {
      await operator.close()
    }
    const said = await mustRun('token', 'add', 'EEEE', '--label', 'e', ...via())
    expect(said.error).toContain('has two branches and is frozen')
    expect(await cards()).toMatchObject({ e: 'granted' })
  })
})
