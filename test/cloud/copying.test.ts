// The text of COPY, as https://www.postgresql.org/docs/current/sql-copy.html has it, read back by a database.
import { expect, it } from 'vitest'
import { copyText } from '../../src/cloud/copying.ts'
import { openDatabase } from '../../src/cloud/database.ts'

it('comes back as it was, whatever the cells hold', async () => {
  const rows = [
    ['', '', 0, null],
    ['\\N', '\\.', -1, Uint8Array.of(0, 92, 255)],
    ['a\tb\nc\r\\', 'é\u{1F50C}', Number.MAX_SAFE_INTEGER, Uint8Array.of()],
    [null, '\\', 7, null],
  ] as const
  expect(copyText([['', 'a']])).toBe('\ta\n')
  const database = await openDatabase({ dir: 'memory' })
  await database.query(
    'CREATE TABLE t (n int GENERATED ALWAYS AS IDENTITY, a text, b text, c bigint, d bytea)',
  )
  await database.transaction((_, copy) => copy('t', ['a', 'b', 'c', 'd'], rows))
  const found = await database.query('SELECT a, b, c, d FROM t ORDER BY n')
  expect(found.rows.map(({ a, b, c, d }) => [a, b, Number(c), d && [...(d as Uint8Array)]])).toEqual(
    rows.map(([a, b, c, d]) => [a, b, c, d && [...d]]),
  )
  await database.close()
})
