// How safe a commit is: seen, not believed.
import { describe, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/cloud/database.ts'
import { createDurability, raiseAcks } from '../../src/cloud/durability.ts'
import { enterSite, migrate } from '../../src/cloud/schema.ts'

const SAFE = {
  fsync: 'on',
  waits: 'on',
  standbys: 'ANY 1 (a, b)',
  archive: 'on',
  replicas: 1,
  archiving_fails: false,
}

function asked(rows: () => object, at = { ms: 0 }) {
  let asks = 0
  const database = {
    query: async () => {
      asks += 1
      return { rows: [rows()], count: 1 }
    },
  } as unknown as Database
  const clock = { wallMs: () => 0, monotonicMs: () => at.ms }
  return { durability: createDurability(database, clock), asks: () => asks }
}

describe('the durability of a commit', () => {
  it('is 2 where it waits for a replica that is there, and is archived', async () => {
    expect(await asked(() => SAFE).durability()).toBe(2)
  })

  it.each([
    ['without fsync', { fsync: 'off' }],
    ['that waits for no disk', { waits: 'local' }],
    ['that waits for memory', { waits: 'remote_write' }],
    ['without a replica to wait for', { standbys: '' }],
    ['whose replica is away', { replicas: 0 }],
    ['without an archive', { archive: 'off' }],
    ['whose archiving fails', { archiving_fails: true }],
  ])('is 1 %s', async (_name, change) => {
    expect(await asked(() => ({ ...SAFE, ...change })).durability()).toBe(1)
  })

  it('is looked at again, and not at each push', async () => {
    const at = { ms: 0 }
    let row: object = SAFE
    const { durability, asks } = asked(() => row, at)
    await durability()
    row = { ...SAFE, replicas: 0 }
    expect([await durability(), asks()]).toEqual([2, 1])
    at.ms = 30_000
    expect([await durability(), asks()]).toEqual([1, 2])
  })

  it('is 1 in the embedded database, unless it is promised; what was acknowledged at less is due again', async () => {
    const database = await openDatabase({ dir: 'memory' })
    try {
      const clock = { wallMs: () => 0, monotonicMs: () => 0 }
      expect(await createDurability(database, clock)()).toBe(1)
      expect(await createDurability(database, clock, 2)()).toBe(2)
      await migrate(database)
      await enterSite(database, { siteId: 's', rootKey: new Uint8Array(32), name: '' }, 1)
      for (const [log, durability] of [
        ['a', 1],
        ['b', 2],
      ] as const) {
        await database.query(
          `INSERT INTO log_head (site_id, log_id, device_id, cert_hash, contiguous_seq, head_hash, hlc, mono_ms, closed, ack_due)
           VALUES ('s', $1, '', '', 0, '', 0, 0, false, false)`,
          [log],
        )
        await database.query(
          `INSERT INTO acks (site_id, log_id, seq, durability, encoded, version) VALUES ('s', $1, 0, $2, '', 1)`,
          [log, durability],
        )
      }
      await raiseAcks(database, 's', 1)
      const due = async () =>
        (await database.query('SELECT log_id FROM log_head WHERE ack_due')).rows.map(row => row.log_id)
      expect(await due()).toEqual([])
      await raiseAcks(database, 's', 2)
      expect(await due()).toEqual(['a'])
    } finally {
      await database.close()
    }
  })
})
