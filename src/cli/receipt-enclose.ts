// Encloses in a receipt what the meter itself signed: only the operator's folder opens it, and only the operator's word says
// that it belongs there.
import type { Client } from '../api/client.ts'
import type { SignedReport } from '../api/signed.ts'
import { MOST_VALUES } from '../billing/receipt-enclosed.ts'
import { withEnclosed } from '../billing/receipt-signed.ts'
import { MeshError } from '../errors.ts'
import { utf8Bytes } from '../identity/hash.ts'
import { ed25519 } from '../identity/signature.ts'
import { unhex } from '../units.ts'
import { asOperator } from './operator.ts'
import { openSealedReader } from './sealed-reader.ts'
import type { UnlockOptions } from './unlock.ts'

type Enclosing = UnlockOptions & {
  readonly site: string
  readonly client: Client
  readonly sessionId: string
}

export async function enclosing(
  { client, sessionId, ...options }: Enclosing,
  signed: Uint8Array,
): Promise<Uint8Array> {
  const { values, tokenRef } = (await client.get(`/v1/sessions/${sessionId}/signed`)) as SignedReport
  if (values.length === 0) return signed
  return await asOperator({ ...options, via: [], json: true }, async operator => {
    const reader = await openSealedReader(operator)
    const found = new Map<string, { readonly sampledAt: string; readonly said: Uint8Array }>()
    for (const { sampledAt, sealed } of values) {
      const text = reader.open(sealed, tokenRef)
      if (text === undefined)
        throw new MeshError(
          'SIGNATURE_INVALID',
          reader.forgotten(tokenRef)
            ? 'what the meter signed cannot be read by anybody: the account was forgotten. Leave --site out for a receipt without it'
            : 'a signed value does not open with the keys in --site: it was sealed to another operator',
        )
      // The charger may have told two nodes the same.
      found.set(`${sampledAt} ${text}`, { sampledAt, said: utf8Bytes(text) })
    }
    if (found.size > MOST_VALUES)
      throw new MeshError(
        'CONFIG_INVALID',
        `this session has ${found.size} signed values, and a receipt holds ${MOST_VALUES}: \`session signed --out\` writes all of them`,
      )
    const { certificate, identity } = operator
    const encloser = { signatures: ed25519(), certificate, logKey: unhex(identity.keys.logKey) }
    return withEnclosed(encloser, signed, { enclosedAt: Date.now(), values: [...found.values()] })
  })
}
