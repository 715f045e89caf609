// Reads the columns of a row. The two drivers hand the same column out as number, text or bigint; here every value
// is made one type, and a value of another kind stops the request.
import { InvariantBroken } from '../errors.ts'
import type { Param, Row } from './database.ts'

export function textIn<T extends string = string>(row: Row, column: string): T {
  const value = row[column]
  // The database holds only ids that we wrote, so the brand is what the caller's table says.
  return typeof value === 'string' ? (value as T) : unexpected(column, value)
}

export function optionalTextIn<T extends string = string>(row: Row, column: string): T | undefined {
  return row[column] === null || row[column] === undefined ? undefined : textIn<T>(row, column)
}

/** An integer that a double holds exactly. */
export function intIn(row: Row, column: string): number {
  const value = row[column]
  const number = typeof value === 'string' || typeof value === 'bigint' ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) ? number : unexpected(column, value)
}

export function optionalIntIn(row: Row, column: string): number | undefined {
  return row[column] === null || row[column] === undefined ? undefined : intIn(row, column)
}

export function bigintIn(row: Row, column: string): bigint {
  const value = row[column]
  return typeof value === 'string' || typeof value === 'number' ? BigInt(value) : unexpected(column, value)
}

export function bytesIn(row: Row, column: string): Uint8Array {
  const value = row[column]
  return value instanceof Uint8Array ? new Uint8Array(value) : unexpected(column, value)
}

export function flagIn(row: Row, column: string): boolean {
  const value = row[column]
  return typeof value === 'boolean' ? value : unexpected(column, value)
}

function unexpected(column: string, value: unknown): never {
  throw new InvariantBroken(`column ${column} holds ${value === null ? 'null' : typeof value}`)
}

/** `($1, $2), ($3, $4)` and its parameters, for an INSERT of several rows of equal length. */
export function valuesOf(rows: readonly (readonly Param[])[]): { text: string; params: readonly Param[] } {
  let at = 0
  const text = rows.map(row => `(${row.map(() => `$${++at}`).join(', ')})`).join(', ')
  return { text, params: rows.flat() as Param[] }
}
