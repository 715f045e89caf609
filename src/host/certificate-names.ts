// Host names and addresses in certificates.
import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { MeshError } from '../errors.ts'

const MAX_NAMES = 16
/** Together; a certificate stands in one entry of the operator's log. */
const MAX_CHARACTERS = 400

/** At most MAX_NAMES host names and addresses, each once and as a certificate can carry it. */
export function checkedNames(given: readonly string[]): readonly string[] {
  const names = [...new Set(given)]
  const odd = names.find(
    name => isIP(name) === 0 && !/^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(name),
  )
  if (odd !== undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      `${JSON.stringify(odd)} is neither a host name nor an address: wanted such as ocpp.stadium.local,10.0.0.5`,
    )
  if (names.length === 0 || names.length > MAX_NAMES)
    throw new MeshError('CONFIG_INVALID', `${names.length} names: a certificate has 1 to ${MAX_NAMES}`)
  const characters = names.reduce((sum, name) => sum + name.length, 0)
  if (characters > MAX_CHARACTERS)
    throw new MeshError(
      'CONFIG_INVALID',
      `names of ${characters} characters: a certificate has room for ${MAX_CHARACTERS}`,
    )
  return names
}

/** `DNS:ocpp.local, IP Address:10.0.0.5` as names. */
export function namesIn({ subjectAltName = '' }: X509Certificate): readonly string[] {
  return subjectAltName.split(', ').map(one => one.replace(/^(DNS|IP Address):/, ''))
}
