// `chargemesh token`: cards. What is written is a reference, never the id on the card.
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { parse } from 'csv-parse/sync'
import { MeshError, reasonOf } from '../errors.ts'
import type { Operator } from '../host/operator.ts'
import { rememberingTokens, tokenSecretIn } from '../host/tokens.ts'
import { normalTag } from '../identity/token.ts'
import { type AnyBody, type BodyOf, MAX_SUPERSEDED } from '../log/body.ts'
import type { TokenRef } from '../units.ts'
import { wholeNumber } from './number.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'
import { startProgress } from './progress.ts'
import { DASH_HELP, secretOf } from './secret.ts'
import { instantOf } from './time.ts'
import { withSealedTag } from './token-seal.ts'

const DAY_MS = 24 * 3600 * 1000
const MAX_TAG_CHARS = 20
/** Offline, a card works for so long after the operator was last heard of. */
const DEFAULT_MAX_AGE_DAYS = 30
const MAX_IMPORT_LINES = 1_000_000
/** Cards that are stretched together: enough for every thread there is. */
const STRETCHED_TOGETHER = 32

type GrantOptions = {
  readonly label?: string
  readonly from: string
  readonly until?: string
  readonly days: string
  readonly capKwh?: string
  readonly zone?: string
  readonly again?: boolean
}

export function addTokenCommands(program: Command): void {
  const token = program.command('token').description('cards: who may charge')
  grantOptions(operatorOptions(token.command('add <card>')))
    .description(`let a card charge; ${DASH_HELP}`)
    .option('--again', 'undo an earlier revocation of this card')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh token add 04A2B3C4 --label "Van 12" --days 365 --site ./stadium --via ./pole-07',
    )
    .action(async (card: string, options: OperatorOptions & GrantOptions) => {
      const id = await secretOf(card)
      await asOperator(options, async operator => {
        const tokenRef = await referencesOf(operator)(id)
        await operator.record([withSealedTag(operator, grantOf(operator, tokenRef, options), id)])
        sayState(operator, tokenRef, options)
      })
    })
  operatorOptions(token.command('revoke <card>'))
    .description(`stop a card; wins over every grant, on every node that hears of it; ${DASH_HELP}`)
    .option('--reason <text>', 'why', 'revoked by the operator')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh token revoke 04A2B3C4 --reason lost --site ./stadium --via ./pole-07',
    )
    .action(async (card: string, options: OperatorOptions & { reason: string }) => {
      const id = await secretOf(card)
      await asOperator(options, async operator => {
        const tokenRef = await referencesOf(operator)(id)
        const body = { tokenRef, reason: options.reason.slice(0, 128), effectiveAt: Date.now() }
        await operator.record([{ name: 'revoke', body }])
        say(
          options,
          { revoked: true },
          'revoked; islands that cannot be reached will hear of it when they can',
        )
      })
    })
  token
    .command('list')
    .description('all cards of the site, as the operator’s log has them')
    .requiredOption('--site <dir>', "the site's folder")
    .option('--json', 'print JSON')
    .action(listTokens)
  grantOptions(operatorOptions(token.command('import <csv>')))
    .description('let many cards charge: a CSV with a column `card`, and optionally `label`, `from`, `until`')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh token import guests.csv --from 2026-07-04T08:00 --until 2026-07-05T02:00 --cap-kwh 20 --site ./stadium',
    )
    .action(importTokens)
}

function grantOptions(command: Command): Command {
  return command
    .option('--label <text>', 'what is printed on the card; every node can read it')
    .option('--from <time>', 'valid from (ISO 8601)', 'now')
    .option('--until <time>', 'valid until (ISO 8601)')
    .option('--days <n>', 'valid for so many days, without --until', '365')
    .option('--cap-kwh <n>', 'energy a day while the operator is offline')
    .option('--zone <name>', 'only at chargers of this zone')
}

function referencesOf(operator: Operator): (card: string) => Promise<TokenRef> {
  const reference = rememberingTokens(tokenSecretIn(operator.identity))
  return async card => {
    const tag = normalTag(card)
    if (tag.length === 0 || tag.length > MAX_TAG_CHARS) {
      throw new MeshError(
        'CONFIG_INVALID',
        `a card id has 1 to ${MAX_TAG_CHARS} characters (OCPP 1.6 IdToken), this one has ${tag.length}`,
      )
    }
    return await reference(tag)
  }
}

/** Says what the log says now, not what was meant. */
function sayState(operator: Operator, tokenRef: TokenRef, options: OperatorOptions & GrantOptions): void {
  const state = operator.ledger.view().policy.token(tokenRef)
  if (state.kind !== 'granted')
    throw new MeshError('CONFIG_INVALID', `the grant is written, and yet the card is ${state.kind}`)
  const { notBeforeAt, notAfterAt } = state.grant.body
  const [from, until] = [notBeforeAt, notAfterAt].map(at => new Date(at).toISOString())
  say(
    options,
    { card: options.label ?? tokenRef, granted: true, from, until },
    `card ${options.label ?? tokenRef.slice(0, 8)} may charge from ${from} until ${until}`,
  )
}

function grantOf(operator: Operator, tokenRef: TokenRef, options: GrantOptions): AnyBody {
  const nowAt = Date.now()
  const notBeforeAt = instantOf('--from', options.from, nowAt)
  const days = wholeNumber('--days', options.days)
  const notAfterAt =
    options.until === undefined ? notBeforeAt + days * DAY_MS : instantOf('--until', options.until, nowAt)
  if (notAfterAt <= notBeforeAt)
    throw new MeshError('CONFIG_INVALID', 'a card must be valid until later than from')
  const { policy } = operator.ledger.view()
  const token = policy.token(tokenRef)
  if (token.kind === 'revoked' && !options.again) {
    const { reason } = token.revocation.body
    throw new MeshError(
      'CONFIG_INVALID',
      `the card was revoked (${reason}), and a new grant does not change that; \`token add --again\` does`,
    )
  }
  // A renewal of a card that was revoked once and granted again cites that revocation too, or it would count nothing.
  const supersedes = policy.revocations(tokenRef).map(one => one.ref.hash)
  if (supersedes.length > MAX_SUPERSEDED) {
    throw new MeshError(
      'CONFIG_INVALID',
      `the card was revoked ${supersedes.length} times, a grant can undo ${MAX_SUPERSEDED}: hand out another card`,
    )
  }
  const capKwh = options.capKwh === undefined ? undefined : wholeNumber('--cap-kwh', options.capKwh)
  const body: BodyOf<'grant'> = {
    tokenRef,
    accountRef: tokenRef,
    whitelist: 'ALLOWED_OFFLINE',
    supersedes,
    scope: { zones: options.zone === undefined ? [] : [options.zone], connectorTypes: [] },
    notBeforeAt,
    notAfterAt,
    offline: {
      maxAgeS: (DEFAULT_MAX_AGE_DAYS * DAY_MS) / 1000,
      ...(capKwh !== undefined && { maxWhPerDay: capKwh * 1000 }),
    },
    class: 'standard',
    ...(options.label !== undefined && { visualNumber: options.label.slice(0, 48) }),
  }
  return { name: 'grant', body }
}

async function listTokens(options: { site: string; json?: boolean }): Promise<void> {
  await asOperator({ ...options, via: [], json: true }, async operator => {
    const { policy } = operator.ledger.view()
    const rows = policy.tokens().map(tokenRef => {
      const token = policy.token(tokenRef)
      const grant = token.kind === 'unknown' ? undefined : token.grant?.body
      return {
        card: grant?.visualNumber ?? tokenRef.slice(0, 8),
        state: token.kind,
        until: grant ? new Date(grant.notAfterAt).toISOString() : undefined,
        reason: token.kind === 'revoked' ? token.revocation.body.reason : undefined,
      }
    })
    if (options.json) printJson(rows)
    else {
      print(
        tableOf(rows, [
          ['card', row => row.card],
          ['state', row => row.state],
          ['until', row => row.until],
          ['reason', row => row.reason],
        ]),
      )
    }
  })
}

type Line = {
  /** Its number in the file, for people: the last one, where a quoted field spans several. */
  readonly number: number
  readonly card: string
  readonly label?: string
  readonly from?: string
  readonly until?: string
}

/** All lines are checked before one is written: nothing is half-imported. */
async function importTokens(csv: string, options: OperatorOptions & GrantOptions): Promise<void> {
  const lines = await readLines(csv)
  await asOperator(options, async operator => {
    const progress = startProgress('cards', lines.length, options.json !== true)
    const bodies: AnyBody[] = []
    const faults: string[] = []
    const seen = new Map<TokenRef, number>()
    const stretched = stretchAll(operator, lines)
    for (const line of lines) {
      try {
        const tokenRef = await stretched(line)
        const before = seen.get(tokenRef)
        if (before !== undefined) faults.push(`line ${line.number}: the same card as line ${before}`)
        seen.set(tokenRef, line.number)
        const granted = grantOf(operator, tokenRef, { ...options, ...filled(line) })
        bodies.push(withSealedTag(operator, granted, line.card))
      } catch (error) {
        if (!(error instanceof MeshError)) throw error
        faults.push(`line ${line.number}: ${reasonOf(error)}`)
      }
      progress.step()
    }
    progress.end()
    if (faults.length > 0) {
      throw new MeshError('CONFIG_INVALID', `${csv}: nothing was imported\n${faults.slice(0, 50).join('\n')}`)
    }
    await operator.record(bodies)
    say(options, { imported: bodies.length }, `${bodies.length} cards may charge`)
  })
}

/** References in the order of the lines, made a few lines ahead: the stretch runs on threads of its own. */
function stretchAll(operator: Operator, lines: readonly Line[]): (line: Line) => Promise<TokenRef> {
  const reference = referencesOf(operator)
  const ahead = new Map<Line, Promise<TokenRef>>()
  let next = 0
  return async line => {
    for (; next < lines.length && ahead.size < STRETCHED_TOGETHER; next++) {
      const coming = lines[next] as Line
      const made = reference(coming.card)
      // Whoever asks for this line hears of its fault; until then it is no unhandled one.
      made.catch(() => undefined)
      ahead.set(coming, made)
    }
    const made = ahead.get(line) ?? reference(line.card)
    ahead.delete(line)
    return await made
  }
}

function filled(line: Line): Partial<GrantOptions> {
  const { label, from, until } = line
  return { ...(label && { label }), ...(from && { from }), ...(until && { until }) }
}

async function readLines(csv: string): Promise<readonly Line[]> {
  let rows: unknown
  try {
    rows = parse(await readFile(csv), {
      columns: withCard,
      info: true,
      trim: true,
      bom: true,
      skip_empty_lines: true,
      to: MAX_IMPORT_LINES,
    })
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `${csv}: ${reasonOf(error)}`, error)
  }
  // With `info`, the library gives each record beside where it stood.
  const found = rows as readonly { readonly record: Omit<Line, 'number'>; readonly info: { lines: number } }[]
  if (found.length === 0) throw new MeshError('CONFIG_INVALID', `${csv} names no card`)
  return found.map(({ record, info }) => ({ ...record, number: info.lines }))
}

function withCard(columns: string[]): string[] {
  if (columns.includes('card')) return columns
  throw new MeshError(
    'CONFIG_INVALID',
    `the first line must name a column \`card\`, it names ${columns.join(', ')}`,
  )
}
