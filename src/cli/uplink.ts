// `chargemesh uplink`: ways out of the site.
import type { Command } from 'commander'
import { readText } from '../host/identity-files.ts'
import { clientIn, say } from './operator.ts'

type AddOptions = {
  readonly via: string
  readonly name: string
  readonly ca?: string
  readonly json?: boolean
}

export function addUplinkCommands(program: Command): void {
  const uplink = program.command('uplink').description('ways out of the site: any node may have one')
  uplink
    .command('add <url>')
    .description('give a running node a way to the cloud; it pushes at once and remembers it')
    .requiredOption('--via <dir>', 'folder of the running node')
    .option('--name <name>', 'name of the uplink', 'cloud')
    .option(
      '--ca <file>',
      'PEM of the authority that signed the receiver’s certificate (`cloud run` writes ca.pem)',
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh uplink add https://192.0.2.10:8443 --ca ./cloud-data/ca.pem --via ./pole-07',
    )
    .action(async (url: string, options: AddOptions) => {
      const caPem = options.ca === undefined ? undefined : await readText(options.ca, '--ca')
      await (await clientIn(options.via)).post('/v1/uplinks', { name: options.name, url, caPem })
      say(
        options,
        { added: options.name },
        `uplink ${options.name} added; \`chargemesh status\` shows how it does`,
      )
    })
  uplink
    .command('hurry')
    .description('try all uplinks of a node now instead of at the next round')
    .requiredOption('--via <dir>', 'folder of the running node')
    .option('--json', 'print JSON')
    .action(async (options: { via: string; json?: boolean }) => {
      await (await clientIn(options.via)).post('/v1/uplinks/hurry', {})
      say(options, { hurried: true }, 'trying now')
    })
}
