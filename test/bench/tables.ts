// The cloud's tables, empty, for each round of a benchmark: in a database of their own on a PostgreSQL server, or in PGlite.
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { Client } from 'pg'
import { copyOver, copyStatement, copyText } from '../../src/cloud/copying.ts'
import { type Database, openDatabase } from '../../src/cloud/database.ts'
import type { Cell } from '../../src/cloud/inserting.ts'
import { migrate } from '../../src/cloud/schema.ts'
import { postgresServer } from '../integration/postgres-server.ts'
import type { Row } from './ingest.ts'

export type Filled = {
  readonly database: Database
  /** Brings rows of `events` in, as one commit. */
  readonly copy: (rows: readonly Row[]) => Promise<void>
  readonly insert: (rows: readonly Row[]) => Promise<void>
  /** Of the server's processes, as far as they run on this machine. */
  readonly serverCpuS: () => Promise<number>
}
export type Tables = {
  readonly within: <T>(use: (filled: Filled) => Promise<T>) => Promise<T>
  readonly close: () => Promise<void>
}

/** `pglite`: 0, a PostgreSQL server; 1, PGlite in memory; 2, PGlite in a folder. */
export async function tablesOf(pglite: number): Promise<Tables> {
  return pglite === 0 ? await onServer() : inPGlite(pglite === 2)
}

const COLUMNS = [
  ...['site_id', 'log_id', 'seq', 'event_hash', 'prev', 'type', 'hlc', 'mono_ms', 'element', 'received_at'],
  ...['charger_id', 'session_id', 'fold_key', 'sampled_at', 'register_wh', 'cites'],
]

async function onServer(): Promise<Tables> {
  // As one is run: what is committed is flushed.
  const server = await postgresServer({ fsync: 'on', shared_buffers: '256MB' })
  return {
    within: async use => {
      const url = await server.database()
      const database = await openDatabase({ dir: 'memory', url })
      await migrate(database)
      const client = new Client({ connectionString: url })
      await client.connect()
      try {
        return await use({
          database,
          copy: rows => copyOver(client, copyStatement('events', COLUMNS, 'STDIN'), copyText(cellsOf(rows))),
          insert: rows => insertAll(async (text, params) => client.query(text, [...params]), rows),
          serverCpuS: async () => {
            const found = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
            return cpuBeside(found.rows[0]?.pid ?? 0)
          },
        })
      } finally {
        await client.end()
        await database.close()
        await dropped(url)
      }
    },
    close: server.close,
  }
}

async function dropped(url: string): Promise<void> {
  const other = new URL(url)
  const name = other.pathname.slice(1)
  other.pathname = '/postgres'
  const client = new Client({ connectionString: other.href })
  await client.connect()
  await client.query(`DROP DATABASE ${name}`).finally(() => client.end())
}

function inPGlite(inFolder: boolean): Tables {
  return {
    within: async use => {
      const dir = inFolder ? await mkdtemp(join(tmpdir(), 'chargemesh-bench-')) : 'memory'
      const database = await openDatabase({ dir })
      await migrate(database)
      // What COPY reads from is no part of our face of a database, so it has one of its own, beside which ours stays empty.
      const own = inFolder ? await mkdtemp(join(tmpdir(), 'chargemesh-bench-')) : undefined
      const db = await PGlite.create(own ? join(own, 'pglite') : 'memory://')
      const query = async (text: string, params: readonly unknown[] = []) => db.query(text, [...params])
      await migrate(faceOf(db))
      try {
        return await use({
          database,
          copy: async rows => {
            const blob = new Blob([copyText(cellsOf(rows))])
            await db.query(copyStatement('events', COLUMNS, "'/dev/blob'"), [], { blob })
          },
          insert: rows => insertAll(query, rows),
          serverCpuS: async () => 0,
        })
      } finally {
        await db.close()
        await database.close()
        for (const folder of [own, inFolder ? dir : undefined])
          if (folder) await rm(folder, { recursive: true, force: true })
      }
    },
    close: async () => undefined,
  }
}

function faceOf(db: PGlite): Database {
  const query: Database['query'] = async (text, params = []) => {
    const { rows } = await db.query<Row>(text, [...params])
    return { rows, count: rows.length }
  }
  const copy = async (): Promise<void> => undefined
  return { query, transaction: run => run(query, copy), close: () => db.close() }
}

const ROWS_OF_STATEMENT = 1_000

async function insertAll(
  query: (text: string, params: readonly unknown[]) => Promise<unknown>,
  rows: readonly Row[],
): Promise<void> {
  await query('BEGIN', [])
  for (let from = 0; from < rows.length; from += ROWS_OF_STATEMENT) {
    const some = rows.slice(from, from + ROWS_OF_STATEMENT)
    let at = 0
    const places = some.map(() => `(${COLUMNS.map(() => `$${++at}`).join(', ')})`).join(', ')
    await query(
      `INSERT INTO events (${COLUMNS.join(', ')}) VALUES ${places}`,
      some.flatMap(row => COLUMNS.map(column => row[column])),
    )
  }
  await query('COMMIT', [])
}

function cellsOf(rows: readonly Row[]): readonly (readonly Cell[])[] {
  return rows.map(row => COLUMNS.map(column => row[column] as Cell))
}

/** Of a process that has the same parent, and all that have. */
function cpuBeside(pid: number): number {
  const statOf = (of: string): readonly string[] => {
    try {
      return readFileSync(`/proc/${of}/stat`, 'utf8')
        .replace(/^.*\) /, '')
        .split(' ')
    } catch {
      return []
    }
  }
  const [, parent] = statOf(String(pid))
  if (parent === undefined) return 0
  const all = readdirSync('/proc').filter(name => /^\d+$/.test(name))
  const ticks = all.map(statOf).filter(([, of]) => of === parent)
  return ticks.reduce((total, stat) => total + (Number(stat[11]) + Number(stat[12])) / 100, 0)
}
