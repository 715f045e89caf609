// The operator's folder against a running node: entries arrive, and a folder that was copied or restored never writes a
// second branch of its log, so that a revocation behind the backup stays.
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { apiFileIn, clientOf, submitTo } from '../../src/api/client.ts'
import { openOperator } from '../../src/host/operator.ts'
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
    expect(said).toMatchObject({ code: 1, error: expect.stringContaining('not every node took it') })
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

describe('a log that has two branches', () => {
  /** Two folders go on with one log: what a restore did before it was noticed, done by hand. */
  async function forked(): Promise<string> {
    const other = join(folder.dir, 'other')
    await mustRun('token', 'add', 'AAAA', '--label', 'a', ...via())
    await cp(site, other, { recursive: true })
    await mustRun('token', 'revoke', 'AAAA', ...via())
    const place = await readFile(join(site, 'issuer', 'place.json'), 'utf8')
    await mustRun('token', 'list', '--site', other)
    const { hereOf } = await import('./operator-place.ts')
    await writeFile(join(other, 'issuer', 'place.json'), await hereOf(join(other, 'issuer'), place))
    await mustRun('token', 'add', 'CCCC', '--label', 'c', '--site', other)
    return other
  }

  it('is an error for who hands it over, never a quiet duplicate', async () => {
    const other = await forked()
    const operator = await openOperator(other)
    const client = clientOf('api.json', await readFile(apiFileIn(nodeDir), 'utf8'))
    const handover = { ...operator.submission(), written: undefined }
    const first = await submitTo(client, handover)
    expect(first.refused.join()).toContain('fork')
    const logId = handover.segments[0]?.logId
    const second = await submitTo(client, { ...handover, written: logId })
    expect(second.refused.join()).toContain('is frozen there')
    const answer = (await client.post('/v1/submissions', {
      certificates: [],
      segments: handover.segments.map(({ logId, fromSeq, update }) => ({
        ...{ logId, fromSeq, update: Buffer.from(update).toString('base64') },
      })),
      objects: [],
    })) as { refused: readonly string[] }
    expect(answer.refused.join()).toContain('is frozen')
    await operator.close()
  })

  it('is left behind by the next command, which says so', async () => {
    const other = await forked()
    await run('token', 'add', 'DDDD', '--label', 'd', '--site', other, '--via', nodeDir)
    const said = await mustRun('token', 'add', 'EEEE', '--label', 'e', ...via())
    expect(await cards()).toMatchObject({ e: 'granted' })
    expect(said.code).toBe(0)
  })
})
