// The cloud's tables, empty, for each round of a benchmark: in a database of their own on a PostgreSQL server, or in PGlite.
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { Client, type Connection } from 'pg'
import { type Database, openDatabase } from '../../src/cloud/database.ts'
import { migrate } from '../../src/cloud/schema.ts'
import type { Row } from './ingest.ts'
import { serverFor } from './server.ts'

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
const COPY = `COPY events (${COLUMNS.join(', ')}) FROM`

async function onServer(): Promise<Tables> {
  const server = await serverFor()
  let rounds = 0
  const admin = async (text: string): Promise<void> => {
    const client = new Client({ connectionString: server.url })
    await client.connect()
    await client.query(text)
    await client.end()
  }
  return {
    within: async use => {
      rounds += 1
      const name = `chargemesh_bench_${process.pid}_${rounds}`
      await admin(`CREATE DATABASE ${name}`)
      const url = new URL(server.url)
      url.pathname = name
      const database = await openDatabase({ dir: 'memory', url: url.href })
      await migrate(database)
      const client = new Client({ connectionString: url.href })
      await client.connect()
      try {
        return await use({
          database,
          copy: rows => copyIn(client, textOf(rows)),
          insert: rows => insertAll(async (text, params) => client.query(text, [...params]), rows),
          serverCpuS: async () => {
            const found = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
            return cpuBeside(found.rows[0]?.pid ?? 0)
          },
        })
      } finally {
        await client.end()
        await database.close()
        await admin(`DROP DATABASE ${name}`)
      }
    },
    close: server.close,
  }
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
          copy: async rows =>
            void (await db.query(`${COPY} '/dev/blob'`, [], { blob: new Blob([textOf(rows)]) })),
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
  return { query, transaction: run => run(query), close: () => db.close() }
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

/** As COPY reads it: https://www.postgresql.org/docs/15/sql-copy.html, text format. None of our words holds what it escapes. */
function textOf(rows: readonly Row[]): string {
  return rows.map(row => `${COLUMNS.map(column => cellOf(row[column])).join('\t')}\n`).join('')
}

function cellOf(value: unknown): string {
  if (value === null || value === undefined) return '\\N'
  return value instanceof Uint8Array ? `\\\\x${Buffer.from(value).toString('hex')}` : String(value)
}

type CopyConnection = Connection & {
  readonly sendCopyFromChunk: (chunk: Buffer) => void
  readonly endCopyFrom: () => void
}

/** The few words of the protocol that COPY takes: https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-COPY */
async function copyIn(client: Client, text: string): Promise<void> {
  const done = Promise.withResolvers<void>()
  client.query({
    submit: (connection: Connection) => connection.query(`${COPY} STDIN`),
    handleCopyInResponse: (connection: CopyConnection) => {
      connection.sendCopyFromChunk(Buffer.from(text))
      connection.endCopyFrom()
    },
    handleCommandComplete: () => undefined,
    handleReadyForQuery: () => done.resolve(),
    handleError: (error: Error) => done.reject(error),
  })
  await done.promise
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
