// The cloud's database behind a face of three functions: PostgreSQL by `url`, else PGlite (the same SQL, one process)
// in a folder or in memory. Every transaction is serialisable and run again, a bounded number of times, when the
// database says that it lost a race. Only parameterised SQL. The only home of pg and PGlite.
// PGlite runs without fsync: a killed process loses nothing, a power cut may lose the newest commits or the folder.
// Nodes prune only what was acknowledged at durability 2, so they still hold it; for production give a `url`.
import { randomInt } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'
import { Pool, type PoolClient } from 'pg'
import { MeshError, reasonOf } from '../errors.ts'
import type { Logger } from '../ports.ts'

export type Param = string | number | bigint | boolean | Uint8Array | null | readonly string[]
export type Row = Readonly<Record<string, unknown>>
/** `count` is the number of rows read or changed. */
export type Result = { readonly rows: readonly Row[]; readonly count: number }
export type Sql = (text: string, params?: readonly Param[]) => Promise<Result>

export type Database = {
  /** Runs serialisable; `run` may be called several times. Rejects with STORE_FAILED when it lost every race. */
  readonly transaction: <T>(run: (sql: Sql) => Promise<T>) => Promise<T>
  /** One statement of its own. */
  readonly query: Sql
  readonly close: () => Promise<void>
}

export type DatabaseOptions = {
  /** postgres://…; without it PGlite is used. */
  readonly url?: string
  /** PGlite's folder, of which one process at a time may be the owner. */
  readonly dir: string | 'memory'
  readonly logger?: Logger
}

/** Lost races before a transaction gives up and the pusher is told to come back. */
export const MAX_ATTEMPTS = 12
const RETRY_STEP_MS = 8
const MAX_CONNECTIONS = 10
const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 30_000

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  return options.url === undefined
    ? openPGlite(options.dir)
    : openPool(options.url, options.logger ? { logger: options.logger } : {})
}

async function openPGlite(dir: string | 'memory'): Promise<Database> {
  const db = await PGlite.create(dir === 'memory' ? 'memory://' : dir)
  const sqlOf =
    (on: Pick<PGlite, 'query'>): Sql =>
    async (text, params = []) => {
      const result = await on.query<Row>(text, [...params])
      return { rows: result.rows, count: result.affectedRows || result.rows.length }
    }
  return {
    transaction: run =>
      retried(() =>
        db.transaction(async on => {
          await on.query('SET TRANSACTION ISOLATION LEVEL SERIALIZABLE')
          // PGlite's transaction is its connection with fewer methods; `query` is the same function.
          return run(sqlOf(on as unknown as Pick<PGlite, 'query'>))
        }),
      ),
    query: sqlOf(db),
    close: () => db.close(),
  }
}

function openPool(url: string, { logger }: { readonly logger?: Logger }): Database {
  const pool = new Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
  })
  // An idle connection that breaks is replaced at the next use; unheard, its error would stop the process.
  pool.on('error', error => logger?.warn('database-connection-lost', { reason: error.message }))
  const sqlOf =
    (on: Pool | PoolClient): Sql =>
    async (text, params = []) => {
      const result = await on.query<Record<string, unknown>>(text, [...params])
      return { rows: result.rows, count: result.rowCount ?? result.rows.length }
    }
  return {
    transaction: run => retried(() => inTransaction(pool, client => run(sqlOf(client)))),
    query: (text, params) => sqlOf(pool)(text, params).catch(failed),
    close: () => pool.end(),
  }
}

async function inTransaction<T>(pool: Pool, run: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  try {
    // Small tables are read by sequential scans, which would lock the whole table against everybody's writes.
    await client.query('BEGIN ISOLATION LEVEL SERIALIZABLE; SET LOCAL enable_seqscan = off')
    const result = await run(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    // A connection on which even ROLLBACK fails is not given back to the pool.
    await client.query('ROLLBACK').catch((rollbackError: unknown) => {
      broken = new Error(reasonOf(rollbackError))
    })
    throw error
  } finally {
    client.release(broken)
  }
}

/** Runs again after a serialisation failure or a deadlock, with a growing, jittered pause. */
async function retried<T>(run: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await run()
    } catch (error) {
      if (!lostARace(error)) return failed(error)
      if (attempt >= MAX_ATTEMPTS) throw new MeshError('STORE_FAILED', 'the database is too busy', error)
      await delay(randomInt(1, RETRY_STEP_MS * attempt + 1))
    }
  }
}

function lostARace(error: unknown): boolean {
  const code = codeOf(error)
  // A unique key taken between our check and our write is the same lost race under another number.
  return code === '40001' || code === '40P01' || code === '23505'
}

/** SQLSTATE or the system's error code, when the error has one. */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** SQLSTATE classes 08 (connection), 53 (resources) and 57 (operator intervention), and what a socket says. */
const UNAVAILABLE = /^(08...|53...|57...|E[A-Z]{4,})$/

/** A database that cannot be reached is our STORE_FAILED; any other error is a fault of ours and stays itself. */
function failed(error: unknown): never {
  const code = codeOf(error) ?? ''
  const timedOut = error instanceof Error && /timeout|terminated/i.test(error.message)
  if (UNAVAILABLE.test(code) || (timedOut && !(error instanceof MeshError)))
    throw new MeshError('STORE_FAILED', `the database is not available: ${reasonOf(error)}`, error)
  throw error
}
