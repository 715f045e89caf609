// The cloud's database behind a face of three functions: PostgreSQL by `url`, else PGlite (the same SQL, one process)
// in a folder or in memory. Every transaction is as if it were alone: those of one site are done one after another, others
// are serialisable; each is run again, a bounded number of times, when the database says that it lost a race. Only parameterised SQL. The only home of pg and PGlite.
// PGlite runs without fsync: a killed process loses nothing, a power cut may lose the newest commits or the folder.
// Nodes prune only what was acknowledged at durability 2, so they still hold it; for production give a `url`.
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'
import { Pool, type PoolClient } from 'pg'
import { invariant, MeshError, reasonOf } from '../errors.ts'
import type { Logger } from '../ports.ts'
import { lockDirectory } from '../store/lock.ts'
import { type Copy, copyOver, copyStatement, copyText } from './copying.ts'

export type Param =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | null
  | readonly (string | number | Uint8Array | null)[]
export type Row = Readonly<Record<string, unknown>>
/** `count` is the number of rows read or changed. */
export type Result = { readonly rows: readonly Row[]; readonly count: number }
export type Sql = (text: string, params?: readonly Param[]) => Promise<Result>

export type Database = {
  /**
   * `run` may be called several times. Those with one `turn` are done one after another, in all processes; one without
   * is serialisable beside others without. Rejects with STORE_FAILED when it lost every race.
   */
  readonly transaction: <T>(run: (sql: Sql, copy: Copy) => Promise<T>, turn?: string) => Promise<T>
  /** One statement of its own. */
  readonly query: Sql
  readonly close: () => Promise<void>
}

export type DatabaseOptions = {
  /** postgres://…; without it PGlite is used. */
  readonly url?: string
  /** PGlite's folder; made when there is none. Rejects with STORE_LOCKED while another process uses it. */
  readonly dir: string | 'memory'
  readonly logger?: Logger
}

/** Lost races before a transaction gives up and the pusher is told to come back. */
export const MAX_ATTEMPTS = 12
const RETRY_STEP_MS = 8
const MAX_CONNECTIONS = 10
/** Transactions at once; the other connections are for single statements. */
const MAX_TRANSACTIONS = 6
const CONNECT_TIMEOUT_MS = 5_000
const STATEMENT_TIMEOUT_MS = 30_000

export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  if (options.url !== undefined) return openPool(options.url, options.logger)
  return options.dir === 'memory' ? openPGlite('memory://') : openFolder(options.dir)
}

/** PGlite does not lock its folder, and two processes in one would ruin it: we lock the one around it. */
async function openFolder(dir: string): Promise<Database> {
  const lock = await lockDirectory(dir)
  try {
    const database = await openPGlite(join(dir, 'pglite'))
    return { ...database, close: () => database.close().finally(lock.release) }
  } catch (error) {
    await lock.release()
    throw new MeshError('STORE_FAILED', `the database in ${dir} does not open: ${reasonOf(error)}`, error)
  }
}

async function openPGlite(dataDir: string): Promise<Database> {
  const db = await PGlite.create(dataDir)
  const sqlOf =
    (on: Pick<PGlite, 'query'>): Sql =>
    async (text, params = []) => {
      const result = await on.query<Row>(text, [...params])
      return { rows: result.rows, count: result.affectedRows || result.rows.length }
    }
  return {
    transaction: run =>
      // One connection: nothing runs beside it.
      retried(() =>
        db.transaction(async on => {
          const copy: Copy = async (table, columns, rows) => {
            const blob = new Blob([copyText(rows)])
            await on.query(copyStatement(table, columns, "'/dev/blob'"), [], { blob })
          }
          // PGlite's transaction is its connection with fewer methods; `query` is the same function.
          return run(sqlOf(on as unknown as Pick<PGlite, 'query'>), copy)
        }),
      ),
    query: sqlOf(db),
    close: () => db.close(),
  }
}

function openPool(url: string, logger: Logger | undefined): Database {
  const pool = new Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: STATEMENT_TIMEOUT_MS,
  })
  // An idle connection that breaks is replaced at the next use; unheard, its error would stop the process.
  pool.on('error', error => logger?.warn('database-connection-lost', { reason: error.message }))
  const inTurn = queues()
  const sqlOf =
    (on: Pool | PoolClient): Sql =>
    async (text, params = []) => {
      const result = await on.query<Record<string, unknown>>(text, [...params])
      return { rows: result.rows, count: result.rowCount ?? result.rows.length }
    }
  return {
    transaction: (run, turn) =>
      inTurn(turn, () =>
        retried(() => inTransaction(pool, turn, client => run(sqlOf(client), copyOn(client)))),
      ),
    query: (text, params) => sqlOf(pool)(text, params).catch(failed),
    close: () => pool.end(),
  }
}

function copyOn(client: PoolClient): Copy {
  return (table, columns, rows) => copyOver(client, copyStatement(table, columns, 'STDIN'), copyText(rows))
}

/** One transaction at a time of each turn, and few of all, so that those who wait for their turn hold no connection. */
function queues(): <T>(turn: string | undefined, run: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>()
  const waiting: (() => void)[] = []
  let running = 0
  const inPlace = async <T>(run: () => Promise<T>): Promise<T> => {
    if (running >= MAX_TRANSACTIONS) await new Promise<void>(resolve => waiting.push(resolve))
    else running += 1
    try {
      return await run()
    } finally {
      const next = waiting.shift()
      // The place is handed on, so that nobody who comes now takes it first.
      if (next) next()
      else running -= 1
    }
  }
  return (turn, run) => {
    if (turn === undefined) return inPlace(run)
    const mine = (last.get(turn) ?? Promise.resolve()).then(() => inPlace(run))
    // Whoever asked hears of the failure; the next in line only waits for the end.
    const over = mine
      .catch(() => undefined)
      .then(() => {
        if (last.get(turn) === over) last.delete(turn)
      })
    last.set(turn, over)
    return mine
  }
}

/**
 * With a turn: under the turn's lock, which ends with the transaction, and which everybody takes who writes for the same
 * site, in whatever process. They are done one after another, each seeing all that the ones before committed: READ COMMITTED
 * takes a snapshot for each statement, and the first is the wait for the lock. SERIALIZABLE would add nothing to that but lost
 * races: what a long push reads is more than its predicate locks are kept for apart (32 pages of a table, then all of it), and
 * of four sites at once, which have nothing to do with each other, each ran its transactions three times.
 */
function beginning(turn: string | undefined): string {
  if (turn === undefined) return 'BEGIN ISOLATION LEVEL SERIALIZABLE'
  invariant(/^[\w-]{1,64}$/.test(turn), 'a turn is a word')
  return `BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(hashtextextended('${turn}', 0))`
}

// Small tables are read by sequential scans, which would lock the whole table against everybody's writes. Where one cannot be
// avoided, its forbidding price would have the plan compiled, for longer than it runs.
const PLANS = 'SET LOCAL enable_seqscan = off; SET LOCAL jit = off'

async function inTransaction<T>(
  pool: Pool,
  turn: string | undefined,
  run: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  let broken: Error | undefined
  const lose = (error: Error): void => {
    broken = error
  }
  // The pool hears only those that nobody uses; unheard, a line that is lost in a transaction would stop the process.
  client.on('error', lose)
  try {
    await client.query(`${beginning(turn)}; ${PLANS}`)
    const result = await run(client)
    await client.query('COMMIT')
    return result
  } catch (error) {
    await client.query('ROLLBACK').catch((rollbackError: unknown) => {
      broken = new Error(reasonOf(rollbackError))
    })
    throw error
  } finally {
    client.off('error', lose)
    // A connection that was lost, or could not even be tidied up, is not given back to the pool.
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
      // What is there however often we look is no race: a fault in these rows alone.
      if (attempt >= MAX_ATTEMPTS && codeOf(error) === '23505') throw error
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
  const isAway = error instanceof Error && /timeout|terminated|not queryable/i.test(error.message)
  if (UNAVAILABLE.test(code) || (isAway && !(error instanceof MeshError)))
    throw new MeshError('STORE_FAILED', `the database is not available: ${reasonOf(error)}`, error)
  throw error
}
