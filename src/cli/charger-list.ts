// `chargemesh charger local-list`: the list of cards that a charger itself holds, as the node that it is connected to sees it.
import type { Command } from 'commander'
import { clientIn, say } from './operator.ts'
import { printJson } from './output.ts'

type Options = { readonly via: string; readonly replace?: boolean; readonly json?: boolean }
/** As the node answers; what is not known is left out. */
type Report = {
  readonly policy: string
  readonly state: string
  readonly version?: number
  readonly entries?: number
  readonly maxEntries?: number
  readonly perMessage?: number
  readonly leftOut?: number
  readonly unsealed?: number
  readonly lastSent?: string
  readonly lastSentBy?: string
}

export function addLocalListCommand(charger: Command): void {
  charger
    .command('local-list <identity>')
    .description("the charger's own list of cards: its version, its length, when it was sent, and why not")
    .requiredOption('--via <dir>', 'folder of the running node that the charger is connected to')
    .option('--replace', "put the site's list in the place of one of which nothing is known here")
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  chargemesh charger local-list CP01 --via ./pole-07')
    .action(showList)
}

async function showList(identity: string, options: Options): Promise<void> {
  const client = await clientIn(options.via)
  const path = `/v1/chargers/${encodeURIComponent(identity)}/local-list`
  const report = (await (options.replace ? client.post(`${path}/replace`, {}) : client.get(path))) as Report
  if (options.json) printJson(report)
  else say(options, report, textOf(identity, report))
}

function textOf(identity: string, report: Report): string {
  const { version, entries, maxEntries, perMessage, leftOut, unsealed, lastSent, lastSentBy } = report
  const lines = [
    `${identity}: ${report.state}`,
    `  policy local-lists: ${report.policy}`,
    version !== undefined && `  version ${version}, ${entries ?? 'unknown'} cards`,
    maxEntries !== undefined && `  room for ${maxEntries} cards, ${perMessage} in one message`,
    leftOut !== undefined && leftOut > 0 && `  ${leftOut} cards found no room`,
    unsealed !== undefined &&
      unsealed > 0 &&
      `  ${unsealed} cards were granted before local-lists was on: grant them anew to have them listed`,
    lastSent !== undefined && `  sent last ${lastSent} by ${lastSentBy}`,
  ]
  return lines.filter(line => line !== false).join('\n')
}
