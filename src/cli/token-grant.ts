// What a card is given: validity, cap, zone and label from the command line, as the body of a grant.
import type { Command } from 'commander'
import { MeshError } from '../errors.ts'
import type { AccountKeys } from '../host/account-keys.ts'
import type { Card } from '../host/cards.ts'
import type { Operator } from '../host/operator.ts'
import type { AnyBody, BodyOf } from '../log/body.ts'
import { MAX_SUPERSEDED } from '../log/fields.ts'
import { sealKeyOf } from '../personal.ts'
import { type EventHash, sameBytes } from '../units.ts'
import { type ExtraTerms, type TermOptions, termOptions } from './grant-terms.ts'
import { wholeNumber } from './number.ts'
import { instantOf } from './time.ts'

const DAY_MS = 24 * 3600 * 1000
/** Offline, a card works for so long after the operator was last heard of. */
const DEFAULT_MAX_AGE_DAYS = 30
const MAX_LABEL_CHARS = 48

export type GrantOptions = TermOptions & {
  readonly label?: string
  readonly private?: boolean
  readonly valid?: string
  readonly from?: string
  readonly until?: string
  readonly days: string
  readonly capKwh?: string
  readonly zone?: string
  readonly again?: boolean
}

/** What is the same for all cards of one command, or was said for this one. */
export type Terms = {
  readonly notBeforeAt: number
  readonly notAfterAt: number
  /** Nobody said when it begins, or when it ends: the same command says other times a moment later. */
  readonly isFromNow: boolean
  readonly isForDays: boolean
  readonly capWhPerDay: number | undefined
  readonly zone: string | undefined
  readonly label: string | undefined
  readonly extra: ExtraTerms
}

export function grantOptions(command: Command): Command {
  return termOptions(command)
    .option('--label <text>', 'what is printed on the card; every node can read it')
    .option(
      '--private',
      'write no label, also not from a file: what stands in the log can never be taken back',
    )
    .option('--valid <from/until>', 'valid in this interval (ISO 8601)')
    .option('--from <time>', 'valid from (ISO 8601; default: now)')
    .option('--until <time>', 'valid until (ISO 8601)')
    .option('--days <n>', 'valid for so many days, without --until', '365')
    .option('--cap-kwh <n>', 'energy a day while the operator is offline')
    .option('--zone <name>', 'only at chargers of this zone')
}

export type Given = { readonly options: GrantOptions; readonly nowAt: number; readonly extra: ExtraTerms }

/** `own`: what one line of a file says for itself. */
export function termsOf(
  { options, nowAt, extra }: Given,
  own: Pick<GrantOptions, 'label' | 'from' | 'until'> = {},
): Terms {
  const common = options.valid === undefined ? options : { ...options, ...intervalOf(options) }
  const from = own.from ?? common.from ?? 'now'
  const until = own.until ?? common.until
  const label = own.label ?? options.label
  const notBeforeAt = instantOf('--from', from, nowAt)
  const days = wholeNumber('--days', options.days)
  const notAfterAt = until === undefined ? notBeforeAt + days * DAY_MS : instantOf('--until', until, nowAt)
  if (notAfterAt <= notBeforeAt)
    throw new MeshError('CONFIG_INVALID', 'a card must be valid until later than from')
  return {
    ...{ notBeforeAt, notAfterAt, isFromNow: from === 'now', isForDays: until === undefined },
    capWhPerDay: options.capKwh === undefined ? undefined : wholeNumber('--cap-kwh', options.capKwh) * 1000,
    zone: options.zone,
    label: options.private ? undefined : label?.slice(0, MAX_LABEL_CHARS),
    extra,
  }
}

function intervalOf({ valid = '', from, until }: GrantOptions): Pick<GrantOptions, 'from' | 'until'> {
  if (from !== undefined || until !== undefined)
    throw new MeshError('CONFIG_INVALID', '--valid says both ends; leave --from and --until out')
  const [begin = '', end = '', ...more] = valid.split('/')
  if (begin !== '' && end !== '' && more.length === 0) return { from: begin, until: end }
  throw new MeshError(
    'CONFIG_INVALID',
    `--valid ${valid}: wanted two times such as 2026-07-04T08:00/2026-07-05T02:00`,
  )
}

export type Granting = {
  readonly terms: Terms
  readonly again?: boolean
  /** Hashes of those that nodes know, by whomever. */
  readonly revocations?: readonly EventHash[]
}

export function grantOf(
  operator: Operator,
  { tokenRef, tokenRefs }: Card,
  { terms, again = false, revocations = [] }: Granting,
): AnyBody {
  const { policy } = operator.ledger.view()
  const token = policy.tokenOf(tokenRefs)
  const cited = token.kind === 'granted' ? token.grant.body.supersedes : []
  const isRevokedElsewhere = revocations.some(hash => !cited.includes(hash))
  if ((token.kind === 'revoked' || isRevokedElsewhere) && !again) {
    const reason = token.kind === 'revoked' ? token.revocation.body.reason : 'by somebody else'
    throw new MeshError(
      'CONFIG_INVALID',
      `the card was revoked (${reason}), and a new grant does not change that; \`token add --again\` does`,
    )
  }
  // A renewal of a card that was revoked once and granted again cites that revocation too, or it would count nothing.
  const own = tokenRefs.flatMap(policy.revocations).map(one => one.ref.hash)
  const supersedes = [...new Set([...own, ...revocations])]
  if (supersedes.length > MAX_SUPERSEDED) {
    throw new MeshError(
      'CONFIG_INVALID',
      `the card was revoked ${supersedes.length} times, a grant can undo ${MAX_SUPERSEDED}: hand out another card`,
    )
  }
  const { notBeforeAt, notAfterAt, capWhPerDay, zone, label, extra } = terms
  const body: BodyOf<'grant'> = {
    tokenRef,
    accountRef: tokenRef,
    ...extra,
    supersedes,
    scope: { ...extra.scope, zones: zone === undefined ? [] : [zone] },
    notBeforeAt,
    notAfterAt,
    offline: {
      maxAgeS: (DEFAULT_MAX_AGE_DAYS * DAY_MS) / 1000,
      ...(capWhPerDay !== undefined && { maxWhPerDay: capWhPerDay }),
      ...extra.offline,
    },
    ...(label !== undefined && { visualNumber: label }),
  }
  return { name: 'grant', body }
}

/**
 * True when the card's grant in force says the same already, so that a command which was interrupted can be given again.
 * A grant under an older key of the site is another one. Where it is valid from now, or for days from now, a day more or less is no other grant.
 */
export function isUnchanged(operator: Operator, given: AnyBody, terms: Terms): boolean {
  if (given.name !== 'grant') return false
  const token = operator.ledger.view().policy.token(given.body.tokenRef)
  if (token.kind !== 'granted') return false
  const { notBeforeAt: fromAt, notAfterAt: untilAt, tagSealed, sealKey: __, ...held } = token.grant.body
  // Not held in memory with the other words: it is the account's, and the same as long as that has one.
  const { sealKey } = given.body
  const heldKey = sealKeyOf(operator.ledger, token.grant)
  if (sealKey && !(heldKey && sameBytes(heldKey, sealKey))) return false
  // Sealed anew, the same id looks like another; but where chargers hold lists it has to be there.
  const { sitePolicy } = operator.ledger.view()
  if (!tagSealed && sitePolicy.value('local-lists') === 'on') return false
  const { notBeforeAt, notAfterAt, sealKey: _, ...wanted } = given.body
  const isFrom = terms.isFromNow ? fromAt <= notBeforeAt : fromAt === notBeforeAt
  const isUntil = terms.isForDays ? Math.abs(untilAt - notAfterAt) < DAY_MS : untilAt === notAfterAt
  return isFrom && isUntil && JSON.stringify(plain(held)) === JSON.stringify(plain(wanted))
}

type Words = Omit<BodyOf<'grant'>, 'notBeforeAt' | 'notAfterAt' | 'sealKey'>

/** In one order, and without what is not said: whatever else a grant comes to say counts as well. */
function plain(words: Words): unknown {
  return Object.entries(words)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, isRecord(value) ? Object.entries(value).filter(said).sort() : value])
    .sort()
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  )
}

function said([, value]: readonly [string, unknown]): boolean {
  return value !== undefined
}

/** The same grant with the key of its account, drawn where there is none; `keys.save` must come before the grant is written. */
export function withAccountKey(keys: AccountKeys, event: AnyBody): AnyBody {
  if (event.name !== 'grant') return event
  return { ...event, body: { ...event.body, sealKey: keys.keyOf(event.body.accountRef) } }
}
