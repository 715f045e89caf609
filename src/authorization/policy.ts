// Grants and revocations of all issuers and revokers, folded: order of arrival does not matter, and a revocation
// wins over everything that does not cite it, whatever the clocks of two offline laptops say (PROTOCOL 2.2).
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import type { ChargerId, EventHash, TokenRef } from '../units.ts'

type Placed = { readonly ref: EventRef; readonly hlc: Hlc }
export type Grant = Placed & { readonly body: BodyOf<'grant'> }
/** `by`: who revoked, as people call them. */
export type Revocation = Placed & { readonly body: BodyOf<'revoke'>; readonly by: string }
export type ChargePoint = Placed & { readonly body: BodyOf<'charge_point'> }

export type TokenState =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'granted'; readonly grant: Grant }
  | { readonly kind: 'revoked'; readonly revocation: Revocation; readonly grant?: Grant }

export type Policy = {
  readonly addGrant: (grant: Grant) => void
  readonly addRevocation: (revocation: Revocation) => void
  readonly addChargePoint: (chargePoint: ChargePoint) => void
  readonly token: (tokenRef: TokenRef) => TokenState
  /** The state of one card that is known by several references: a revocation of any of them counts. */
  readonly tokenOf: (tokenRefs: readonly TokenRef[]) => TokenState
  /** Of a card's references under several keys of the site, oldest first, the one that its newest entry bears; the last where it is unknown. */
  readonly namedBy: (tokenRefs: readonly TokenRef[]) => TokenRef
  readonly tokens: () => readonly TokenRef[]
  /** Every revocation of a card that is held; a grant that is to count must cite them all. */
  readonly revocations: (tokenRef: TokenRef) => readonly Revocation[]
  /** Every grant of a card that is held, in no order. */
  readonly grants: (tokenRef: TokenRef) => readonly Grant[]
  /** Cards that were revoked at some time, whatever came later. */
  readonly everRevoked: () => readonly TokenRef[]
  /** The card's own id, sealed, from the newest grant that has it: also of a revoked card. */
  readonly tagSealed: (tokenRef: TokenRef) => Uint8Array | undefined
  /** A charger that may connect; undefined when it was never added, or withdrawn. */
  readonly chargePoint: (chargerId: ChargerId) => BodyOf<'charge_point'> | undefined
  readonly chargePoints: () => readonly BodyOf<'charge_point'>[]
}

type TokenEntries = { grants: readonly Grant[]; revocations: readonly Revocation[]; state: TokenState }
/** Most cards have one grant and no revocation; a list that is pushed to, or spread into, keeps room for seventeen. */
const NONE: readonly never[] = []

export function createPolicy(): Policy {
  const tokens = new Map<TokenRef, TokenEntries>()
  const revoked = new Set<TokenRef>()
  const chargePoints = new Map<ChargerId, ChargePoint>()

  const entriesOf = (tokenRef: TokenRef): TokenEntries => {
    const held = tokens.get(tokenRef)
    if (held) return held
    const made: TokenEntries = { grants: NONE, revocations: NONE, state: { kind: 'unknown' } }
    tokens.set(tokenRef, made)
    return made
  }
  const current = (chargerId: ChargerId): BodyOf<'charge_point'> | undefined => {
    const body = chargePoints.get(chargerId)?.body
    return body?.withdrawn ? undefined : body
  }

  return {
    addGrant: grant => {
      const entries = entriesOf(grant.body.tokenRef)
      entries.grants = entries.grants.concat(grant)
      entries.state = stateOf(entries)
    },
    addRevocation: revocation => {
      const entries = entriesOf(revocation.body.tokenRef)
      entries.revocations = entries.revocations.concat(revocation)
      revoked.add(revocation.body.tokenRef)
      entries.state = stateOf(entries)
    },
    addChargePoint: added => {
      const held = chargePoints.get(added.body.chargerId)
      if (!held || newer(added, held)) chargePoints.set(added.body.chargerId, added)
    },
    token: tokenRef => tokens.get(tokenRef)?.state ?? { kind: 'unknown' },
    tokenOf: tokenRefs => {
      const held = tokenRefs.flatMap(tokenRef => tokens.get(tokenRef) ?? [])
      const [only, ...others] = held
      if (!only) return { kind: 'unknown' }
      if (others.length === 0) return only.state
      const grants = held.flatMap(entries => entries.grants)
      return stateOf({ grants, revocations: held.flatMap(entries => entries.revocations) })
    },
    namedBy: tokenRefs => {
      const held = tokenRefs.flatMap(tokenRef => tokens.get(tokenRef) ?? [])
      const grant = newest(held.flatMap(entries => entries.grants))
      const revocation = newest(held.flatMap(entries => entries.revocations))
      return grant?.body.tokenRef ?? revocation?.body.tokenRef ?? (tokenRefs.at(-1) as TokenRef)
    },
    tokens: () => [...tokens.keys()],
    everRevoked: () => [...revoked],
    revocations: tokenRef => tokens.get(tokenRef)?.revocations ?? [],
    grants: tokenRef => tokens.get(tokenRef)?.grants ?? [],
    tagSealed: tokenRef =>
      newest((tokens.get(tokenRef)?.grants ?? []).filter(grant => grant.body.tagSealed))?.body.tagSealed,
    chargePoint: current,
    chargePoints: () => [...chargePoints.keys()].sort().flatMap(chargerId => current(chargerId) ?? []),
  }
}

/** The newest grant that no revocation covers; a revocation covers every grant that does not cite it. */
function stateOf({ grants, revocations }: Pick<TokenEntries, 'grants' | 'revocations'>): TokenState {
  const newestGrant = newest(grants)
  const free = newest(
    grants.filter(grant => revocations.every(revocation => cites(grant, revocation.ref.hash))),
  )
  if (free) return { kind: 'granted', grant: free }
  const revocation = newest(revocations)
  if (revocation) return { kind: 'revoked', revocation, ...(newestGrant && { grant: newestGrant }) }
  return { kind: 'unknown' }
}

function cites(grant: Grant, revocation: EventHash): boolean {
  return grant.body.supersedes.includes(revocation)
}

function newest<P extends Placed>(entries: readonly P[]): P | undefined {
  return entries.reduce<P | undefined>(
    (best, entry) => (!best || newer(entry, best) ? entry : best),
    undefined,
  )
}

export function newer(a: Placed, b: Placed): boolean {
  if (a.hlc !== b.hlc) return a.hlc > b.hlc
  if (a.ref.logId !== b.ref.logId) return a.ref.logId > b.ref.logId
  return a.ref.seq > b.ref.seq
}
