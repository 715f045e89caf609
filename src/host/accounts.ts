// Which account a person means: by the card's own id, by the label that is printed on it, or by the account's reference.
import type { Grant } from '../authorization/policy.ts'
import { MeshError } from '../errors.ts'
import { wallOf } from '../log/hlc.ts'
import { sealKeyOf } from '../personal.ts'
import { hex, type TokenRef } from '../units.ts'
import { cardsOf } from './cards.ts'
import type { Operator } from './operator.ts'

export type Account = {
  readonly accountRef: string
  /** References of its cards, under whatever key of the site. */
  readonly tokenRefs: readonly TokenRef[]
  /** Public halves of the keys that its grants have named, in hex. */
  readonly sealKeys: readonly string[]
  /** Since when each grant has named one; undefined while none does. */
  readonly keyedAt: number | undefined
  readonly keylessGrants: number
}

/** An account has one reference for each key of the site that its cards were granted under. */
export async function accountsOf(operator: Operator, named: string): Promise<readonly Account[]> {
  const { policy } = operator.ledger.view()
  const all = policy.tokens().flatMap(policy.grants)
  const ofCard = new Set<string>(isCardId(named) ? (await cardsOf(operator)(named)).tokenRefs : [])
  const ways = [
    all.filter(({ body }) => body.accountRef === named.toLowerCase()),
    all.filter(({ body }) => body.visualNumber === named),
    all.filter(({ body }) => ofCard.has(body.tokenRef)),
  ]
  const meant = ways.filter(grants => grants.length > 0).map(refsIn)
  const [refs] = meant
  if (!refs)
    throw new MeshError(
      'CONFIG_INVALID',
      'no account has this card, label or reference; `token list` names cards, `token show <card>` its account',
    )
  const labelled = new Set(ways[1]?.map(({ body }) => body.tokenRef))
  if (meant.some(others => [...others].some(ref => !refs.has(ref))) || labelled.size > 1)
    throw new MeshError(
      'CONFIG_INVALID',
      `this names several accounts; say which by its reference: ${[...new Set(meant.flatMap(one => [...one]))].join(', ')}`,
    )
  return [...refs].map(accountRef =>
    accountOf(
      operator,
      accountRef,
      all.filter(({ body }) => body.accountRef === accountRef),
    ),
  )
}

const MAX_CARD_CHARS = 20

function isCardId(named: string): boolean {
  return named.length > 0 && named.length <= MAX_CARD_CHARS
}

function refsIn(grants: readonly Grant[]): ReadonlySet<string> {
  return new Set(grants.map(({ body }) => body.accountRef))
}

function accountOf({ ledger }: Operator, accountRef: string, grants: readonly Grant[]): Account {
  const keyed = grants.flatMap(grant => {
    const sealKey = sealKeyOf(ledger, grant)
    return sealKey ? [{ sealKey: hex(sealKey), at: wallOf(grant.hlc) }] : []
  })
  return {
    accountRef,
    tokenRefs: [...new Set(grants.map(({ body }) => body.tokenRef))],
    sealKeys: [...new Set(keyed.map(one => one.sealKey))],
    keyedAt: keyed.length === 0 ? undefined : Math.min(...keyed.map(one => one.at)),
    keylessGrants: grants.length - keyed.length,
  }
}
