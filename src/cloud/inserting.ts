// Many rows in one statement whose text is the same for any number of them: one array a column. A list of placeholders would be
// read and planned anew for every count, and may hold no more than 65,535.
import type { Param, Sql } from './database.ts'

export type Cell = string | number | bigint | boolean | Uint8Array | null
/** Name and type. */
export type Column = readonly [name: string, type: string]

export type Table = {
  readonly name: string
  readonly columns: readonly Column[]
  /** Behind the rows: what becomes of those that are there. */
  readonly conflict?: string
}

/** Writes rows of one site, whose id stands before their cells; answers how many were new or changed. */
export async function insertRows(
  sql: Sql,
  siteId: string,
  { name, columns, conflict = '' }: Table,
  rows: readonly (readonly Cell[])[],
): Promise<number> {
  if (rows.length === 0) return 0
  const names = columns.map(([column]) => column).join(', ')
  const arrays = columns.map(([, type], i) => `$${i + 2}::${type}[]`).join(', ')
  const result = await sql(
    `INSERT INTO ${name} (site_id, ${names}) SELECT $1, r.* FROM unnest(${arrays}) AS r (${names}) ${conflict}`,
    [siteId, ...columns.map((_, i): Param => rows.map(row => cellOf(row[i])))],
  )
  return result.count
}

function cellOf(cell: Cell | undefined): string | number | Uint8Array | null {
  if (cell === undefined) return null
  return typeof cell === 'bigint' || typeof cell === 'boolean' ? String(cell) : cell
}
