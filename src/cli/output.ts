// How commands print: tables for people, JSON for programs.
import Table from 'cli-table3'

export function print(text: string): void {
  process.stdout.write(`${visible(text)}\n`)
}

/** Names and reasons come from chargers, cards and other devices: no sign of theirs may steer the terminal or turn the line around. */
export function visible(text: string): string {
  return text.replace(/[^\P{Cc}\n]|\p{Cf}/gu, '?')
}

export function printJson(value: unknown): void {
  const text = JSON.stringify(value, null, 2)
  // The same value, without a sign that a terminal obeys.
  const safe = text.replace(/[\x7f-\x9f\p{Cf}]/gu, sign =>
    Array.from(
      { length: sign.length },
      (_, i) => `\\u${sign.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
  process.stdout.write(`${safe}\n`)
}

export type Column<T> = readonly [title: string, cell: (row: T) => string | number | undefined]

export function tableOf<T>(rows: readonly T[], columns: readonly Column<T>[]): string {
  const table = new Table({
    head: columns.map(([title]) => title),
    style: { head: [], border: [], compact: true },
    chars: PLAIN,
  })
  for (const row of rows) table.push(columns.map(([, cell]) => String(cell(row) ?? '').replace(/\n/g, ' ')))
  return table.toString()
}

const PLAIN = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}

/** Waits for Ctrl-C or a supervisor's SIGTERM. */
export function untilStopped(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal))
  return promise
}
