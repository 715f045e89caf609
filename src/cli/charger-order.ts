// How a command reaches its charger. With a node's folder alone it goes to a charger of that very node, by the node's own
// token. With the site's folder it is signed for whichever node holds the charger now, and any running node carries it.
import type { Command } from 'commander'
import { z } from 'zod'
import type { Client } from '../api/client.ts'
import type { Holder, OrderOutcome } from '../api/commands.ts'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import { type Operator, openOperator } from '../host/operator.ts'
import { NOT_HERE } from '../ocpp/chargers.ts'
import { withoutControls } from '../ocpp/repair.ts'
import type { ChargerCommand, CommandOutcome } from '../ports.ts'
import { type ChargerId, chargerId, type DeviceId } from '../units.ts'
import { clientIn, refuseWithdrawn, say } from './operator.ts'
import { type UnlockOptions, unlockOf, unlockOptions } from './unlock.ts'

/** A charger may move between the question and the order: it is looked for again. */
const MAX_TRIES = 3
/** A person is told that something is waited for. */
const PATIENCE_MS = 2000

export type OrderOptions = UnlockOptions & {
  readonly via: string
  readonly site?: string
  readonly json?: boolean
}

const HOLDERS = z.array(
  z.object({
    deviceId: z.string().transform(text => text as DeviceId),
    ...{ name: z.string(), nonce: z.string(), connectedForMs: z.number() },
    certificates: z.array(z.string()),
    report: z.record(z.string(), z.unknown()),
  }),
)

export function orderOptions(command: Command): Command {
  return unlockOptions(command)
    .requiredOption(
      '--via <dir>',
      'folder of a running node: the one that the charger is connected to, or any with --site',
    )
    .option(
      '--site <dir>',
      "the site's folder, or a revoker's: signs the command for whichever node holds the charger",
    )
    .option('--json', 'print JSON')
}

/** Sends, and says what the charger made of it. Refuses with CHARGER_REFUSED or CHARGER_ABSENT. */
export async function order(identity: string, command: ChargerCommand, options: OrderOptions): Promise<void> {
  const outcome = await ordered(identity, command, options)
  if (outcome.kind !== 'accepted') throw refusalOf(identity, outcome)
  say(options, outcome, `accepted${detailOf(outcome.detail)}`)
}

export function refusalOf(
  identity: string,
  outcome: Exclude<CommandOutcome, { kind: 'accepted' }>,
): MeshError {
  return outcome.kind === 'rejected'
    ? new MeshError('CHARGER_REFUSED', `${identity}: refused, ${outcome.status}${detailOf(outcome.detail)}`)
    : new MeshError('CHARGER_ABSENT', `${identity}: ${outcome.reason}${WHAT_NEXT[outcome.reason] ?? ''}`)
}

/** By the words of the node that holds the charger. */
const WHAT_NEXT: Readonly<Record<string, string>> = {
  [NOT_HERE]: '; `charger show` says which node holds it, if any: name its folder with --via',
  'no answer in time': ', 15 s; it may still do it. `charger show` says when it was last heard; ask again',
  'the connection was lost': ' while it was asked; it comes back by itself, ask again then',
  'too many commands wait': '; a charger answers one at a time, ask again in a minute',
}

function detailOf(detail: unknown): string {
  if (detail === undefined) return ''
  // A charger's own words, and a terminal would obey some of them.
  return `\n${typeof detail === 'string' ? withoutControls(detail) : JSON.stringify(detail, null, 2)}`
}

/** What the charger made of it. Refuses with CHARGER_ABSENT where nobody that is connected holds it. */
export async function ordered(
  identity: string,
  command: ChargerCommand,
  options: OrderOptions,
): Promise<CommandOutcome> {
  const id = identityOf(identity)
  const client = await clientIn(options.via)
  const waiting = setTimeout(() => {
    if (process.stderr.isTTY) process.stderr.write(`waiting for ${id} to answer, 15 s at most\n`)
  }, PATIENCE_MS)
  try {
    return options.site === undefined
      ? await orderedHere(client, id, command)
      : await orderedBySite(client, id, { command, options, site: options.site })
  } finally {
    clearTimeout(waiting)
  }
}

export function identityOf(text: string): ChargerId {
  const identity = chargerId(text)
  if (identity !== undefined) return identity
  throw new MeshError('CONFIG_INVALID', `identity ${JSON.stringify(text)}: 1 to 48 of A-Z a-z 0-9 _ . -`)
}

async function orderedHere(client: Client, id: ChargerId, command: ChargerCommand): Promise<CommandOutcome> {
  const outcome = (await client.post(
    `/v1/chargers/${encodeURIComponent(id)}/commands`,
    command,
  )) as CommandOutcome
  if (outcome.kind !== 'unreachable' || outcome.reason !== NOT_HERE) return outcome
  const [holder] = await holdersOf(client, id)
  const where = holder
    ? `; it is connected to ${holder.name}: name that node's folder, or add --site <dir> to sign the command for it`
    : NOBODY
  return { kind: 'unreachable', reason: `${NOT_HERE}${where}` }
}

const NOBODY =
  '; none of the nodes that this one is connected to holds it either: `charger show` says whether this site lets it in, and when it was last heard'

async function holdersOf(client: Client, id: ChargerId): Promise<readonly Holder[]> {
  const said = await client.get(`/v1/chargers/${encodeURIComponent(id)}/holders`)
  return check('holders', HOLDERS, said)
}

type BySite = { readonly command: ChargerCommand; readonly options: OrderOptions; readonly site: string }

async function orderedBySite(
  client: Client,
  id: ChargerId,
  { command, options, site }: BySite,
): Promise<CommandOutcome> {
  // Before the holder draws its number, which is good for a minute: somebody may have to type a passphrase.
  const operator = await openOperator(site, unlockOf(options))
  try {
    refuseWithdrawn(operator, site)
    refuseBeyondRole(operator, command)
    for (let tries = 1; ; tries++) {
      const [holder] = await holdersOf(client, id)
      if (!holder) throw new MeshError('CHARGER_ABSENT', `${id}: ${NOT_HERE}${NOBODY}`)
      const outcome = await orderOf(client, operator, { id, command, holder })
      if (outcome.kind !== 'refused') return outcome
      if (tries >= MAX_TRIES || !MOVED.includes(outcome.reason)) throw orderRefused(holder, outcome.reason)
    }
  } finally {
    await operator.close()
  }
}

type Refused = Extract<OrderOutcome, { kind: 'refused' }>['reason']
const MOVED: readonly Refused[] = ['not-here', 'stale']

type Directed = { readonly id: ChargerId; readonly command: ChargerCommand; readonly holder: Holder }

async function orderOf(
  client: Client,
  operator: Operator,
  { id, command, holder }: Directed,
): Promise<OrderOutcome> {
  const signed = operator.order({
    ...{ chargerId: id, command, nonce: bytesOf(holder.nonce) },
    certificates: holder.certificates.map(bytesOf),
  })
  const order = Buffer.from(signed).toString('base64')
  return (await client.post('/v1/orders', { to: holder.deviceId, order })) as OrderOutcome
}

function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'))
}

function refuseBeyondRole({ certificate }: Operator, command: ChargerCommand): void {
  if (certificate.roles.includes('issuer') || command.kind === 'remoteStop') return
  throw new MeshError(
    'CONFIG_INVALID',
    "this folder holds a revoker's keys: it can stop sessions, revoke cards and nodes, and nothing else",
  )
}

function orderRefused({ name }: Holder, reason: Refused): MeshError {
  return new MeshError('CERTIFICATE_INVALID', `${name} does not obey: ${REFUSALS[reason]}`)
}

const REFUSALS: Readonly<Record<Refused, string>> = {
  malformed: 'it cannot read the command; is its software older than this?',
  'foreign-site': 'the folder given with --site is of another site',
  'for-another-node': 'the command was signed for another node',
  stale: 'the command came too late or twice; try again',
  'not-here': 'the charger moves from node to node; try again',
  'unknown-signer':
    'it does not know the keys in this folder; give it the news with any `--site … --via` command',
  'not-its-role': 'the keys in this folder may not command that',
  'withdrawn-signer': 'the keys in this folder were withdrawn',
  'expired-signer':
    "the certificate in this folder has ended by that node's clock; `keys rotate issuer` makes a new one, `doctor` looks at the clock",
  'bad-signature': 'the signature is wrong: the command was changed on its way, by the node that carried it',
}
