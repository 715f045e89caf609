// `npm run -s bench`: every hot path beside its floor. Prints figures, judges nothing.
import '../../src/runtime.ts'
import { cpus } from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { BENCHES, type Bench, type Options } from './benches.ts'
import { difference, type Figures, inPairs, type Paired, ratio, spread } from './figures.ts'

type Done = {
  readonly bench: Bench
  readonly title: string
  readonly options: Options
  readonly paired: Paired
}

const DEFAULT_PAIRS = 5
const program = new Command('bench')
  .description(
    'Every hot path beside its floor: the plainest program that does the same duty, in the same run, turn by turn.\nWithout a name all of them run, and a table is printed.',
  )
  .option('--json', 'one line of JSON a benchmark')
  .enablePositionalOptions()
  .action(async ({ json }: { json?: true }) => {
    const done: Done[] = []
    for (const bench of BENCHES) {
      for (const [title, options] of Object.entries(bench.variants ?? { [bench.name]: {} })) {
        done.push(await run(bench, title, { ...defaultsOf(bench), ...options }))
        if (json) console.log(jsonOf(done.at(-1) as Done))
      }
    }
    if (!json) console.log(markdown(done))
  })
program.exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))

for (const bench of BENCHES) {
  const command = program.command(bench.name).description(bench.about)
  for (const [name, about, fallback] of bench.options) command.option(`--${name} <n>`, about, whole, fallback)
  if (bench.byName !== undefined)
    command
      .option('--pairs <n>', 'how often, ours and the floor by turns', whole, DEFAULT_PAIRS)
      .addHelpText(
        'after',
        `\nThe ratio is that of ${bench.byName}, ours to the floor, the median of the pairs.`,
      )
  command
    .option('--json', 'one line of JSON')
    .addHelpText('after', `\nTo be reached: ${bench.reach}${bench.aim && `; aim: ${bench.aim}`}.`)
    .action(async ({ json, ...options }: { json?: true } & Record<string, number>) => {
      const done = await run(bench, bench.name, options)
      console.log(json ? jsonOf(done) : text(done))
    })
}

/** As commander names them. */
function defaultsOf(bench: Bench): Options {
  const named = bench.options.map(([name, , fallback]) => [
    name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
    fallback,
  ])
  return Object.fromEntries([['pairs', DEFAULT_PAIRS], ...named])
}

async function run(bench: Bench, title: string, options: Options): Promise<Done> {
  let paired: Paired = { ours: [], floor: [] }
  await bench.with(options, async measure => {
    const kinds = bench.byName === undefined ? (['ours'] as const) : (['floor', 'ours'] as const)
    const pairs = bench.byName === undefined ? 1 : (options.pairs ?? DEFAULT_PAIRS)
    paired = await inPairs({ pairs, kinds }, measure, (kind, figures) => {
      process.stderr.write(`${title}, ${kind}: ${line(figures)}\n`)
    })
  })
  return { bench, title, options, paired }
}

function jsonOf({ bench, title, options, paired }: Done): string {
  const compared = bench.byName !== undefined && {
    ratio: ratio(paired, bench.byName),
    difference: difference(paired, bench.byName),
  }
  return JSON.stringify({ name: bench.name, title, options, ...compared, ...paired })
}

function line(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${short(value)}`)
    .join(', ')
}

function range([middle, least, most]: readonly [number, number, number]): string {
  return least === most ? short(middle) : `${short(middle)} (${short(least)} to ${short(most)})`
}

/** Either may have some that the other has not. */
function figuresOf({ ours, floor }: Paired): readonly string[] {
  return [...new Set([...Object.keys(ours[0] ?? {}), ...Object.keys(floor[0] ?? {})])]
}

function sideOf(rounds: readonly Figures[], figure: string): string {
  return rounds[0]?.[figure] === undefined ? '-' : range(spread(rounds, figure))
}

function text({ bench, title, paired }: Done): string {
  const rows = figuresOf(paired).map(figure => {
    const sides = (['ours', 'floor'] as const).map(side => sideOf(paired[side], figure))
    return `  ${figure.padEnd(14)} ours ${sides[0]?.padEnd(32)}${paired.floor.length > 0 ? ` floor ${sides[1]}` : ''}`
  })
  const by = bench.byName
  const compared = by === undefined ? '' : `: ratio of ${by} ${short(ratio(paired, by))}`
  return [`${title}${compared} (to be reached: ${bench.reach})`, ...rows].join('\n')
}

/** One table of all, as test/bench/README.md has it. */
function markdown(done: readonly Done[]): string {
  const rows = done.map(({ bench, title, paired }) => {
    const by = bench.byName
    const figures = figuresOf(paired)
      .map(name => {
        const floor = paired.floor.length === 0 ? '' : ` / ${sideOf(paired.floor, name)}`
        return `${name} ${sideOf(paired.ours, name)}${floor}`
      })
      .join('; ')
    const compared = by === undefined ? '' : `${short(ratio(paired, by))} (${by})`
    return `| ${title} | ${compared} | ${bench.reach} | ${figures} |`
  })
  return [
    `Node ${process.version}, ${process.platform} ${process.arch}, ${cpus().length} processors (${cpus()[0]?.model ?? '?'}), ${new Date().toISOString().slice(0, 10)}`,
    '',
    '| benchmark | ratio, median of the pairs | to be reached | ours / floor: median (least to most) |',
    '|---|---|---|---|',
    ...rows,
  ].join('\n')
}

function short(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function whole(value: string): number {
  const number = Number(value)
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number))
    throw new InvalidArgumentError('a whole number from 0')
  return number
}

await program.parseAsync()
