// `npm run -s fuzz -- ocpp --minutes 10`: plays spoilt frames to a node in this process, and prints what broke.
import '../../src/runtime.ts'
import { Command, InvalidArgumentError } from 'commander'
import { type Fuzzed, fuzzOcpp } from './ocpp.ts'

const program = new Command('fuzz').description(
  'Hostile input, made from valid one, for as long as you like.',
)
program.exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))

program
  .command('ocpp')
  .description(
    'Sessions of OCPP 1.6 and 2.0.1 with frames lost, doubled and out of turn, fields of other types, and JSON that is none. Nothing may throw, every transaction is kept or refused with a reason, and no bill is above what registers say. Exit code 1 when something broke.',
  )
  .option('--minutes <n>', 'how long', positive, 1)
  .option('--seed <n>', 'the same seed makes the same cases', positive, 1)
  .option('--json', 'one line of JSON')
  .addHelpText('after', '\nExample:\n  npm run -s fuzz -- ocpp --minutes 10 --seed 7')
  .action(async ({ minutes, seed, json }: { minutes: number; seed: number; json?: true }) => {
    const startedMs = performance.now()
    const fuzzed = await fuzzOcpp(seed, () => performance.now() - startedMs >= minutes * 60_000)
    const seconds = (performance.now() - startedMs) / 1000
    console.log(
      json
        ? JSON.stringify({ seed, seconds, framesPerS: fuzzed.frames / seconds, ...fuzzed })
        : text(seed, seconds, fuzzed),
    )
    process.exitCode = fuzzed.failures.length > 0 ? 1 : 0
  })

function positive(given: string): number {
  const value = Number(given)
  if (!(value > 0)) throw new InvalidArgumentError('give a number above 0')
  return value
}

function text(
  seed: number,
  seconds: number,
  { cases, frames, recorded, refused, slowestMs, failures }: Fuzzed,
): string {
  const lines = [
    `seed ${seed}: ${cases} cases, ${frames} frames in ${seconds.toFixed(1)} s (${(frames / seconds).toFixed(0)} a second)`,
    `${recorded} recorded or answered, ${refused} refused by name or of no meaning; slowest frame ${slowestMs.toFixed(2)} ms`,
    ...failures.map(({ number, fault, line }) => `case ${number}: ${fault}\n  ${line}`),
    failures.length === 0 ? 'nothing broke' : `${failures.length} broke`,
  ]
  return lines.join('\n')
}

await program.parseAsync()
