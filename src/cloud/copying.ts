// COPY, the quickest way in for many rows.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { ClientBase } from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import type { Cell } from './inserting.ts'

/** Rows of a table, each with as many cells as there are columns. Knows no ON CONFLICT: a row that is there fails all of them. */
export type Copy = (
  table: string,
  columns: readonly string[],
  rows: readonly (readonly Cell[])[],
) => Promise<void>

export function copyStatement(table: string, columns: readonly string[], from: string): string {
  return `COPY ${table} (${columns.join(', ')}) FROM ${from}`
}

/** https://www.postgresql.org/docs/current/sql-copy.html, text format. */
export function copyText(rows: readonly (readonly Cell[])[]): string {
  let text = ''
  for (const row of rows) text += `${row.map(textOf).join('\t')}\n`
  return text
}

const ESCAPED = /[\\\n\r\t]/
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function textOf(cell: Cell): string {
  if (cell === null) return '\\N'
  if (typeof cell === 'string')
    return ESCAPED.test(cell) ? cell.replace(/[\\\n\r\t]/g, one => ESCAPES[one] ?? one) : cell
  if (cell instanceof Uint8Array)
    return `\\\\x${Buffer.from(cell.buffer, cell.byteOffset, cell.length).toString('hex')}`
  return String(cell)
}

/** On a client that nothing else uses meanwhile. */
export async function copyOver(client: ClientBase, statement: string, text: string): Promise<void> {
  await pipeline(Readable.from([text]), client.query(copyFrom(statement)))
}
