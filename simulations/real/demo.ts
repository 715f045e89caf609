// The main job, whole, on this machine: a site is born, cars charge, the mesh splits, a node is killed, the mesh heals,
// two uplinks push at once, and every session is billed exactly once. Real processes, real sockets, real files;
// only the chargers and their cars are virtual, and their own meters are the truth that everything is counted against.
import '../../src/runtime.ts'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { untilStopped } from '../../src/cli/output.ts'
import { reasonOf } from '../../src/errors.ts'
import { seededRandom } from '../dice.ts'
import { birth, type Story, startCloud } from './cast.ts'
import { createNarrator } from './narrator.ts'
import { type Running, run } from './processes.ts'
import { tellStory } from './story.ts'

type Options = { readonly seed: string; readonly json?: boolean; readonly keep?: boolean }

async function main(options: Options): Promise<number> {
  const narrator = createNarrator(process.stderr)
  const dir = await mkdtemp(join(tmpdir(), 'chargemesh-demo-'))
  const dice = seededRandom(Number(options.seed))
  const running: Running[] = []
  let story: Story | undefined
  for (const signal of SIGNALS) process.on(signal, abort)
  try {
    story = await birth(dir, dice, narrator)
    running.push(await startCloud(story))
    const result = await tellStory(story)
    if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`)
    if (options.keep) await keepRunning(story)
    return result.ok ? 0 : 1
  } catch (error) {
    process.stderr.write(`\nthe demo could not go on: ${reasonOf(error)}\n`)
    return 1
  } finally {
    narrator.end()
    for (const charger of story?.chargers ?? []) charger.close()
    for (const one of [...(story?.site.nodes ?? []).flatMap(node => node.running ?? []), ...running])
      await one.stop()
    for (const relay of story?.site.relays.values() ?? []) await relay.close()
    if (!options.keep) await rm(dir, { recursive: true, force: true })
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const

/** Leaves by `exit`, so that the processes of the site are taken along. */
function abort(): void {
  process.exit(1)
}

async function keepRunning(story: Story): Promise<void> {
  const { site, narrator } = story
  const identity = 'GUEST01'
  const via = ['--site', site.siteDir, '--via', site.nodes[0]?.dir ?? '']
  const [guest] = JSON.parse(await run(['charger', 'add', identity, ...via, '--json'])) as {
    password: string
  }[]
  narrator.end()
  process.stderr.write(
    `\nThe site goes on. Connect any OCPP 1.6J charger:\n` +
      `  URL       ws://127.0.0.1:${site.nodes[0]?.ocppPort}/ocpp/${identity}\n  user      ${identity}\n  password  ${guest?.password}\n  card      ${site.cards[14]?.tag}\n` +
      `Look at it:  npx chargemesh sessions --via ${site.nodes[0]?.dir}\nFolder:      ${site.dir}\nCtrl-C ends it.\n`,
  )
  for (const signal of SIGNALS) process.off(signal, abort)
  await untilStopped()
}

const command = new Command('demo')
  .description('a whole site on this machine, from birth to bills')
  .option('--seed <n>', 'varies cars, meters and waits', '1')
  .option('--json', 'end with one line of JSON on standard output')
  .option('--keep', 'leave the site running afterwards, for a charger of yours')
  .addHelpText('after', '\nExample:\n  npm run -s demo -- --json --seed 7')
await command.parseAsync()
// By `exit`: a process of the site that was left when something went wrong must not keep us.
process.exit(await main(command.opts<Options>()))
