// `npm run -s test:kill`: nodes are killed at every step of a session, and what the chargers' registers say is compared with
// the bills. Real processes, sockets, disks and a cloud. Exit code 0 when nothing is lost, double or wrong; 1 when something
// is or a case could not be played; 2 for a wrong option.
import '../../src/runtime.ts'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { MeshError, reasonOf } from '../../src/errors.ts'
import { createClosers } from '../../src/host/closers.ts'
import { systemLogger } from '../../src/host/system.ts'
import { createNarrator } from '../real/narrator.ts'
import { type KillCase, killCases } from './cases.ts'
import { type Outcome, runCases } from './matrix.ts'

export type KillOptions = {
  readonly json?: true
  readonly list?: true
  readonly keep?: true
  readonly only?: readonly string[]
  readonly pairs: number
  readonly seed: number
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const
const INTERRUPTED = 130

async function main(options: KillOptions): Promise<number> {
  const { only = [''] } = options
  for (const text of only)
    if (!killCases().some(({ name }) => name.includes(text)))
      throw new MeshError('CONFIG_INVALID', `no case has ${JSON.stringify(text)} in its name; see --list`)
  const cases = killCases().filter(({ name }) => only.some(text => name.includes(text)))
  if (options.list) {
    process.stdout.write(`${cases.map(({ name }) => name).join('\n')}\n`)
    return 0
  }
  const outcome = await play(cases, options)
  process.stdout.write(`${options.json ? JSON.stringify(plain(outcome)) : textOf(outcome)}\n`)
  const { lost, double, wrongEnergy, failed } = plain(outcome)
  return lost + double + wrongEnergy + failed === 0 ? 0 : 1
}

async function play(cases: readonly KillCase[], { pairs, seed, keep }: KillOptions): Promise<Outcome> {
  const narrator = createNarrator(process.stderr)
  const closers = createClosers(systemLogger('error', 'kill'))
  const dir = await mkdtemp(join(tmpdir(), 'chargemesh-kill-'))
  const end = async (): Promise<void> => {
    narrator.end()
    await closers.unwind()
    if (keep) process.stderr.write(`the folder stays: ${dir}\n`)
    else await rm(dir, { recursive: true, force: true, maxRetries: 5 })
  }
  const abort = (): void => void end().finally(() => process.exit(INTERRUPTED))
  for (const signal of SIGNALS) process.once(signal, abort)
  try {
    return await runCases(cases, { dir, pairs, seed, closers, narrator })
  } finally {
    for (const signal of SIGNALS) process.off(signal, abort)
    await end()
  }
}

type Plain = {
  readonly cases: number
  readonly kills: number
  readonly lost: number
  readonly double: number
  readonly wrongEnergy: number
  /** Cases that could not be played to their end. */
  readonly failed: number
  readonly seconds: number
  readonly findings: Outcome['findings']
  readonly failures: Outcome['failures']
}

function plain({ played, findings, failures, seconds }: Outcome): Plain {
  const count = (kind: string): number => findings.filter(one => one.kind === kind).length
  return {
    cases: played.length,
    kills: played.reduce((sum, one) => sum + one.kills.length, 0),
    ...{ lost: count('lost'), double: count('double'), wrongEnergy: count('wrongEnergy') },
    ...{ failed: failures.length, seconds: Math.round(seconds), findings, failures },
  }
}

function textOf(outcome: Outcome): string {
  const { cases, kills, lost, double, wrongEnergy, failed, seconds } = plain(outcome)
  return [
    ...outcome.findings.map(({ name, kind, detail }) => `${kind}: ${name}: ${detail}`),
    ...outcome.failures.map(({ name, reason }) => `not played: ${name}: ${reason}`),
    `${cases} cases, ${kills} kills: ${lost} lost, ${double} double, ${wrongEnergy} with wrong energy` +
      `${failed > 0 ? `, ${failed} not played to the end` : ''}; ${seconds} s`,
  ].join('\n')
}

function whole(value: string): number {
  if (!/^[1-9]\d{0,5}$/.test(value)) throw new InvalidArgumentError('a whole number from 1')
  return Number(value)
}

const command = new Command('test:kill')
  .description(
    'Kills nodes at every step of a charging session, and compares the bills with the chargers’ registers.',
  )
  .option('--json', 'one line of JSON: cases, lost, double, wrongEnergy and what was found')
  .option('--only <text...>', 'cases that have one of these in their name')
  .option('--list', 'the cases, and nothing is run')
  .option('--pairs <n>', 'pairs of nodes beside one another, at least two', whole, 4)
  .option('--seed <n>', 'varies registers and waits', whole, 1)
  .option('--keep', 'leaves the folder with stores and logs')
  .addHelpText(
    'after',
    '\nExample:\n  npm run -s test:kill -- --json\n  npm run -s test:kill -- --only "2.0.1: stop" midway',
  )
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2))
await command.parseAsync()
try {
  process.exit(await main(command.opts<KillOptions>()))
} catch (error) {
  process.stderr.write(`test:kill: ${reasonOf(error)}\n`)
  process.exit(error instanceof MeshError && error.code === 'CONFIG_INVALID' ? 2 : 1)
}
