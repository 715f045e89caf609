// Grants and revocations of all issuers and revokers, folded: order of arrival does not matter, and a revocation
// wins over everything that does not cite it, whatever the clocks of two offline laptops say (PROTOCOL 2.2).
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import type { ChargerId, EventHash, TokenRef } from '../units.ts'

type Placed = { readonly ref: EventRef; readonly hlc: Hlc }
export type Grant = Placed & { readonly body: BodyOf<'grant'> }
export type Revocation = Placed & { readonly body: BodyOf<'revoke'> }
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
  readonly tokens: () => readonly TokenRef[]
  /** Every revocation of a card that is held; a grant that is to count must cite them all. */
  readonly revocations: (tokenRef: TokenRef) => readonly Revocation[]
  /** The card's own id, sealed, from the newest grant that has it: also of a revoked card. */
  readonly tagSealed: (tokenRef: TokenRef) => Uint8Array | undefined
  /** A charger that may connect; undefined when it was never added, or withdrawn. */
  readonly chargePoint: (chargerId: ChargerId) => BodyOf<'charge_point'> | undefined
  readonly chargePoints: () => readonly BodyOf<'charge_point'>[]
}

type TokenEntries = { readonly grants: Grant[]; readonly revocations: Revocation[]; state: TokenState }

export function createPolicy(): Policy {
  const tokens = new Map<TokenRef, TokenEntries>()
  const chargePoints = new Map<ChargerId, ChargePoint>()

  const entriesOf = (tokenRef: TokenRef): TokenEntries => {
    const held = tokens.get(tokenRef)
    if (held) return held
    const made: TokenEntries = { grants: [], revocations: [], state: { kind: 'unknown' } }
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
      entries.grants.push(grant)
      entries.state = stateOf(entries)
    },
    addRevocation: revocation => {
      const entries = entriesOf(revocation.body.tokenRef)
      entries.revocations.push(revocation)
      entries.state = stateOf(entries)
    },
    addChargePoint: added => {
      const held = chargePoints.get(added.body.chargerId)
      if (!held || newer(added, held)) chargePoints.set(added.body.chargerId, added)
    },
    token: tokenRef => tokens.get(tokenRef)?.state ?? { kind: 'unknown' },
    tokens: () => [...tokens.keys()],
    revocations: tokenRef => tokens.get(tokenRef)?.revocations ?? [],
    tagSealed: tokenRef =>
      newest((tokens.get(tokenRef)?.grants ?? []).filter(grant => grant.body.tagSealed))?.body.tagSealed,
    chargePoint: current,
    chargePoints: () => [...chargePoints.keys()].sort().flatMap(chargerId => current(chargerId) ?? []),
  }
}

/** The newest grant that no revocation covers; a revocation covers every grant that does not cite it. */
function stateOf({ grants, revocations }: TokenEntries): TokenState {
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

function newer(a: Placed, b: Placed): boolean {
  if (a.hlc !== b.hlc) return a.hlc > b.hlc
  if (a.ref.logId !== b.ref.logId) return a.ref.logId > b.ref.logId
  return a.ref.seq > b.ref.seq
}
