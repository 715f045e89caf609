// `chargemesh token`: cards. What is written is a reference, never the id on the card.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { openAccountKeys } from '../host/account-keys.ts'
import { type Card, cardsOf, groupsOf } from '../host/cards.ts'
import type { Operator } from '../host/operator.ts'
import { knownAt } from './card-known.ts'
import { extraTermsOf } from './grant-terms.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { print, printJson, tableOf } from './output.ts'
import { DASH_HELP, secretOf } from './secret.ts'
import { type GrantOptions, grantOf, grantOptions, termsOf, withAccountKey } from './token-grant.ts'
import { importTokens } from './token-import.ts'
import { withSealedTag } from './token-seal.ts'
import { addTokenShow } from './token-show.ts'
import { addTokenWindow } from './token-window.ts'
import { type UnlockOptions, unlockOptions } from './unlock.ts'

export function addTokenCommands(program: Command): void {
  const token = program.command('token').description('cards: who may charge')
  grantOptions(operatorOptions(token.command('add <card>')))
    .description(`let a card charge; ${DASH_HELP}`)
    .option('--again', 'undo an earlier revocation of this card')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh token add 04A2B3C4 --label "Van 12" --days 365 --site ./stadium --via ./pole-07',
    )
    .action(async (card: string, options: OperatorOptions & GrantOptions) => {
      const id = await secretOf(card)
      await asOperator(options, async operator => {
        const found = await cardsOf(operator)(id)
        const extra = await extraTermsOf(options, groupsOf(operator))
        const terms = termsOf({ options, extra, nowAt: Date.now() })
        const { revocations } = await knownAt(options.via, id)
        const grant = grantOf(operator, found, { terms, again: options.again ?? false, revocations })
        const keys = await openAccountKeys(operator)
        const keyed = withAccountKey(keys, withSealedTag(operator, grant, id))
        await keys.save()
        await operator.record([keyed])
        sayState(operator, found, options)
      })
    })
  operatorOptions(token.command('revoke <card>'))
    .description(`stop a card; wins over every grant, on every node that hears of it; ${DASH_HELP}`)
    .option('--reason <text>', 'why', 'revoked by the operator')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh token revoke 04A2B3C4 --reason lost --site ./stadium --via ./pole-07',
    )
    .action(async (card: string, options: OperatorOptions & { reason: string }) => {
      const id = await secretOf(card)
      await asOperator(options, async operator => {
        const own = await cardsOf(operator)(id)
        const tokenRefs = new Set([...own.tokenRefs, ...(await knownAt(options.via, id)).tokenRefs])
        const said = { reason: options.reason.slice(0, 128), effectiveAt: Date.now() }
        await operator.record(
          [...tokenRefs].map(tokenRef => ({ name: 'revoke', body: { tokenRef, ...said } })),
        )
        say(
          options,
          { revoked: true },
          'revoked; islands that cannot be reached will hear of it when they can',
        )
      })
    })
  unlockOptions(token.command('list'))
    .description('all cards of the site, as the operator’s log has them')
    .requiredOption('--site <dir>', "the site's folder")
    .option('--json', 'print JSON')
    .action(listTokens)
  grantOptions(operatorOptions(token.command('import <csv>')))
    .description('let many cards charge: a CSV with a column `card`, and optionally `label`, `from`, `until`')
    .option('--partial', 'import the good lines although others are bad')
    .option('--report <file>', 'write every bad line into this file')
    .addHelpText(
      'after',
      '\nA line that says what is in force already changes nothing: after an interruption, give the same command again.\n\nExample:\n  chargemesh token import guests.csv --valid 2026-07-04T08:00/2026-07-05T02:00 --zone A --cap-kwh 20 --site ./stadium --via ./pole-07',
    )
    .action(importTokens)
  addTokenShow(token)
  addTokenWindow(token)
}

/** Says what the log says now, not what was meant. */
function sayState(operator: Operator, card: Card, options: OperatorOptions & GrantOptions): void {
  const { tokenRef, tokenRefs } = card
  const state = operator.ledger.view().policy.tokenOf(tokenRefs)
  if (state.kind !== 'granted')
    throw new MeshError('CONFIG_INVALID', `the grant is written, and yet the card is ${state.kind}`)
  const { notBeforeAt, notAfterAt } = state.grant.body
  const [from, until] = [notBeforeAt, notAfterAt].map(at => new Date(at).toISOString())
  say(
    options,
    { card: options.label ?? tokenRef, granted: true, from, until },
    `card ${options.label ?? tokenRef.slice(0, 8)} may charge from ${from} until ${until}`,
  )
}

async function listTokens(options: UnlockOptions & { site: string; json?: boolean }): Promise<void> {
  await asOperator({ ...options, via: [], json: true }, async operator => {
    const { policy } = operator.ledger.view()
    const rows = policy.tokens().map(tokenRef => {
      const token = policy.token(tokenRef)
      const grant = token.kind === 'unknown' ? undefined : token.grant?.body
      return {
        card: grant?.visualNumber ?? tokenRef.slice(0, 8),
        state: token.kind,
        until: grant ? new Date(grant.notAfterAt).toISOString() : undefined,
        reason: token.kind === 'revoked' ? token.revocation.body.reason : undefined,
      }
    })
    if (options.json) printJson(rows)
    else {
      print(
        tableOf(rows, [
          ['card', row => row.card],
          ['state', row => row.state],
          ['until', row => row.until],
          ['reason', row => row.reason],
        ]),
      )
    }
  })
}
