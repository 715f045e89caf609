// `chargemesh token import`: many cards from a CSV. Everything is checked before anything is written, and a grant that says
// what is in force already is left out: after a power cut in the middle the same command goes on where it stopped.
import { closeSync, openSync, writeSync } from 'node:fs'
import { MeshError, reasonOf } from '../errors.ts'
import { openAccountKeys } from '../host/account-keys.ts'
import { type Card, cardsOf, groupsOf } from '../host/cards.ts'
import type { Operator } from '../host/operator.ts'
import type { AnyBody } from '../log/body.ts'
import { type CardLine, readCards } from './card-list.ts'
import { type ExtraTerms, extraTermsOf } from './grant-terms.ts'
import { asOperator, type OperatorOptions, say } from './operator.ts'
import { startProgress } from './progress.ts'
import {
  type Given,
  type GrantOptions,
  grantOf,
  isUnchanged,
  termsOf,
  withAccountKey,
} from './token-grant.ts'
import { withSealedTag } from './token-seal.ts'

/** Cards that are stretched together: enough for every thread there is. */
const STRETCHED_TOGETHER = 32
/** Lines are checked before the operator's folder is opened, and with it what all cards of the command have. */
const PLAIN_TERMS: ExtraTerms = {
  ...{ class: 'standard', whitelist: 'ALLOWED_OFFLINE', scope: { connectorTypes: [] }, offline: {} },
}
/** Grants that are made and flushed together. */
const WRITTEN_TOGETHER = 4096
/** Bad lines on the screen; --report has them all. */
const MAX_SHOWN = 50

export type ImportOptions = OperatorOptions &
  GrantOptions & { readonly partial?: boolean; readonly report?: string }

export async function importTokens(csv: string, options: ImportOptions): Promise<void> {
  const nowAt = Date.now()
  const faults = listFaults(options.report)
  try {
    const checkLine = (line: CardLine): void => void termsOf({ options, nowAt, extra: PLAIN_TERMS }, line)
    // What is wrong with the command itself is no fault of any line.
    checkLine({ number: 0 })
    const isShown = options.json !== true
    const cards = await readCards(csv, { fault: faults.add, checkLine, isShown })
    if (!options.partial) refuseAll(csv, faults)
    await asOperator(options, async operator => {
      const extra = await extraTermsOf(options, groupsOf(operator))
      const given = { options, nowAt, extra }
      const wanted = await askEach(operator, cards, { given, faults })
      if (!options.partial) refuseAll(csv, faults)
      const imported = await writeAll(operator, wanted, given)
      const said = { imported, unchanged: wanted.length - imported, refused: faults.count() }
      if (faults.count() > 0) process.stderr.write(`${faults.text()}\n`)
      const others = [
        ...(said.unchanged > 0 ? [`${said.unchanged} could already, unchanged`] : []),
        ...(said.refused > 0 ? [`${said.refused} bad lines were left out`] : []),
      ]
      say(options, said, [`${imported} cards may charge`, ...others].join('; '))
    })
  } finally {
    faults.close()
  }
}

type Wanted = { readonly card: Card; readonly line: CardLine; readonly tag: string }

type Asking = { readonly given: Given & { readonly options: ImportOptions }; readonly faults: Faults }

/** Each card's reference; whom the policy refuses is a fault of its line. */
async function askEach(
  operator: Operator,
  cards: ReadonlyMap<string, CardLine>,
  { given, faults }: Asking,
): Promise<readonly Wanted[]> {
  const wanted: Wanted[] = []
  const progress = startProgress('cards', cards.size, given.options.json !== true)
  for await (const one of stretched(operator, cards)) {
    const { card, line } = one
    try {
      grantOf(operator, card, { terms: termsOf(given, line) })
      wanted.push(one)
    } catch (error) {
      if (!(error instanceof MeshError)) throw error
      faults.add(line.number, reasonOf(error))
    }
    progress.step()
  }
  progress.end()
  return wanted
}

/** References in the order of the lines, made a few lines ahead: the stretch runs on threads of its own. */
async function* stretched(operator: Operator, cards: ReadonlyMap<string, CardLine>): AsyncGenerator<Wanted> {
  const reference = cardsOf(operator)
  const ahead: { readonly line: CardLine; readonly tag: string; readonly made: Promise<Card> }[] = []
  for (const [tag, line] of cards) {
    const made = reference(tag)
    // Whoever asks for this line hears of its fault; until then it is no unhandled one.
    made.catch(() => undefined)
    ahead.push({ line, tag, made })
    const first = ahead.length < STRETCHED_TOGETHER ? undefined : ahead.shift()
    if (first) yield { card: await first.made, line: first.line, tag: first.tag }
  }
  for (const { line, tag, made } of ahead) yield { card: await made, line, tag }
}

/** Gives how many were written; each part is durable before the next is made. */
async function writeAll(operator: Operator, wanted: readonly Wanted[], given: Given): Promise<number> {
  let written = 0
  let bodies: AnyBody[] = []
  const keys = await openAccountKeys(operator)
  const flush = async (): Promise<void> => {
    await keys.save()
    if (bodies.length > 0) await operator.record(bodies)
    written += bodies.length
    bodies = []
  }
  for (const { card, line, tag } of wanted) {
    const terms = termsOf(given, line)
    const body = withAccountKey(keys, grantOf(operator, card, { terms }))
    if (!isUnchanged(operator, body, terms)) bodies.push(withSealedTag(operator, body, tag))
    if (bodies.length >= WRITTEN_TOGETHER) await flush()
  }
  await flush()
  return written
}

type Faults = {
  readonly add: (line: number, reason: string) => void
  readonly count: () => number
  /** The first of them, and where the others are. */
  readonly text: () => string
  readonly close: () => void
}

function listFaults(report: string | undefined): Faults {
  const shown: string[] = []
  let count = 0
  let file: number | undefined
  try {
    file = report === undefined ? undefined : openSync(report, 'w')
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `--report ${report}: ${reasonOf(error)}`, error)
  }
  const waiting: string[] = []
  const flush = (): void => {
    if (file !== undefined && waiting.length > 0) writeSync(file, `${waiting.splice(0).join('\n')}\n`)
  }
  return {
    add: (line, reason) => {
      const text = `line ${line}: ${reason}`
      count += 1
      if (shown.length < MAX_SHOWN) shown.push(text)
      if (file !== undefined) waiting.push(text)
      if (waiting.length >= MAX_SHOWN) flush()
    },
    count: () => count,
    text: () => {
      const rest = count - shown.length
      const where = report === undefined ? '--report <file> writes them all' : `all are in ${report}`
      return [...shown, ...(rest > 0 ? [`and ${rest} more bad lines; ${where}`] : [])].join('\n')
    },
    close: () => {
      flush()
      if (file !== undefined) closeSync(file)
    },
  }
}

function refuseAll(csv: string, faults: Faults): void {
  if (faults.count() === 0) return
  throw new MeshError(
    'CONFIG_INVALID',
    `${csv}: nothing was imported; mend these lines, or leave them out with --partial\n${faults.text()}`,
  )
}
