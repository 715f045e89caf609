// What the operator's commands share: open the site folder, write entries, hand them to nodes.
import { join } from 'node:path'
import type { Command } from 'commander'
import { apiFileIn, type Client, clientOf, submitTo } from '../api/client.ts'
import { MeshError } from '../errors.ts'
import { readText } from '../host/identity-files.ts'
import { type Operator, openOperator } from '../host/operator.ts'
import { print, printJson } from './output.ts'

export type OperatorOptions = {
  readonly site: string
  readonly via: readonly string[]
  readonly json?: boolean
}

/** --site, --via and --json on a command that writes into the operator's log. */
export function operatorOptions(command: Command): Command {
  return command
    .requiredOption('--site <dir>', "the site's folder (from `chargemesh site init`)")
    .option(
      '--via <dir>',
      'folder of a running node that takes the news at once; repeat for more',
      collect,
      [],
    )
    .option('--json', 'print JSON')
}

export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value]
}

export async function clientIn(dir: string): Promise<Client> {
  const file = apiFileIn(dir)
  return clientOf(file, await readText(file, 'is the node running, and is this its folder?'))
}

/** Opens the site, lets `act` write, hands everything to the nodes named with --via, and says what happened. */
export async function asOperator<T>(
  options: OperatorOptions,
  act: (operator: Operator) => Promise<T>,
): Promise<T> {
  const operator = await openOperator(options.site)
  try {
    const result = await act(operator)
    for (const dir of options.via) {
      const report = await submitTo(await clientIn(dir), operator.submission())
      if (report.refused.length > 0) {
        throw new MeshError('NODE_UNREACHABLE', `the node in ${dir} refused: ${report.refused.join('; ')}`)
      }
      if (!options.json)
        print(`given to the node in ${join(dir)}: ${report.admitted} entries; the mesh carries them on`)
    }
    if (options.via.length === 0 && !options.json) {
      print(
        'written to the site folder; give it to a running node with --via <its folder>, or make new nodes from it',
      )
    }
    return result
  } finally {
    await operator.close()
  }
}

export function say(options: { readonly json?: boolean }, value: unknown, text: string): void {
  if (options.json) printJson(value)
  else print(text)
}
