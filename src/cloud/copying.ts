// COPY, the quickest way in for many rows: their text, and the few words of PostgreSQL's protocol that pg leaves to others
// (https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY).
import type { Client, Connection } from 'pg'
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

type CopyConnection = Connection & {
  readonly sendCopyFromChunk: (chunk: Buffer) => void
  readonly endCopyFrom: () => void
}

/** On a client that nothing else uses meanwhile. */
export async function copyOver(client: Client, statement: string, text: string): Promise<void> {
  const done = Promise.withResolvers<void>()
  client.query({
    submit: (connection: Connection) => connection.query(statement),
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
