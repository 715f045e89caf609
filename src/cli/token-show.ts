// `chargemesh token show`: one card, as the site's folder or a node knows it.
import type { Command } from 'commander'
import { type CardReport, reportCard } from '../api/card.ts'
import { cardContext, decideFor, explain } from '../card.ts'
import { MeshError } from '../errors.ts'
import { type Card, cardsOf } from '../host/cards.ts'
import type { Operator } from '../host/operator.ts'
import { chargerId } from '../units.ts'
import { tagOf } from './card.ts'
import { asOperator, clientIn } from './operator.ts'
import { print, printJson } from './output.ts'
import { DASH_HELP, secretOf } from './secret.ts'
import { type UnlockOptions, unlockOptions } from './unlock.ts'

type ShowOptions = UnlockOptions & {
  readonly site?: string
  readonly dir?: string
  readonly at?: string
  readonly json?: boolean
}

export function addTokenShow(token: Command): void {
  unlockOptions(token.command('show <card>'))
    .description(`one card: its grant, its revocations, and what a charger would be told; ${DASH_HELP}`)
    .option('--site <dir>', "as the site's folder knows it")
    .option('--dir <dir>', 'as the running node in this folder knows it')
    .option('--at <charger>', 'what would be decided at this charger now')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  chargemesh token show 04A2B3C4 --dir ./pole-07 --at CP01')
    .action(async (word: string, options: ShowOptions) => {
      const card = tagOf(await secretOf(word))
      const report = await reportOf(card, options)
      if (options.json) printJson(report)
      else print(textOf(report))
    })
}

async function reportOf(card: string, options: ShowOptions): Promise<CardReport> {
  const { site, dir, at } = options
  if ((site === undefined) === (dir === undefined))
    throw new MeshError('CONFIG_INVALID', 'whose word counts? name one of --site <dir> and --dir <dir>')
  if (dir !== undefined) {
    const question = { card, ...(at !== undefined && { charger: at }) }
    // The node's own words, written by the same function as below.
    return (await (await clientIn(dir)).post('/v1/tokens/show', question)) as CardReport
  }
  return await asOperator({ ...options, site: site ?? '', via: [], json: true }, async operator => {
    const found = await cardsOf(operator)(card)
    return reportCard(
      operator.ledger,
      found.tokenRefs,
      at === undefined ? undefined : decided(operator, found, at),
    )
  })
}

/** As a node would that knows what the operator knows, and nothing of what the card has drawn. */
function decided(operator: Operator, card: Card, at: string): CardReport['decision'] {
  const { ledger } = operator
  const nowAt = Date.now()
  const id = chargerId(at)
  if (id === undefined || !ledger.view().policy.chargePoint(id))
    throw new MeshError('CONFIG_INVALID', `${at}: this site has no such charger; \`charger list\` names them`)
  const context = cardContext(ledger, { wallMs: nowAt, monotonicMs: 0 }, () => card.tokenRefs)
  const decision = decideFor(context, id, card.tokenRef)
  return { charger: id, allowed: decision.allowed, reason: explain(decision, context.knownSince) }
}

function textOf({ card, state, grant, revocations, decision }: CardReport): string {
  return [
    `${card}: ${state}`,
    ...(grant ? grantLines(grant) : []),
    ...revocations.map(
      one =>
        `revoked ${one.at} by ${one.by}: ${one.reason} (${one.version}${one.undone ? ', undone since' : ''})`,
    ),
    ...(decision ? [`at ${decision.charger} now: ${decision.allowed}, ${decision.reason}`] : []),
  ].join('\n')
}

function grantLines(grant: NonNullable<CardReport['grant']>): readonly string[] {
  const { zones, capWhPerDay, maxSessionsPerDay, maxPowerW } = grant
  const cap = capWhPerDay === undefined ? 'no cap' : `${capWhPerDay / 1000} kWh a day`
  return [
    `granted ${grant.grantedAt} by ${grant.by} (${grant.version})`,
    `account ${grant.account}`,
    `valid ${grant.from} to ${grant.until}`,
    `class ${grant.class}, ${grant.whitelist}, zones: ${zones.length === 0 ? 'all' : zones.join(', ')}`,
    `offline: ${cap}${maxSessionsPerDay === undefined ? '' : `, ${maxSessionsPerDay} sessions a day`}, for ${Math.round(grant.maxAgeS / 86_400)} days${maxPowerW === undefined ? '' : `, up to ${maxPowerW / 1000} kW`}`,
  ]
}
