// A CSV of cards, read as a stream: a million lines are held as what they say and no more. Every line that cannot be used is
// named by its number in the file, and no card's id stands in what is said about it.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { type CsvError, parse } from 'csv-parse'
import { MeshError, reasonOf } from '../errors.ts'
import { normalTag } from '../identity/token.ts'
import { tagFault } from './card.ts'
import type { Progress } from './progress.ts'
import { startProgress } from './progress.ts'

const MAX_CARDS = 1_000_000
/** A quote that never ends swallows the rest of the file. */
const MAX_RECORD_CHARS = 16 * 1024
const ENDLESS: readonly string[] = ['CSV_QUOTE_NOT_CLOSED', 'CSV_MAX_RECORD_SIZE']
const COLUMNS = ['card', 'label', 'from', 'until'] as const

export type CardLine = {
  /** Its number in the file, for people: the last one, where a quoted field spans several. */
  readonly number: number
  readonly label?: string
  readonly from?: string
  readonly until?: string
}

export type ReadOptions = {
  readonly fault: (line: number, reason: string) => void
  /** Throws a MeshError where the line says what cannot be. */
  readonly checkLine: (line: CardLine) => void
  readonly isShown: boolean
}

/** The usable lines by card, in their order; a card that comes again counts once and is a fault. */
export async function readCards(csv: string, options: ReadOptions): Promise<ReadonlyMap<string, CardLine>> {
  const cards = new Map<string, CardLine>()
  const { size } = await found(csv)
  const progress = startProgress('bytes', size, options.isShown)
  try {
    await readInto(cards, csv, { ...options, progress })
  } catch (error) {
    if (error instanceof MeshError) throw error
    throw new MeshError('CONFIG_INVALID', `${csv}: ${withoutText(error)}`, error)
  } finally {
    progress.end()
  }
  return cards
}

async function found(csv: string): Promise<{ readonly size: number }> {
  try {
    return await stat(csv)
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `${csv}: ${reasonOf(error)}`, error)
  }
}

type Row = { readonly record: readonly string[]; readonly info: { readonly lines: number } }

async function readInto(
  cards: Map<string, CardLine>,
  csv: string,
  { fault, checkLine, progress }: ReadOptions & { readonly progress: Progress },
): Promise<void> {
  let endless: CsvError | undefined
  const parser = parse({
    ...{ info: true, trim: true, bom: true, skip_empty_lines: true, relax_column_count: true },
    ...{ max_record_size: MAX_RECORD_CHARS, skip_records_with_error: true },
    on_skip: error => {
      if (ENDLESS.includes(error?.code ?? '')) endless ??= error
      else fault(linesOf(error), error ? withoutText(error) : 'cannot be read')
      return undefined
    },
  })
  const file = createReadStream(csv)
  file.on('data', chunk => progress.step(chunk.length))
  file.on('error', error => parser.destroy(error))
  let columns: readonly string[] | undefined
  let rows = 0
  for await (const { record, info } of file.pipe(parser) as AsyncIterable<Row>) {
    if (!columns) {
      columns = columnsOf(csv, record)
      continue
    }
    rows += 1
    if (rows > MAX_CARDS)
      throw new MeshError('CONFIG_INVALID', `${csv}: more than ${MAX_CARDS} cards; import it in parts`)
    const reason = takeRow(cards, { columns, record, number: info.lines, checkLine })
    if (reason !== undefined) fault(info.lines, reason)
  }
  // Lines that may have been good are in it: nobody knows how many were left out.
  if (endless) throw new MeshError('CONFIG_INVALID', `${csv}: ${withoutText(endless)}`, endless)
  if (rows === 0) throw new MeshError('CONFIG_INVALID', `${csv} names no card`)
}

type Taking = {
  readonly columns: readonly string[]
  readonly record: readonly string[]
  readonly number: number
  readonly checkLine: ReadOptions['checkLine']
}

/** What is wrong with the line, or undefined when it was taken. */
function takeRow(
  cards: Map<string, CardLine>,
  { columns, record, number, checkLine }: Taking,
): string | undefined {
  if (record.length !== columns.length)
    return `${record.length} fields, and the first line names ${columns.length}`
  const field = (name: (typeof COLUMNS)[number]): string => record[columns.indexOf(name)] ?? ''
  const [tag, label, from, until] = [normalTag(field('card')), field('label'), field('from'), field('until')]
  const unusable = tagFault(tag)
  if (unusable !== undefined) return unusable
  const line = { number, ...(label && { label }), ...(from && { from }), ...(until && { until }) }
  const before = cards.get(tag)
  if (before) return `the same card as line ${before.number}`
  try {
    checkLine(line)
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    return reasonOf(error)
  }
  cards.set(tag, line)
  return undefined
}

function columnsOf(csv: string, names: readonly string[]): readonly string[] {
  if (!names.includes('card'))
    throw new MeshError(
      'CONFIG_INVALID',
      `${csv}: the first line must name a column \`card\`, it names ${names.join(', ')}`,
    )
  const twice = COLUMNS.find(column => names.indexOf(column) !== names.lastIndexOf(column))
  if (twice !== undefined)
    throw new MeshError('CONFIG_INVALID', `${csv}: the first line names the column ${twice} twice`)
  const others = names.filter(name => !COLUMNS.some(column => column === name))
  if (others.length > 0)
    process.stderr.write(`columns that are not read: ${others.join(', ')}; read are ${COLUMNS.join(', ')}\n`)
  return names
}

function linesOf(error: CsvError | undefined): number {
  const { lines } = (error ?? {}) as { readonly lines?: unknown }
  return typeof lines === 'number' ? lines : 0
}

/** The library repeats what stood in the file, and that may be a card. */
function withoutText(error: unknown): string {
  const { code, lines } = error as { readonly code?: unknown; readonly lines?: unknown }
  const where = typeof lines === 'number' ? ` before or in line ${lines}` : ''
  if (code === 'CSV_QUOTE_NOT_CLOSED') return `a quote is not closed${where}`
  if (code === 'CSV_MAX_RECORD_SIZE')
    return `a line is longer than ${MAX_RECORD_CHARS} characters, or a quote is not closed${where}`
  if (typeof code === 'string' && code.startsWith('CSV_')) return `quotes that do not fit${where} (${code})`
  return reasonOf(error)
}
