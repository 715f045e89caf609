// What comes between two looks at the database, and what in it cannot be gone on with: nothing is billed too early, no receipt
// is doubted for nothing, and what is whole is not held up.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Database } from '../../src/cloud/database.ts'
import { raiseAcks } from '../../src/cloud/durability.ts'
import { FINALISE_AFTER_MS, finalise } from '../../src/cloud/finalise.ts'
import { createRaises, heedClaims } from '../../src/cloud/regression.ts'
import { migrate } from '../../src/cloud/schema.ts'
import { sessionBodies } from '../site.ts'
import { type CloudBench, cloudBench, openTestDatabase } from './cloud-bench.ts'

let database: Database
beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(() => database.close())

describe('between two looks', () => {
  it('a word of a session that was silent for long keeps it from being ended', async () => {
    const { site, push, bills, clock } = await cloudBench(database)
    const node = site.device('north')
    const words = sessionBodies()
    const log = site.openLog(node)
    log.append([words.start, words.pricing, words.tick(155_900)])
    const certificates = [node.certificate.encoded]
    await push({ segments: log.segments(), certificates })
    clock.set(clock.wallMs() + FINALISE_AFTER_MS)
    log.append([words.tick(156_200)])
    let isPushed = false
    const between: Database = {
      ...database,
      transaction: async (run, turn) => {
        if (!isPushed) await push({ segments: log.segments(4) })
        isPushed = true
        return await database.transaction(run, turn)
      },
    }
    await finalise(between, site.siteId, clock)
    expect(isPushed).toBe(true)
    expect(await bills()).toEqual([])
    clock.set(clock.wallMs() + FINALISE_AFTER_MS)
    await finalise(database, site.siteId, clock)
    expect(await bills()).toMatchObject([{ reason: 'provisional' }])
  })

  it('a receipt is not doubted because a replica lags, and of losses that do not end a process believes some', async () => {
    const bench = await cloudBench(database)
    const { site, push, deps } = bench
    const node = site.device('north')
    const log = site.openLog(node)
    const { start, pricing, end } = sessionBodies()
    log.append([start, pricing, end])
    const { acks } = await push({ segments: log.segments(), certificates: [node.certificate.encoded] })
    const lagging: Database = {
      ...database,
      query: async (text, params) => {
        const { rows, count } = await database.query(text, params)
        return {
          rows: rows.map(row => ('contiguous_seq' in row ? { ...row, contiguous_seq: 0 } : row)),
          count,
        }
      },
    }
    expect(await heedClaims({ ...deps, database: lagging }, acks)).toBe(false)
    expect(await heedClaims(deps, acks)).toBe(false)
    expect(await epochOf(bench)).toBe(1)

    const raises = createRaises()
    const most = raises.left
    for (let i = 0; i < most + 3; i++) {
      const { acks: newest } = await push({})
      await database.query('UPDATE log_head SET contiguous_seq = 1 WHERE site_id = $1', [site.siteId])
      await heedClaims({ ...deps, raises }, newest)
      await database.query('UPDATE log_head SET contiguous_seq = 3 WHERE site_id = $1', [site.siteId])
    }
    expect(await epochOf(bench)).toBe(1 + most)
  })

  it('acks that promise less are due again in the turn of their site, and no index is cut off while it is made', async () => {
    const { siteId } = (await cloudBench(database)).site
    const turns: unknown[] = []
    const statements: string[] = []
    const heard: Database = {
      ...database,
      transaction: (run, turn) =>
        database.transaction((sql, copy) => {
          turns.push(turn)
          const hearing: typeof sql = (text, params) => {
            statements.push(text)
            return sql(text, params)
          }
          return run(hearing, copy)
        }, turn),
    }
    await raiseAcks(heard, siteId, 2)
    expect(turns).toEqual([siteId])
    statements.length = 0
    await migrate(heard)
    expect(statements[0]).toBe('SET LOCAL statement_timeout = 0')
  })
})

describe('what cannot be gone on with', () => {
  it('holds up no push that it is not part of', async () => {
    const { site, deps, push } = await cloudBench(database)
    const node = site.device('north')
    const log = site.openLog(node)
    const { start, pricing, end } = sessionBodies()
    log.append([start, pricing, end])
    await database.query('INSERT INTO refolds (site_id, session_id) VALUES ($1, $2)', [
      site.siteId,
      'ab'.repeat(16),
    ])
    const failing: Database = {
      ...database,
      transaction: (run, turn) =>
        database.transaction(
          (sql, copy) =>
            run((text, params) => {
              if (text.startsWith('DELETE FROM refolds')) throw new Error('it cannot be folded')
              return sql(text, params)
            }, copy),
          turn,
        ),
    }
    Object.assign(deps, { database: failing })
    const certificates = [node.certificate.encoded]
    const { acks, refused } = await push({ segments: log.segments(), certificates })
    expect([acks.length, refused.length]).toEqual([1, 0])
  })

  it('costs its own log alone: rows that are there and should not be', async () => {
    const { site, push, bills } = await cloudBench(database)
    const [good, bad] = [site.device('good'), site.device('bad')]
    const certificates = [good.certificate.encoded, bad.certificate.encoded]
    const [goodLog, badLog] = [site.openLog(good), site.openLog(bad)]
    await push({ segments: badLog.segments(), certificates })
    const { sessionId, start, pricing, end } = sessionBodies()
    badLog.append([sessionBodies({ chargerId: 'CP-bad' }).start])
    goodLog.append([start, pricing, end])
    await database.query(
      `INSERT INTO events (site_id, log_id, seq, event_hash, prev, type, hlc, mono_ms, element, received_at)
       VALUES ($1, $2, 1, '', '', 0, 0, 0, '', 0)`,
      [site.siteId, badLog.logId],
    )
    const segments = [...badLog.segments(1), ...goodLog.segments()]
    await expect(push({ segments, certificates })).rejects.toThrow('events_pkey')
    expect(await bills()).toMatchObject([{ sessionId }])
  })

  it('is not left to other receivers: whose log was begun is written down, though the word of it was refused', async () => {
    const bench = await cloudBench(database)
    const { site, push } = bench
    const node = site.device('north')
    const forged = site.openLog({ ...site.issuer, keys: site.device('thief').keys })
    forged.append([{ name: 'device_cert', body: { certificate: node.certificate.encoded } }])
    const log = site.openLog(node)
    const { sessionId, start, pricing, end } = sessionBodies()
    log.append([start, pricing])
    const segments = [...forged.segments(), ...log.segments()]
    const answer = await push({ segments })
    expect(answer.refused).toMatchObject([{ logId: forged.logId, reason: 'bad-signature' }])
    log.append([end])
    const other = await cloudBench(database, bench)
    expect((await other.push({ segments: log.segments(3) })).refused).toEqual([])
    expect(await other.bills()).toMatchObject([{ sessionId }])
  })
})

async function epochOf({ site }: CloudBench): Promise<number> {
  const found = await database.query('SELECT cloud_epoch FROM sites WHERE site_id = $1', [site.siteId])
  return Number(found.rows[0]?.cloud_epoch)
}
