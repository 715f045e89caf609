// `chargemesh retention`: what the site keeps, for how long and why, and what could go.
import type { Command } from 'commander'
import type { RetentionReport } from '../api/retention.ts'
import { allowedValues, defaultValue, isSitePolicyValue } from '../authorization/site-policy.ts'
import { MeshError } from '../errors.ts'
import type { Stand } from '../pruning.ts'
import { asOperator, clientIn, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'

const POLICY = 'retention-days'

export function addRetentionCommands(program: Command): void {
  const retention = program.command('retention').description('what is kept, for how long, and why')
  retention
    .command('show')
    .description('every class of data: how long, why, what a node holds of it, and what could go')
    .requiredOption('--via <dir>', 'folder of a running node')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  chargemesh retention show --via ./pole-07')
    .action(showRetention)
  operatorOptions(retention.command('set'))
    .description('how long nodes keep what the cloud has twice over')
    .requiredOption('--sessions <days>', 'such as 30d, at least 7d; `forever` keeps everything')
    .addHelpText(
      'after',
      `
Nodes let go of a whole log of sessions and readings only when the cloud has signed that a replica and an archive hold all of
it (durability 2: a PostgreSQL server with both, see cloud run --help; the embedded database signs 1), when all of its sessions are over, and when it is so
old by what the operator and the cloud have signed. A disk that is 80 % full keeps seven days. What the cloud keeps is not touched.

Example:
  chargemesh retention set --sessions 30d --site ./stadium --via ./pole-07`,
    )
    .action(setRetention)
}

async function setRetention(options: OperatorOptions & { readonly sessions: string }): Promise<void> {
  const value = daysOf(options.sessions.trim())
  await asOperator(options, async operator => {
    await operator.record([{ name: 'policy', body: { name: POLICY, value } }])
    const days = value === '' ? undefined : Number(value)
    const text = days === undefined ? 'everything is kept' : `sessions and readings are kept for ${days} days`
    say(options, { days: days ?? null }, text)
  })
}

function daysOf(given: string): string {
  const value = given === 'forever' ? '' : (/^(\d{1,6})d?$/.exec(given)?.[1] ?? given)
  if ((value !== '' || given === 'forever') && isSitePolicyValue(POLICY, value)) return value
  throw new MeshError(
    'CONFIG_INVALID',
    `--sessions ${given}: wanted days such as ${defaultValue(POLICY)}d, ${allowedValues(POLICY)}, or \`forever\``,
  )
}

const WHY: Readonly<Record<Stand, string>> = {
  due: 'may go within the hour',
  young: 'not old enough',
  once: 'the cloud has it in one place only',
  unacknowledged: 'the cloud has not acknowledged all of it',
  sessions: 'something of one of its sessions has to stay',
  live: 'still written to',
  operators: "the operator's, of who was revoked, or with two branches: kept",
  gone: 'let go of; what stands for it is kept',
}

type Row = { readonly class: string; readonly kept: string; readonly why: string }

async function showRetention({
  via,
  json,
}: {
  readonly via: string
  readonly json?: boolean
}): Promise<void> {
  const report = (await (await clientIn(via)).get('/v1/retention')) as RetentionReport
  const classes = classesOf(report)
  if (json) printJson({ ...report, classes })
  else
    print(
      [
        tableOf(classes, [
          ['class', row => row.class],
          ['kept', row => row.kept],
          ['why', row => row.why],
        ]),
        '',
        tableOf(Object.entries(report.logs), [
          ['logs', ([, held]) => held.logs],
          ['events', ([, held]) => held.events],
          ['', ([stand]) => WHY[stand as Stand]],
        ]),
        ...(report.nextAt ? [`the next may go at ${report.nextAt}`] : []),
        `journal: ${report.journalBytes} bytes`,
      ].join('\n'),
    )
}

function classesOf({ days }: RetentionReport): readonly Row[] {
  const kept =
    days === undefined ? 'for ever' : `${days} days behind the cloud's word that it has them twice over`
  return [
    { class: 'sessions and meter readings', kept, why: 'nodes answer for them until somebody else does' },
    { class: 'diagnostics', kept: 'as the sessions', why: 'they lie in the same logs' },
    {
      class: 'personal data (signed meter values)',
      kept: 'as the sessions, or until `forget <account>`',
      why: 'a driver may ask what a meter signed',
    },
    {
      class: 'cards, labels, prices, chargers',
      kept: 'for ever',
      why: "the operator's entries decide who may charge, and what was owed then",
    },
    {
      class: 'bills (in the cloud)',
      kept: 'by the cloud',
      why: 'accounting law; they name a card by its reference only',
    },
  ]
}
