// What is personal in a session (a meter's signed values may hold the card's own id) is sealed before it is written: to the
// account of its card, so that the operator can forget that account alone, and to the operator where the card has none.
import { utf8Bytes } from './identity/hash.ts'
import type { Roster } from './identity/roster.ts'
import { sealTo } from './identity/seal.ts'
import type { Ledger } from './ledger.ts'
import { decodeBody } from './log/body.ts'
import { decodeElement } from './log/event.ts'
import type { Random } from './ports.ts'
import type { TokenRef } from './units.ts'

export type PersonalDeps = {
  readonly ledger: Pick<Ledger, 'logs' | 'view'>
  readonly roster: Roster
  readonly random: Random
  readonly count: (name: string) => void
}

/** Undefined when nobody's key is known: the value is left out then, and the readings beside it still count. */
export function sealPersonal(
  { ledger, roster, random, count }: PersonalDeps,
  plain: string,
  tokenRef: TokenRef | undefined,
): Uint8Array | undefined {
  const text = utf8Bytes(plain)
  const token = tokenRef && ledger.view().policy.token(tokenRef)
  const account = token && token.kind !== 'unknown' && token.grant && sealKeyOf(ledger, token.grant)
  if (account) {
    try {
      return sealTo(account, random.bytes(32), text)
    } catch {
      // Not every 32 bytes are a key: whoever wrote the grant must not keep a charger from being served.
      count('seal.bad-key')
    }
  }
  const issuer = roster.all().findLast(certificate => certificate.roles.includes('issuer'))
  return issuer && sealTo(issuer.sealKey, random.bytes(32), text)
}

type Place = { readonly ref: { readonly logId: string; readonly seq: number } }

/** Read where it stands: a site of 100,000 cards would else hold the keys of all of them in memory twice. */
export function sealKeyOf({ logs }: Pick<Ledger, 'logs'>, { ref }: Place): Uint8Array | undefined {
  const bytes = logs.get(ref.logId as Parameters<typeof logs.get>[0])?.elements[ref.seq]
  const element = bytes && decodeElement(bytes)
  const said = element && typeof element !== 'string' ? decodeBody(element.type, element.body) : undefined
  return said?.name === 'grant' ? said.body.sealKey : undefined
}
