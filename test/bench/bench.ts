// `npm run -s bench`: every hot path beside its floor. Prints figures, judges nothing.
import '../../src/runtime.ts'
import { Command, InvalidArgumentError } from 'commander'
import { authorize } from './authorize.ts'
import { catchup } from './catchup.ts'
import { withChargingSite } from './charging-site.ts'
import type { Kind } from './drive.ts'
import { difference, type Figures, inPairs, type Paired, ratio, spread } from './figures.ts'
import { flood } from './flood.ts'
import { latency } from './latency.ts'
import { session } from './session.ts'

type Common = { readonly pairs: number; readonly json?: true }

const program = new Command('bench')
  .description(
    'Every hot path beside its floor: the plainest program that does the same duty, in the same run, turn by turn.',
  )
  .enablePositionalOptions()
program.exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))

function bench(name: string, about: string, byName: string): Command {
  return program
    .command(name)
    .description(about)
    .option('--pairs <n>', 'how often, ours and the floor by turns', whole, 5)
    .option('--json', 'one line of JSON')
    .addHelpText('after', `\nThe ratio is that of ${byName}, ours to the floor, the median of the pairs.`)
}

bench('flood', 'every node authors; until all hold all, durable', 'ms')
  .option('--nodes <n>', 'processes', whole, 10)
  .option('--events <n>', 'of all nodes together', whole, 2000)
  .option('--size <bytes>', 'of a body', whole, 250)
  .option('--chunk <n>', 'events an append, each awaited; 0 for all at once', whole, 0)
  .action(async (options: Common & { nodes: number; events: number; size: number; chunk: number }) => {
    const chunk = options.chunk || options.events
    await run('flood', options, 'ms', (kind, round) => flood({ ...options, chunk }, kind, round))
  })

bench('catchup', 'a node that was away fetches all, verified, durable', 'ms')
  .option('--events <n>', 'that it lacks', whole, 20_000)
  .option('--authors <n>', 'who wrote them', whole, 10)
  .option('--size <bytes>', 'of a body', whole, 250)
  .action(async (options: Common & { events: number; authors: number; size: number }) =>
    run('catchup', options, 'ms', (kind, round) => catchup(options, kind, round)),
  )

bench('latency', 'one event each 200 ms; from its author to the last node, durable', 'p99Ms')
  .option('--nodes <n>', 'processes', whole, 10)
  .option('--seconds <n>', 'how long', whole, 20)
  .option('--size <bytes>', 'of a body', whole, 250)
  .action(async (options: Common & { nodes: number; seconds: number; size: number }) =>
    run('latency', options, 'p99Ms', (kind, round) => latency(options, kind, round)),
  )

bench('authorize', 'cards used before, over OCPP at a steady rate; until the charger has its answer', 'p99Ms')
  .option('--chargers <n>', 'connected to one node', whole, 500)
  .option('--rate <n>', 'a second, of all chargers together', whole, 200)
  .option('--seconds <n>', 'how long', whole, 10)
  .action(async (options: Common & { chargers: number; rate: number; seconds: number }) =>
    withChargingSite(options.chargers, site =>
      run('authorize', options, 'p99Ms', kind => authorize(options, kind, site)),
    ),
  )

bench('session', 'a whole session of every charger, all at once, durable; until the last is stopped', 'ms')
  .option('--chargers <n>', 'connected to one node', whole, 500)
  .option('--meter-values <n>', 'of a session', whole, 10)
  .action(async (options: Common & { chargers: number; meterValues: number }) =>
    withChargingSite(options.chargers, site =>
      run('session', options, 'ms', kind => session(options.meterValues, kind, site)),
    ),
  )

type Measure = (kind: Kind, round: number) => Promise<Figures>

async function run(name: string, options: Common, byName: string, measure: Measure): Promise<void> {
  const paired = await inPairs(options.pairs, measure, (kind, figures) => {
    process.stderr.write(`${name} ${kind}: ${line(figures)}\n`)
  })
  if (options.json)
    console.log(
      JSON.stringify({
        name,
        options,
        ratio: ratio(paired, byName),
        difference: difference(paired, byName),
        ...paired,
      }),
    )
  else console.log(table(name, paired, byName))
}

function line(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${short(value)}`)
    .join(', ')
}

function table(name: string, paired: Paired, byName: string): string {
  const rows = Object.keys(paired.ours[0] ?? {}).map(figure => {
    const [ours, floor] = [spread(paired.ours, figure), spread(paired.floor, figure)]
    const range = ([middle, least, most]: readonly [number, number, number]): string =>
      `${short(middle)} (${short(least)} to ${short(most)})`
    return `  ${figure.padEnd(14)} ours ${range(ours).padEnd(32)} floor ${range(floor)}`
  })
  const [times, more] = [ratio(paired, byName), difference(paired, byName)]
  return [`${name}: ratio of ${byName} ${short(times)}, difference ${short(more)}`, ...rows].join('\n')
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
