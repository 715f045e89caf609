// `chargemesh conflicts`: sessions whose money a person should look at, and what is decided about them.
import type { Command } from 'commander'
import type { Conflict, OrphanStop } from '../billing/conflict.ts'
import { codesOf, conflictsFrom, type SourceOptions, type Waiting } from './conflict-source.ts'
import { addConflictResolve } from './conflicts-resolve.ts'
import { print, printJson, tableOf } from './output.ts'

type ListOptions = SourceOptions & {
  readonly reason?: string
  readonly olderThan?: string
  readonly json?: boolean
}

export function addConflictCommands(program: Command): void {
  const conflicts = program
    .command('conflicts')
    .description('sessions whose money needs a person, and stops that fit no session')
  source(conflicts.command('list', { isDefault: true }))
    .description('what waits, the oldest first')
    .option('--reason <code>', 'only for this reason, such as conflicting-ends or orphan-stop')
    .option('--older-than <time>', 'only what has waited longer, such as 12h or 3d')
    .addHelpText(
      'after',
      '\nExamples:\n  chargemesh conflicts list --cloud ./cloud-data\n  chargemesh conflicts list --reason debit-review --older-than 3d --cloud ./cloud-data\n  chargemesh conflicts list --via ./pole-07    # without the cloud: what was billed is not known there',
    )
    .action(listConflicts)
  source(conflicts.command('show <session>'))
    .description('one of them: why, what it might be billed, and what each rule makes of it')
    .addHelpText('after', '\nExample:\n  chargemesh conflicts show 4f2a91c0 --cloud ./cloud-data')
    .action(async (session: string, options: ListOptions) => {
      const [one] = await conflictsFrom(options, { sessions: [session] })
      if (options.json) printJson(one)
      else if (one?.kind === 'session') print(textOf(one, options.cloud !== undefined))
    })
  addConflictResolve(conflicts)
}

function source(command: Command): Command {
  return command
    .option('--cloud <dir>', 'data folder of `chargemesh cloud run`')
    .option('--via <dir>', 'or the folder of a running node')
    .option('--json', 'print JSON')
}

async function listConflicts(options: ListOptions): Promise<void> {
  const all = await conflictsFrom(options, options)
  if (options.json) return printJson(all)
  if (all.length === 0) return print('nothing waits')
  // A node knows neither what was billed nor since when it waits.
  const isCloud = options.cloud !== undefined
  print(
    tableOf(all, isCloud ? COLUMNS : COLUMNS.filter(([title]) => title !== 'billed' && title !== 'waits')),
  )
  const counts = new Map<string, number>()
  for (const code of all.flatMap(codesOf)) counts.set(code, (counts.get(code) ?? 0) + 1)
  print(
    `${all.length} wait: ${[...counts]
      .toSorted()
      .map(([code, n]) => `${n} ${code}`)
      .join(', ')}; look at one: conflicts show <session>; decide: conflicts resolve`,
  )
}

const COLUMNS: Parameters<typeof tableOf<Waiting>>[1] = [
  [
    'session',
    one => (one.kind === 'session' ? one.sessionId.slice(0, 8) : (one.sessionId ?? '-').slice(0, 8)),
  ],
  ['charger', one => (one.kind === 'session' ? chargerText(one) : one.chargerId)],
  ['state', one => (one.kind === 'session' ? one.state : 'stop')],
  ['waits', one => ageText(one.sinceAt)],
  ['billed', one => (one.kind === 'session' ? `${one.billed} ${one.currency ?? ''}`.trim() : '')],
  ['may be', one => (one.kind === 'session' ? rangeText(one) : stopText(one))],
  ['why', one => codesOf(one).join(', ')],
]

function chargerText({ chargerId, connectorId }: Conflict): string {
  return connectorId === undefined ? chargerId : `${chargerId}/${connectorId}`
}

function rangeText({ candidates }: Conflict): string {
  return [...new Set(candidates.flatMap(({ amounts }) => amounts))].join(' or ')
}

function stopText({ transactionId, meterStopWh, stoppedAt }: OrphanStop): string {
  return `transaction ${transactionId}, ${meterStopWh} Wh, ${stoppedAt}`
}

function ageText(sinceAt: number | undefined): string {
  if (sinceAt === undefined) return ''
  const hours = Math.max(0, Math.floor((Date.now() - sinceAt) / 3_600_000))
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`
}

const KINDS = { least: 'proven', stop: 'by this stop', 'last-reading': 'by the last reading' } as const

function textOf(one: Conflict, isCloud: boolean): string {
  const lines = [
    `session      ${one.sessionId}`,
    `charger      ${chargerText(one)}`,
    `state        ${one.state}`,
    ...(one.startedAt === undefined ? [] : [`started      ${new Date(one.startedAt).toISOString()}`]),
    `billed       ${isCloud ? `${one.billed} ${one.currency ?? ''}`.trim() : 'not known to a node: --cloud knows'}`,
    ...(one.reviewAmount === undefined ? [] : [`waits        a debit of ${one.reviewAmount}`]),
    ...one.reasons.map(({ code, text }) => `why          ${code}: ${text}`),
    ...one.candidates.map(
      ({ kind, energyWh, ref, amounts }) =>
        `may be       ${(energyWh / 1000).toFixed(3)} kWh ${KINDS[kind]}, ${amounts.join(' or ') || 'no price'}  (${placeOf(ref)})`,
    ),
    ...one.prices.map(
      ({ tariff, amount, currency }) => `price        ${amount} ${currency}  (${placeOf(tariff)})`,
    ),
    ...one.outcomes.map(
      ({ rule, amount, keep }) => `rule         ${rule}${keep ? ` --keep ${placeOf(keep)}` : ''}: ${amount}`,
    ),
    ...one.rules
      .filter(rule => one.outcomes.every(outcome => outcome.rule !== rule))
      .map(rule => `rule         ${rule} --${rule} <${rule === 'amount' ? 'sum' : 'id'}>`),
  ]
  return lines.join('\n')
}

/** Without its hash: what `--keep` takes. */
export function placeOf(ref: string): string {
  return ref.split('/').slice(0, 2).join('/')
}
