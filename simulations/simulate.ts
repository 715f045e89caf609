// The simulator's door. Every mode ends with an exit code: 0 for a clean run, 1 for a violation, 2 for a command that cannot
// be carried out. Results go to standard output, progress to standard error.
import '../src/runtime.ts'
import { Command, InvalidArgumentError } from 'commander'
import { MeshError, reasonOf } from '../src/errors.ts'
import { BASELINES, type Baseline } from './baselines/baseline.ts'
import { CHECKED } from './checkers/checked.ts'
import type { Timed } from './outcome.ts'
import { thisMachine, writeReport } from './report/page.ts'
import { runReport } from './report/run.ts'
import { sweepReport } from './report/sweep.ts'
import { drawPlan } from './scenario/draw.ts'
import { findScenario, listScenarios } from './scenario/scenario.ts'
import { bench, benchText } from './sweep/bench.ts'
import { csvHead, csvLine, jsonLine, verdictText } from './sweep/lines.ts'
import { createProgress } from './sweep/progress.ts'
import { runSeed } from './sweep/seed.ts'
import { shrinkSeed } from './sweep/shrinking.ts'
import { sweep } from './sweep/sweep.ts'

type Range = readonly [from: number, to: number]
type Place = { readonly scenario: string; readonly seed: number }
export type Options = {
  readonly scenario?: string
  readonly seed: number
  readonly seeds?: Range
  readonly replay?: Place
  readonly shrink?: Place
  readonly trace?: boolean
  readonly compare: readonly Baseline[]
  readonly json?: boolean
  readonly csv?: boolean
  readonly report?: string
  readonly jobs?: number
  readonly minutes?: number
  readonly stopAtFirst?: boolean
  readonly list?: boolean
  readonly bench?: boolean
  readonly mutants?: true | string
  readonly real?: boolean
  readonly speed: number
}

/** What is not smaller by then is small enough. */
const SHRINK_MINUTES = 10

async function main(options: Options): Promise<number> {
  if (options.list) return list(options)
  if (options.mutants) {
    // Loaded only here: they patch the sources, which an installed package does not have.
    const { mutantsCommand } = await import('./mutants/command.ts')
    const only = options.mutants === true ? undefined : options.mutants.split(',')
    const { json, jobs } = options
    return await mutantsCommand({
      ...(only && { only }),
      ...(json && { json }),
      ...(jobs !== undefined && { jobs }),
    })
  }
  if (options.bench) return await measureAll(options)
  if (options.shrink) return await smallest(options.shrink, options)
  const place = options.replay
  if (place) return await one({ ...options, ...place })
  if (options.scenario === undefined)
    throw new MeshError('CONFIG_INVALID', 'say which: --scenario NAME, or --list to see what there is')
  const { scenario } = options
  if (options.seeds && options.trace)
    throw new MeshError('CONFIG_INVALID', '--trace shows one run: give --seed or --replay instead of --seeds')
  if (options.real) {
    // Loaded only here: sockets and real disks are no part of a simulation.
    const { realCommand } = await import('./real/command.ts')
    return await realCommand({ ...options, scenario })
  }
  const alone = options.csv ? ([options.seed, options.seed] as const) : undefined
  const seeds = options.seeds ?? alone
  return seeds ? await many({ ...options, scenario }, seeds) : await one({ ...options, scenario })
}

function list({ json }: Options): number {
  const all = listScenarios()
  if (json) process.stdout.write(`${JSON.stringify(all.map(({ name, shows }) => ({ name, shows })))}\n`)
  else for (const { name, shows } of all) process.stdout.write(`${name.padEnd(24)} ${shows}\n`)
  return 0
}

async function measureAll({ scenario, json }: Options): Promise<number> {
  await bench(scenario, measured => {
    process.stdout.write(json ? `${JSON.stringify(measured)}\n` : `${benchText(measured)}\n`)
  })
  return 0
}

async function smallest(place: Place, { minutes }: Options): Promise<number> {
  const onStep = (text: string): void => void process.stderr.write(`${text}\n`)
  process.stdout.write(await shrinkSeed({ ...place, minutes: minutes ?? SHRINK_MINUTES, onStep }))
  return 1
}

type One = Options & Place

async function one({ scenario, seed, ...options }: One): Promise<number> {
  const plan = drawPlan(findScenario(scenario), seed)
  const progress = createProgress(process.stderr, `${scenario}:${seed}`, plan.durationMs)
  const timed = await runSeed(
    { scenario, seed, compare: options.compare },
    virtualMs => progress.reached(virtualMs),
    options.trace ? { onLine: line => void process.stdout.write(`${line}\n`) } : {},
  )
  progress.end()
  process.stdout.write(options.json ? `${jsonLine(timed)}\n` : `${verdictText(timed.outcome)}\n`)
  if (!options.json) tellTime([timed])
  if (options.report !== undefined) tellReport(options.report, runReport(timed, thisMachine(CHECKED)))
  if (!timed.outcome.ok) tellReplay(timed)
  return timed.outcome.ok ? 0 : 1
}

async function many(options: Options & { readonly scenario: string }, [from, to]: Range): Promise<number> {
  const all: Timed[] = []
  const progress = createProgress(process.stderr, `${options.scenario} seeds`, to - from + 1)
  if (options.csv) process.stdout.write(`${csvHead()}\n`)
  await sweep({
    ...{ scenario: options.scenario, fromSeed: from, toSeed: to, compare: options.compare },
    ...(options.jobs !== undefined && { jobs: options.jobs }),
    ...(options.minutes !== undefined && { limitMs: options.minutes * 60_000 }),
    ...(options.stopAtFirst !== undefined && { stopAtFirst: options.stopAtFirst }),
    onTimed: timed => {
      all.push(options.report === undefined ? lean(timed) : timed)
      progress.reached(all.length)
      if (options.json) process.stdout.write(`${jsonLine(timed)}\n`)
      else if (options.csv) process.stdout.write(`${csvLine(timed)}\n`)
      else if (!timed.outcome.ok) process.stdout.write(`${verdictText(timed.outcome)}\n`)
      if (!timed.outcome.ok) tellReplay(timed)
    },
  })
  progress.end()
  if (!options.json && !options.csv) summary(all)
  if (options.report !== undefined) tellReport(options.report, sweepReport(all, thisMachine(CHECKED)))
  return all.every(timed => timed.outcome.ok) ? 0 : 1
}

/** A sweep without a report need not keep the curves. */
function lean(timed: Timed): Timed {
  return { ...timed, outcome: { ...timed.outcome, series: NO_CURVES } }
}

const NO_CURVES: Timed['outcome']['series'] = {
  ...{ everyMs: 1000, islands: [], nodesUp: [], openSessions: [], missingEvents: [] },
  ...{ unsentEvents: [], servedDrivers: [], refusedDrivers: [] },
}

function summary(all: readonly Timed[]): void {
  const bad = all.filter(timed => !timed.outcome.ok)
  const sum = (read: (timed: Timed) => number): number => all.reduce((total, timed) => total + read(timed), 0)
  const faults = new Map<string, number>()
  for (const { outcome } of all)
    for (const [kind, count] of Object.entries(outcome.faults))
      faults.set(kind, (faults.get(kind) ?? 0) + count)
  const hours = sum(timed => timed.outcome.virtualMs) / 3600_000
  const text = [
    `${all.length} seeds, ${bad.length} with violations; ${hours.toFixed(1)} virtual hours`,
    `sessions ${sum(timed => timed.outcome.service.sessions)}: ${sum(timed => timed.outcome.service.lostSessions)} lost, ${sum(timed => timed.outcome.service.doubleBills)} billed twice`,
    `events ${sum(timed => timed.outcome.events)}: ${sum(timed => timed.outcome.eventsLost)} lost, ${sum(timed => timed.outcome.eventsDestroyed)} only on destroyed disks`,
    `faults ${[...faults]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ')}`,
  ]
  process.stdout.write(`${text.join('\n')}\n`)
  tellTime(all)
}

function tellTime(all: readonly Timed[]): void {
  const [virtualMs, cpuMs] = [
    all.reduce((sum, timed) => sum + timed.outcome.virtualMs, 0),
    all.reduce((sum, timed) => sum + timed.cpuMs, 0),
  ]
  process.stdout.write(
    `${(virtualMs / 3600_000).toFixed(1)} virtual hours in ${(cpuMs / 1000).toFixed(1)} s of processor: ${Math.round(virtualMs / cpuMs)} times real time\n`,
  )
}

function tellReplay({ outcome }: Timed): void {
  process.stderr.write(
    `replay it:  npm run -s simulate -- --replay ${outcome.scenario}:${outcome.seed} --trace\n`,
  )
}

function tellReport(file: string, text: string): void {
  writeReport(file, text)
  process.stderr.write(`report: ${file}\n`)
}

function whole(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('a whole number, please')
  return value
}

function range(text: string): Range {
  const [from, to] = /^(\d+)\.\.(\d+)$/.exec(text)?.slice(1).map(Number) ?? []
  if (from === undefined || to === undefined || to < from)
    throw new InvalidArgumentError('FROM..TO, such as 1..500')
  return [from, to]
}

function place(text: string): Place {
  const at = text.lastIndexOf(':')
  if (at <= 0) throw new InvalidArgumentError('SCENARIO:SEED, such as campus-week:4711')
  return { scenario: text.slice(0, at), seed: whole(text.slice(at + 1)) }
}

function baselines(text: string): readonly Baseline[] {
  const kinds = text.split(',').filter(kind => kind !== '')
  const wrong = kinds.find(kind => !BASELINES.some(one => one === kind))
  if (wrong !== undefined || kinds.length === 0)
    throw new InvalidArgumentError(`some of ${BASELINES.join(',')}; ${wrong ?? 'nothing'} is none of them`)
  return BASELINES.filter(kind => kinds.includes(kind))
}

const command = new Command('simulate')
  .description('a site in any weather: the production code under virtual time, from a seed')
  .option('--scenario <name>', 'a scenario that comes with the software, or a path to your own .yaml')
  .option('--seed <n>', 'the world to draw', whole, 1)
  .option('--seeds <from..to>', 'many worlds', range)
  .option('--replay <scenario:seed>', 'the same run again', place)
  .option('--trace', 'every step on standard output, byte for byte the same each time')
  .option('--shrink <scenario:seed>', 'the smallest scenario that still fails, as YAML', place)
  .option('--compare <designs>', `what other designs would have lost: ${BASELINES.join(',')}`, baselines, [])
  .option('--report <file>', 'one self-contained HTML file')
  .option('--json', 'one line of JSON a seed')
  .option('--csv', 'one line a seed, for a spreadsheet')
  .option('--jobs <n>', 'worlds at once (default: as many as there are cores)', whole)
  .option('--minutes <n>', 'begin no further seed after so long', whole)
  .option('--stop-at-first', 'end the sweep at the first seed that fails')
  .option('--real', 'the same with real processes, sockets and disks, beside the simulator')
  .option('--speed <n>', 'with --real: so many times as fast as the scenario says', whole, 20)
  .option('--mutants [names]', 'seeded bugs: does a checker see each? Needs the sources')
  .option('--bench', 'how fast worlds run on this machine; with --scenario, one of them')
  .option('--list', 'the scenarios there are')
  .addHelpText(
    'after',
    `
Examples:
  npm run -s simulate -- --scenario stadium --seed 7
  npm run -s simulate -- --scenario campus-week --seeds 1..500 --csv > weeks.csv
  npm run -s simulate -- --scenario ./my-site.yaml --compare gateway,online,lists --report my-site.html
  npm run -s simulate -- --replay campus-week:4711 --trace
Exit code: 0 nothing violated, 1 a violation (with the command that replays it), 2 the command cannot be carried out.`,
  )
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))

await command.parseAsync()
main(command.opts<Options>()).then(
  code => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`simulate: ${error instanceof MeshError ? error.message : reasonOf(error)}\n`)
    if (!(error instanceof MeshError) && error instanceof Error) process.stderr.write(`${error.stack}\n`)
    process.exit(2)
  },
)
