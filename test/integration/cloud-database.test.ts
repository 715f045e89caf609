// Transactions on a real PostgreSQL server: a connection that is lost in the middle costs that transaction alone, and rows that
// COPY could not bring leave the connection as it was.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase, type Sql } from '../../src/cloud/database.ts'
import { type PostgresServer, postgresServer } from './postgres-server.ts'

let server: PostgresServer
let database: Database
beforeAll(async () => {
  server = await postgresServer()
  database = await openDatabase({ url: await server.database(), dir: 'memory' })
  await database.query('CREATE TABLE t (n int PRIMARY KEY, word text)')
})
afterAll(async () => {
  await database.close()
  await server.close()
})

const COLUMNS = ['n', 'word']
const count = async (): Promise<number> => Number((await database.query('SELECT * FROM t')).count)

async function backendOf(sql: Sql): Promise<number> {
  return Number((await sql('SELECT pg_backend_pid() AS pid')).rows[0]?.pid)
}

it('fails with STORE_FAILED where its connection is lost, and nothing else does', async () => {
  for (const word of ['short', 'long'.repeat(500_000)]) {
    const lost = database.transaction(async (sql, copy) => {
      const pid = await backendOf(sql)
      await copy('t', COLUMNS, [[1, 'one']])
      await database.query('SELECT pg_terminate_backend($1)', [pid])
      await copy('t', COLUMNS, [[2, word]])
    }, 'site')
    await expect(lost).rejects.toMatchObject({ code: 'STORE_FAILED' })
    expect(await count()).toBe(0)
  }
})

it('goes on by the same connection behind rows that could not be brought', async () => {
  const pids = new Set<number>()
  const bring = (...rows: (readonly (string | number)[])[]): Promise<void> =>
    database.transaction(async (sql, copy) => {
      pids.add(await backendOf(sql))
      await copy('t', COLUMNS, rows)
    }, 'site')
  await bring([3, 'three'])
  await expect(bring([4, 'four'], ['no number', 'five'])).rejects.toMatchObject({ code: '22P02' })
  await expect(bring([4, '\u0000'])).rejects.toMatchObject({ code: '22021' })
  await expect(bring([4])).rejects.toMatchObject({ code: '22P04' })
  await expect(bring([4, 'four'], [3, 'again'])).rejects.toMatchObject({ code: '23505' })
  await bring([4, 'four'])
  expect(await count()).toBe(2)
  expect(pids.size).toBe(1)
})
