// An audit file from a running node and from a cloud over HTTPS, and `verify` of it: in this process, and as an auditor does it, with
// the built program, an empty home, an empty folder and the root key alone.
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import type { AuditReport } from '../../src/audit/report.ts'
import { openReceiver, type Receiver } from '../../src/cloud/receiver.ts'
import { makeServerCertificate } from '../../src/cloud/tls.ts'
import type { RunningNode } from '../../src/host/runner.ts'
import { hex } from '../../src/units.ts'
import { auditSite } from '../audit/site.ts'
import { until } from '../deadline.ts'
import { testSite } from '../site.ts'
import { cloudBench, openTestDatabase, quiet, served, testClock } from './cloud-bench.ts'
import { asked, mustRun, run, startSite, tempFolder } from './operator-site.ts'

const PASSWORD = 'sixteen-or-more-chars'
const MAIN = fileURLToPath(new URL('../../dist/src/main.js', import.meta.url))

let folder: Awaited<ReturnType<typeof tempFolder>>
beforeEach(async () => {
  folder = await tempFolder()
})
afterEach(async () => await folder.remove())

async function reportOn(
  file: string,
  ...options: readonly string[]
): Promise<AuditReport & { readonly exit: number }> {
  const said = await run('verify', file, '--json', ...options)
  return { ...(JSON.parse(said.out) as AuditReport), exit: said.code }
}

describe('the audit file of a node', () => {
  let node: RunningNode
  let socket: WebSocket | undefined
  let [site, nodeDir] = ['', '']

  beforeEach(async () => {
    ;({ site, nodeDir, node } = await startSite(folder.dir))
    await mustRun('tariff', 'set', '0.25', '--from', '2026-01-01', '--site', site, '--via', nodeDir)
    await mustRun('token', 'add', 'CARD1', '--site', site, '--via', nodeDir)
    await mustRun('charger', 'add', 'CP01', '--password', PASSWORD, '--site', site, '--via', nodeDir)
  })
  afterEach(async () => {
    socket?.terminate()
    await node.close()
  })

  const call = async (action: string, payload: unknown): Promise<Readonly<Record<string, unknown>>> => {
    const id = randomUUID()
    const answer = Promise.withResolvers<Readonly<Record<string, unknown>>>()
    socket?.on('message', data => {
      const [kind, of, said] = JSON.parse(String(data))
      if (kind === 3 && of === id) answer.resolve(said)
    })
    socket?.send(JSON.stringify([2, id, action, payload]))
    return await answer.promise
  }

  const charge = async (): Promise<void> => {
    socket = new WebSocket(`${node.ocppUrl}/CP01`, 'ocpp1.6', { auth: `CP01:${PASSWORD}` })
    const opened = Promise.withResolvers<void>()
    socket.once('open', opened.resolve).once('error', opened.reject)
    await opened.promise
    const startedAt = new Date(Date.now() - 7_200_000).toISOString()
    const stoppedAt = new Date(Date.now() - 3_000).toISOString()
    const start = { connectorId: 1, idTag: 'CARD1', meterStart: 154_200, timestamp: startedAt }
    const { transactionId } = await call('StartTransaction', start)
    await call('StopTransaction', { transactionId, meterStop: 156_700, timestamp: stoppedAt })
    const ended = async (): Promise<boolean> =>
      (await asked<readonly { stoppedAt?: string }[]>(nodeDir, '/v1/sessions')).some(
        one => one.stoppedAt !== undefined,
      )
    await until(ended, { withinMs: 5000, what: 'the session' })
  }

  it('is proven with the root key of the site alone, and says what a session cost', async () => {
    await charge()
    const file = join(folder.dir, 'node.audit')
    await mustRun('audit', 'export', '--via', nodeDir, '--out', file)
    expect(existsSync(`${file}.part`)).toBe(false)
    const report = await reportOn(file, '--root', join(site, 'site.json'))
    expect(report.findings.filter(one => one.severity === 'wrong')).toEqual([])
    expect(report).toMatchObject({
      ...{
        exit: 0,
        verdict: 'proven-with-remarks',
        rootGiven: true,
        file: { source: 'node', madeBy: 'pole-1' },
      },
      sessions: { sessions: 1, energyWh: 2500, due: { EUR: '0.63' } },
    })
    // Told two hours late.
    expect(report.found).toEqual({ late: 1 })
  })

  it('is written under its name once only, and refuses the root of another site', async () => {
    const file = join(folder.dir, 'node.audit')
    await mustRun('audit', 'export', '--via', nodeDir, '--out', file)
    const before = await readFile(file)
    const again = await run('audit', 'export', '--via', nodeDir, '--out', file)
    expect(again).toMatchObject({ code: 1, error: expect.stringContaining('is there already') })
    expect(await readFile(file)).toEqual(before)
    const other = await run('verify', file, '--root', hex(testSite('elsewhere').rootKey))
    expect(other).toMatchObject({ code: 1, error: expect.stringContaining('PROOF_FAILED') })
  })

  it('is checked by the built program with an empty home, in an empty folder', async () => {
    await charge()
    const [file, empty, page] = ['node.audit', 'empty', 'page.html'].map(name => join(folder.dir, name)) as [
      string,
      string,
      string,
    ]
    await mustRun('audit', 'export', '--via', nodeDir, '--out', file)
    await mkdir(empty)
    const { rootKey } = JSON.parse(await readFile(join(site, 'site.json'), 'utf8')) as { rootKey: string }
    const lone = await alone(empty, ['verify', file, '--root', rootKey, '--html', page])
    expect(lone).toMatchObject({ code: 0, out: expect.stringContaining('PROVEN') })
    expect(await readFile(page, 'utf8')).toContain('North Stand')
    const bytes = await readFile(file)
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
    await writeFile(file, bytes)
    expect(await alone(empty, ['verify', file, '--root', rootKey])).toMatchObject({
      ...{ code: 1, error: expect.stringMatching(/PROOF_FAILED.*record \d+ .*from byte \d+/s) },
    })
  })
})

/** As on the machine of somebody who has nothing of the site. */
async function alone(
  home: string,
  words: readonly string[],
): Promise<{ code: number; out: string; error: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; out: string; error: string }>()
  const env = { PATH: process.env.PATH, HOME: home }
  execFile(process.execPath, [MAIN, ...words], { cwd: home, env }, (failed, out, error) => {
    resolve({ code: typeof failed?.code === 'number' ? failed.code : failed ? 1 : 0, out, error })
  })
  return await promise
}

describe('the audit file of a cloud', () => {
  it('holds every log, fork and bill, and finds what somebody changed in the database', async () => {
    const database = await openTestDatabase()
    let receiver: Receiver | undefined
    try {
      const { site, contents, logs, devices, sessions } = auditSite(
        `cloud-${process.pid}-${process.hrtime.bigint()}`,
      )
      const bench = await cloudBench(database, { site, clock: testClock() } as Parameters<
        typeof cloudBench
      >[1])
      const certificates = Object.values(devices).map(one => one.certificate.encoded)
      for (const log of [logs.operator, logs.a, logs.b, logs.stolen, logs.second, logs.trunk])
        expect((await bench.push({ segments: log.segments(), certificates })).refused).toEqual([])
      await bench.push({ segments: contents.forks as [] })
      receiver = await openReceiver({
        ...{ listen: { host: '127.0.0.1', port: 0 }, database },
        sites: [served(site, 'Stadium')],
        tls: await makeServerCertificate(['127.0.0.1']),
        operatorToken: 'a-token-for-the-operator',
        ...{ signatures: site.signatures, clock: bench.clock, random: { bytes: site.random }, logger: quiet },
      })
      const cloud = join(folder.dir, 'cloud')
      await mkdir(cloud)
      await writeFile(join(cloud, 'ca.pem'), receiver.caPem)
      await writeFile(
        join(cloud, 'receiver.json'),
        JSON.stringify({ url: receiver.url, token: 'a-token-for-the-operator' }),
      )
      const take = async (
        name: string,
        ...range: readonly string[]
      ): Promise<AuditReport & { readonly exit: number }> => {
        await mustRun('audit', 'export', '--cloud', cloud, '--out', join(folder.dir, name), ...range)
        return await reportOn(join(folder.dir, name), '--root', hex(site.rootKey))
      }
      const all = await take('all.audit')
      expect(all.findings.filter(one => one.severity === 'wrong')).toEqual([])
      expect(all).toMatchObject({ exit: 0, sessions: { sessions: 4 } })
      expect(all.found).toMatchObject({ fork: 1, 'beyond-cutoff': 1 })
      const none = await take('none.audit', '--from', '2027-01-01')
      expect(none).toMatchObject({ exit: 0, sessions: { sessions: 0, outside: 4, bills: 0 } })
      await database.query('UPDATE bills SET amount = amount + 1 WHERE site_id = $1 AND session_id = $2', [
        ...[site.siteId, sessions.plain.sessionId],
      ])
      const changed = await take('changed.audit')
      expect(changed).toMatchObject({ exit: 1, verdict: 'wrong', found: { 'bill-mismatch': 1 } })
      expect(changed.findings.find(one => one.kind === 'bill-mismatch')?.about).toBe(sessions.plain.sessionId)
    } finally {
      await receiver?.close()
      await database.close()
    }
  })
})
