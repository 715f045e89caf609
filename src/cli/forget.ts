// `chargemesh forget`: an account's keys are destroyed, so that nobody can read any more what is personal in its sessions. The
// sealed bytes stay where they are, in everybody's logs: chains, seals and bills stay whole, and that is the proof.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import { type AccountKeys, openAccountKeys } from '../host/account-keys.ts'
import { type Account, accountsOf } from '../host/accounts.ts'
import type { Operator } from '../host/operator.ts'
import { sha256 } from '../identity/hash.ts'
import type { AnyBody } from '../log/body.ts'
import { hex, type TokenRef, unhex } from '../units.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { DASH_HELP, secretOf } from './secret.ts'
import { sessionsAt } from './session-named.ts'

type ForgetOptions = OperatorOptions & {
  readonly reason: string
  readonly dryRun?: boolean
  readonly yes?: boolean
}

const MAX_REASON_CHARS = 128
const SHOWN_SESSIONS = 20

export function addForgetCommand(program: Command): void {
  operatorOptions(program.command('forget <account>'))
    .description(`destroy the key of an account, named by its card, label or reference; ${DASH_HELP}`)
    .option('--reason <text>', 'why; every node can read it', 'at the request of the account')
    .option('--dry-run', 'say what would happen, and do nothing')
    .option('--yes', 'do it: it cannot be undone')
    .addHelpText(
      'after',
      `
What this does: the secret key of the account is destroyed, its cards are revoked, and an entry in the operator's log says so.
Nobody can read the signed meter values of its sessions any more. Bills keep their amounts, under the card's reference only,
since the law wants them kept; \`verify\` and every chain stay as they are.

What it cannot do: a label that was printed on the card (\`token add --label\`) stands in the grant and stays readable; grants
made with --private have none. Where chargers hold lists of cards (local-lists), the card's own id stands there too, for nodes
of the site. Cards that were granted before accounts had keys are sealed to the operator's own key, which is nobody's alone:
\`--dry-run --via <node>\` names those sessions. Solid state disks, copies of this folder and backups may keep the old bytes of
the key: destroy those too.

Example:
  chargemesh forget 04A2B3C4 --dry-run --site ./stadium --via ./pole-07
  chargemesh forget 04A2B3C4 --yes --site ./stadium --via ./pole-07`,
    )
    .action(forget)
}

/** What is there to destroy, to revoke and to say; nothing of each where it was done before. */
type Plan = {
  readonly accounts: readonly Account[]
  /** Public halves of which the secret one lies here. */
  readonly keys: readonly string[]
  /** Public halves that no entry says are destroyed. */
  readonly unsaid: readonly { readonly accountRef: string; readonly sealKey: string }[]
  readonly cards: readonly TokenRef[]
  /** Sessions of its cards, begun under a grant without a key of its own; undefined where no node was asked. */
  readonly sealedToOperator: readonly string[] | undefined
  /** Keys of which no entry says that they are destroyed, and that are not here: after a half done `forget`, or in another copy. */
  readonly keysElsewhere: number
  readonly keylessGrants: number
}

async function forget(word: string, options: ForgetOptions): Promise<void> {
  const named = (await secretOf(word)).trim()
  const reason = options.reason.trim().slice(0, MAX_REASON_CHARS)
  if (!options.dryRun && !options.yes)
    throw new MeshError(
      'CONFIG_INVALID',
      'this cannot be undone: look with --dry-run what would be destroyed, then say --yes',
    )
  const act = options.dryRun ? { ...options, via: [] } : options
  await asOperator({ ...act, json: options.json ?? options.dryRun ?? false }, async operator => {
    const keys = await openAccountKeys(operator)
    const plan = await planOf(operator, keys, { named, via: options.via })
    if (options.dryRun) {
      say(options, { dryRun: true, ...shown(plan) }, textOf(plan, 'would be'))
      return
    }
    // First the key, then the word: an entry that says so must never be untrue. The same command goes on from anywhere.
    await keys.destroy(new Set(plan.keys))
    await operator.record(bodiesOf(plan, reason))
    const proofs = proofsOf(operator, plan)
    say(
      options,
      { forgotten: true, ...shown(plan), proofs },
      [textOf(plan, 'was'), ...proofLines(proofs)].join('\n'),
    )
  })
}

type Asked = { readonly named: string; readonly via: readonly string[] }

async function planOf(operator: Operator, held: AccountKeys, { named, via }: Asked): Promise<Plan> {
  const accounts = await accountsOf(operator, named)
  const { policy, forgotten } = operator.ledger.view()
  const pairs = accounts.flatMap(({ accountRef, sealKeys }) =>
    sealKeys.map(sealKey => ({ accountRef, sealKey })),
  )
  const cards = accounts.flatMap(one => one.tokenRefs)
  // Those granted with a key from the first on have nothing under the operator's.
  const keyless = accounts.filter(one => one.keylessGrants > 0)
  const keyedAt = new Map(keyless.flatMap(one => one.tokenRefs.map(ref => [ref, one.keyedAt] as const)))
  const sessions = await Promise.all(via.map(sessionsAt))
  const old = sessions.flat().filter(({ tokenRef, startedAt }) => {
    const from = keyedAt.get(tokenRef as TokenRef)
    return keyedAt.has(tokenRef as TokenRef) && (from === undefined || Date.parse(startedAt ?? '') < from)
  })
  const unsaid = pairs.filter(({ sealKey }) => !forgotten.of(sealKey))
  return {
    accounts,
    keysElsewhere: unsaid.filter(({ sealKey }) => !held.secretOf(sealKey)).length,
    keys: [...new Set(pairs.map(one => one.sealKey))].filter(sealKey => held.secretOf(sealKey)),
    unsaid,
    cards: cards.filter(tokenRef => policy.token(tokenRef).kind === 'granted'),
    sealedToOperator: via.length === 0 ? undefined : [...new Set(old.map(one => one.sessionId))],
    keylessGrants: accounts.reduce((sum, one) => sum + one.keylessGrants, 0),
  }
}

function bodiesOf({ unsaid, cards }: Plan, reason: string): readonly AnyBody[] {
  const effectiveAt = Date.now()
  return [
    ...unsaid.map(({ accountRef, sealKey }): AnyBody => {
      return { name: 'account_forgotten', body: { accountRef, sealKey: unhex(sealKey), reason } }
    }),
    ...cards.map((tokenRef): AnyBody => ({ name: 'revoke', body: { tokenRef, reason, effectiveAt } })),
  ]
}

type Proof = {
  readonly account: string
  /** SHA-256 of the public half: what was sealed to it can be told by nobody else. */
  readonly keyHash: string
  readonly event: string
  readonly eventHash: string
}

function proofsOf({ ledger }: Operator, { accounts }: Plan): readonly Proof[] {
  const { forgotten } = ledger.view()
  return accounts.flatMap(({ accountRef, sealKeys }) =>
    sealKeys.flatMap(sealKey => {
      const said = forgotten.of(sealKey)
      if (!said) return []
      const { logId, seq, hash } = said.ref
      return [
        {
          account: accountRef,
          keyHash: hex(sha256(unhex(sealKey))),
          event: `${logId}/${seq}`,
          eventHash: hash,
        },
      ]
    }),
  )
}

function proofLines(proofs: readonly Proof[]): readonly string[] {
  return proofs.map(
    ({ keyHash, event, eventHash }) =>
      `proof: entry ${event}, hash ${eventHash}, of the key with SHA-256 ${keyHash}`,
  )
}

function shown({ accounts, keys, keysElsewhere, cards, keylessGrants, sealedToOperator }: Plan) {
  return {
    accounts: accounts.map(one => one.accountRef),
    keysDestroyed: keys.length,
    keysElsewhere,
    cardsRevoked: cards.length,
    grantsWithoutKey: keylessGrants,
    ...(sealedToOperator && { sealedToOperator }),
  }
}

function textOf(
  { keys, keysElsewhere, cards, accounts, keylessGrants, sealedToOperator }: Plan,
  verb: 'was' | 'would be',
): string {
  const what = accounts.length === 1 ? `account ${accounts[0]?.accountRef}` : `${accounts.length} accounts`
  const plural = verb === 'was' ? 'were' : verb
  const done = keys.length === 0 && cards.length === 0
  const lines = done
    ? [`${what}: no key of it is here and no card of it may charge; nothing ${verb} destroyed`]
    : [`${what}: ${keys.length} keys ${plural} destroyed, ${cards.length} cards ${plural} revoked`]
  if (keysElsewhere > 0)
    lines.push(
      `${keysElsewhere} keys are not in this folder: an earlier \`forget\` that was interrupted destroyed them, or another copy of it has them; destroy them there too`,
    )
  if (keylessGrants > 0)
    lines.push(
      `${keylessGrants} grants have no key of their own: what was signed in sessions under them is sealed to the operator's key and cannot be destroyed singly`,
    )
  if (keylessGrants > 0 && sealedToOperator === undefined)
    lines.push('--via <folder of a node> names those sessions')
  if (sealedToOperator && sealedToOperator.length > 0) {
    const more = sealedToOperator.length - SHOWN_SESSIONS
    lines.push(
      `these are: ${sealedToOperator.slice(0, SHOWN_SESSIONS).join(', ')}${more > 0 ? ` and ${more} more` : ''}`,
    )
  }
  return lines.join('\n')
}
