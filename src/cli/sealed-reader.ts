// Who may read what nodes have sealed: the operator, with its own keys, those before, and those of the accounts of its cards.
import type { Forgetting } from '../authorization/forgotten.ts'
import { openAccountKeys } from '../host/account-keys.ts'
import type { Operator } from '../host/operator.ts'
import { openSealed } from '../identity/seal.ts'
import { sealKeyOf } from '../personal.ts'
import { hex, type TokenRef, unhex } from '../units.ts'

export type SealedReader = {
  /** The text in a box (base64) of a session of this card; undefined when no key that is here opens it. */
  readonly open: (sealed: string, tokenRef: string | undefined) => string | undefined
  /** The word that a key of this card's account was destroyed: what does not open may be sealed to it. */
  readonly forgotten: (tokenRef: string | undefined) => Forgetting | undefined
}

/** The keys stay in memory for as long as the answer is held. */
export async function openSealedReader(operator: Operator): Promise<SealedReader> {
  const { identity, ledger } = operator
  const own = [identity.keys.sealKey, ...(identity.sealKeysBefore ?? [])].map(unhex)
  const accounts = await openAccountKeys(operator)
  const { policy, forgotten } = ledger.view()
  /** Public halves that the grants of a card have named, the newest first. */
  const namedBy = (tokenRef: string | undefined): readonly string[] => {
    const grants = tokenRef === undefined ? [] : policy.grants(tokenRef as TokenRef)
    return [...new Set(grants.flatMap(grant => sealKeyOf(ledger, grant) ?? []).map(hex))].toReversed()
  }
  return {
    open: (sealed, tokenRef) => {
      const box = new Uint8Array(Buffer.from(sealed, 'base64'))
      for (const key of [...namedBy(tokenRef).flatMap(one => accounts.secretOf(one) ?? []), ...own]) {
        const plain = openSealed(key, box)
        if (plain) return Buffer.from(plain).toString('utf8')
      }
      return undefined
    },
    forgotten: tokenRef => namedBy(tokenRef).flatMap(one => forgotten.of(one) ?? [])[0],
  }
}
