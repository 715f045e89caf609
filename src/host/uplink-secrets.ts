// Passwords of uplinks, as the node's folder keeps them: in a box under the store's keys where the node has such keys, so that
// a stolen disk gives away no more than the rest of it (identity/README.md).
import { utf8Bytes } from '../identity/hash.ts'
import { type Sealer, type StoreKeys, sealerOf } from '../store/sealing.ts'

const PURPOSE = 'uplinks'
/** Fields of settings that open doors elsewhere. */
const SECRET_FIELDS = ['passwords', 'defaultPassword', 'password']

type Setting = Readonly<Record<string, unknown>>

export type UplinkSecrets = {
  /** As it is written. */
  readonly seal: (setting: Setting) => Setting
  /** As it was; without the key to its box, without what is in it. */
  readonly open: (written: unknown) => unknown
}

export function uplinkSecrets(keys: StoreKeys): UplinkSecrets {
  const sealer = sealerOf(keys, PURPOSE)
  return {
    seal: setting => (sealer ? sealed(setting, sealer) : setting),
    open: written => opened(written, sealer),
  }
}

function sealed(setting: Setting, sealer: Sealer): Setting {
  const isSecret = ([name]: readonly [string, unknown]): boolean => SECRET_FIELDS.includes(name)
  const entries = Object.entries(setting)
  const secrets = entries.filter(isSecret)
  if (secrets.length === 0) return setting
  const box = sealer.seal(utf8Bytes(JSON.stringify(Object.fromEntries(secrets))))
  return {
    ...Object.fromEntries(entries.filter(entry => !isSecret(entry))),
    sealed: { keyId: sealer.keyId, box: Buffer.from(box).toString('base64') },
  }
}

function opened(written: unknown, sealer: Sealer | undefined): unknown {
  if (typeof written !== 'object' || written === null || !('sealed' in written)) return written
  const { sealed: box, ...rest } = written as { readonly sealed: unknown }
  if (!sealer) return rest
  const { keyId, box: text } = box as { readonly keyId?: unknown; readonly box?: unknown }
  if (typeof keyId !== 'number' || typeof text !== 'string') return written
  const plain = sealer.open(keyId, new Uint8Array(Buffer.from(text, 'base64')))
  // Left as it is, the box is a field that no setting has: the file is kept aside, and the reason said.
  if (typeof plain === 'string') return written
  return { ...rest, ...(JSON.parse(Buffer.from(plain).toString('utf8')) as Setting) }
}
