// `chargemesh conflicts resolve`: one rule for one session or for many, each written as a signed resolution into the
// operator's log. Nothing is written unless the rule fits every one of them.
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { isMore } from '../billing/amounts.ts'
import type { Conflict } from '../billing/conflict.ts'
import { RULES, type Rule } from '../billing/corrections.ts'
import { MeshError } from '../errors.ts'
import type { Operator } from '../host/operator.ts'
import type { AnyBody, EventRef } from '../log/body.ts'
import { decimalsIn, isDecimal } from '../tariff/price.ts'
import type { Tariff } from '../tariff/tariffs.ts'
import type { EventHash, LogId, SessionId } from '../units.ts'
import { unhex } from '../units.ts'
import { sumsOf, sumText } from './bill-list.ts'
import { conflictsFrom, type SourceOptions } from './conflict-source.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { startProgress } from './progress.ts'

type ResolveOptions = OperatorOptions &
  SourceOptions & {
    readonly rule: string
    readonly all?: boolean
    readonly reason?: string
    readonly olderThan?: string
    readonly keep?: string
    readonly amount?: string
    readonly tariff?: string
    readonly note: string
    readonly dryRun?: boolean
    readonly yes?: boolean
  }

/** In one record of the log. */
const MAX_IN_RECORD = 500
const MAX_NOTE_BYTES = 200

export function addConflictResolve(conflicts: Command): void {
  operatorOptions(conflicts.command('resolve [sessions...]'))
    .description('decide by a rule; every decision is a signed entry of its own')
    .requiredOption('--rule <rule>', RULES.join(', '))
    .option(
      '--cloud <dir>',
      'data folder of `chargemesh cloud run`; without it the first node of --via is asked',
    )
    .option('--all', 'all that wait')
    .option('--reason <code>', 'with --all: for this reason only')
    .option('--older-than <time>', 'with --all: that have waited longer, such as 3d')
    .option('--keep <log/seq>', 'with --rule bill-end: the stop that counts, as `conflicts show` names it')
    .option('--amount <sum>', 'with --rule amount: what was agreed on, taxes included')
    .option('--tariff <id>', 'with --rule tariff: the tariff that prices it')
    .option('--note <text>', 'why, for whoever looks at it later', '')
    .option('--dry-run', 'say what would change, and write nothing')
    .option('--yes', 'ask nothing')
    .addHelpText(
      'after',
      '\nExamples:\n  chargemesh conflicts resolve 4f2a91c0 --rule waive --note "broken plug" --site ./stadium --cloud ./cloud-data --via ./pole-07\n  chargemesh conflicts resolve --all --reason conflicting-ends --rule bill-smaller --dry-run --site ./stadium --cloud ./cloud-data',
    )
    .action(resolve)
}

async function resolve(sessions: readonly string[], options: ResolveOptions): Promise<void> {
  const rule = ruleOf(options, sessions)
  const found = await conflictsFrom(options, options.all ? options : { sessions })
  const waiting = found.filter((one): one is Conflict => one.kind === 'session')
  const stops = found.length - waiting.length
  if (waiting.length === 0) return say(options, { resolved: 0 }, 'nothing waits')
  if (options.dryRun) {
    const decisions = decideAll(waiting, { rule, options })
    return say(
      options,
      reportOf(decisions, true),
      `${summaryOf(decisions, stops)}\nnothing was written (--dry-run)`,
    )
  }
  await asOperator(options, async operator => {
    const versions = rule === 'tariff' ? versionsOf(operator, options.tariff) : undefined
    const decisions = decideAll(waiting, { rule, options, versions })
    if (!options.json) process.stderr.write(`${summaryOf(decisions, stops)}\n`)
    await confirm(decisions.length, options)
    const progress = startProgress('decisions', decisions.length, !options.json)
    for (let at = 0; at < decisions.length; at += MAX_IN_RECORD) {
      const part = decisions.slice(at, at + MAX_IN_RECORD)
      await operator.record(part.map(bodyOf))
      progress.step(part.length)
    }
    progress.end()
    say(options, reportOf(decisions, false), `${decisions.length} decided by ${rule}`)
  })
}

function ruleOf(
  { rule, all, keep, amount, tariff, note }: ResolveOptions,
  sessions: readonly string[],
): Rule {
  const known = RULES.find(one => one === rule)
  const wrong = (message: string): never => {
    throw new MeshError('CONFIG_INVALID', message)
  }
  if (!known) return wrong(`--rule ${rule}: wanted one of ${RULES.join(', ')}`)
  if ((all ?? false) === sessions.length > 0) wrong('say which sessions, or --all; not both')
  if (known === 'bill-end' && (keep === undefined || sessions.length !== 1))
    wrong('--rule bill-end is about one session; --keep names the stop, as `conflicts show` does')
  if (known === 'amount' && (amount === undefined || !isDecimal(amount)))
    wrong('--rule amount needs --amount, a plain decimal number such as 2.50')
  if (known === 'tariff' && tariff === undefined) wrong('--rule tariff needs --tariff, the id of one')
  if (Buffer.byteLength(note) > MAX_NOTE_BYTES) wrong(`--note: at most ${MAX_NOTE_BYTES} bytes`)
  return known
}

type Decision = {
  readonly conflict: Conflict
  readonly rule: Rule
  readonly note: string
  readonly amount?: string
  readonly keep?: EventRef
}
type Deciding = {
  readonly rule: Rule
  readonly options: ResolveOptions
  /** Of the tariff that is named, newest first. */
  readonly versions?: readonly Tariff[] | undefined
}

/** Refuses all where the rule does not fit each. */
function decideAll(waiting: readonly Conflict[], deciding: Deciding): readonly Decision[] {
  const decisions = waiting.map(conflict => decisionOf(conflict, deciding))
  const left = decisions.filter(one => typeof one === 'string')
  if (left.length > 0)
    throw new MeshError(
      'CONFIG_INVALID',
      `nothing was written: ${deciding.rule} does not fit ${left.length} of ${waiting.length}; name the others, or narrow it with --reason:\n  ${left.slice(0, 50).join('\n  ')}`,
    )
  return decisions.filter(one => typeof one !== 'string')
}

/** Or why the rule does not fit. */
function decisionOf(conflict: Conflict, { rule, options, versions }: Deciding): Decision | string {
  const { sessionId, reasons, rules, outcomes } = conflict
  const name = `${sessionId.slice(0, 12)} (${reasons.map(({ code }) => code).join(', ')})`
  if (!rules.includes(rule)) return `${name}: ${rules.join(', ')} would`
  const said = { conflict, rule, note: options.note }
  if (rule === 'amount') {
    const wrong = amountFault(conflict, options.amount ?? '')
    return wrong === undefined ? { ...said, amount: options.amount ?? '' } : `${name}: ${wrong}`
  }
  if (rule === 'tariff')
    return versions ? { ...said, keep: versionAt(versions, conflict.startedAt).ref } : said
  const outcome = outcomes.find(
    one => one.rule === rule && (rule !== 'bill-end' || one.keep?.startsWith(`${options.keep}/`)),
  )
  if (!outcome) return `${name}: no such stop; \`conflicts show\` names them`
  return { ...said, amount: outcome.amount, ...(outcome.keep && { keep: refIn(outcome.keep) }) }
}

function amountFault({ candidates, currency }: Conflict, amount: string): string | undefined {
  const sums = candidates.flatMap(({ amounts }) => amounts.map(one => one.split(' ')))
  const own = sums.flatMap(([sum = '', of]) => (of === currency ? [sum] : []))
  const most = own.reduce((a, b) => (isMore(b, a) ? b : a), '0')
  if (isMore(amount, most)) return `${amount} is more than anything speaks for, at most ${most} ${currency}`
  if (decimalsIn(amount) > decimalsIn(most)) return `${amount} cannot be paid in ${currency}`
  return undefined
}

function refIn(ref: string): EventRef {
  const [logId = '', seq = '', hash = ''] = ref.split('/')
  return { logId: logId as LogId, seq: Number(seq), hash: hash as EventHash }
}

function versionsOf(operator: Operator, id: string | undefined): readonly Tariff[] {
  const all = operator.ledger.view().tariffs.all()
  const found = all.filter(({ tariffId }) => tariffId === id)
  if (found.length > 0) return found
  const ids = [...new Set(all.map(({ tariffId }) => tariffId))].join(', ')
  throw new MeshError('CONFIG_INVALID', `--tariff ${id}: this folder knows ${ids === '' ? 'none' : ids}`)
}

/** What was in force when the session began; where none was yet, the first: next month's price is nobody's who charged today. */
function versionAt(versions: readonly Tariff[], startedAt = Number.POSITIVE_INFINITY): Tariff {
  const inForce = versions.find(({ effectiveAt }) => effectiveAt <= startedAt)
  return inForce ?? (versions.at(-1) as Tariff)
}

function bodyOf({ conflict, rule, note, amount, keep }: Decision): AnyBody {
  const sessionId = conflict.sessionId as SessionId
  return {
    name: 'resolution',
    body: {
      ...{ sessionId, rule, note, about: unhex(conflict.about) },
      ...(keep && { keep }),
      ...(amount !== undefined && { amount }),
    },
  }
}

function totalsOf(decisions: readonly Decision[]): { readonly before: string; readonly after: string } {
  const money = (of: (one: Decision) => string): string =>
    sumText(
      sumsOf(
        decisions.flatMap(one => {
          const { currency } = one.conflict
          return currency === undefined ? [] : [{ currency, amount: of(one) }]
        }),
      ),
    )
  return {
    before: money(({ conflict }) => conflict.billed),
    after: money(({ conflict, amount }) => amount ?? conflict.billed),
  }
}

function summaryOf(decisions: readonly Decision[], stops: number): string {
  const { before, after } = totalsOf(decisions)
  const others = stops > 0 ? `; ${stops} stops fit no session, and nothing is decided about them` : ''
  const open = decisions.some(({ amount }) => amount === undefined)
    ? ', and what the tariff makes of the rest'
    : ''
  return `${decisions.length} sessions, billed ${before} so far, would be ${after}${open}${others}`
}

function reportOf(decisions: readonly Decision[], isDry: boolean): unknown {
  return {
    resolved: isDry ? 0 : decisions.length,
    ...totalsOf(decisions),
    sessions: decisions.map(({ conflict, rule, amount }) => ({
      ...{ sessionId: conflict.sessionId, rule, billed: conflict.billed, amount: amount ?? null },
      currency: conflict.currency ?? null,
    })),
  }
}

async function confirm(count: number, { yes, json }: ResolveOptions): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY || json)
    throw new MeshError('CONFIG_INVALID', `nothing was written: add --yes to decide about ${count}`)
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const answer = await lines.question(`Write ${count} decisions? [y/N] `).finally(() => lines.close())
  if (!/^y(es)?$/i.test(answer.trim())) throw new MeshError('CONFIG_INVALID', 'nothing was written')
}
