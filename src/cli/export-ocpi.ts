// Bills as a JSON array of OCPI charge detail records, one a line. What is missing of the places where chargers stand is
// gathered to the end and told together: whoever fills in a file wants to know all of it.
import { type Cdr, cdrsOf } from '../billing/cdr.ts'
import { placeOf } from '../billing/location.ts'
import type { Settled } from '../billing/settled.ts'
import { MeshError } from '../errors.ts'
import { createKeyRing, tagKeysOf } from '../host/tokens.ts'
import type { TokenRef } from '../units.ts'
import type { ExportOptions, Format } from './bills-export.ts'
import { readLocations } from './locations.ts'
import { asOperator } from './operator.ts'

const MAX_SHOWN = 30
type OpenCard = (card: Settled['card']) => string | undefined

export async function openOcpi(options: ExportOptions, notes: string[]): Promise<Format> {
  const { locations: file, ocpiVersion: version } = options
  if (file === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      'OCPI wants to know where chargers stand: name a file with --locations; `chargemesh bills locations` begins one',
    )
  const locations = await readLocations(file)
  const cardOf = await openCards(options)
  const missing = new Set<string>()
  let closed = 0
  let isFirst = true
  const cdrsIn = (settled: Settled): readonly Cdr[] => {
    const found = placeOf(locations, settled.session.chargerId, settled.session.connectorId)
    if ('missing' in found) {
      for (const one of found.missing) missing.add(one)
      return []
    }
    const cardId = cardOf?.(settled.card)
    if (cardOf && cardId === undefined) closed += 1
    return cdrsOf(settled, { version, place: found.place, ...(cardId !== undefined && { cardId }) })
  }
  return {
    begin: '[',
    page: ({ items }) =>
      items
        .flatMap(cdrsIn)
        .map(cdr => {
          const before = isFirst ? '\n' : ',\n'
          isFirst = false
          return `${before}${JSON.stringify(cdr)}`
        })
        .join(''),
    end: () => {
      if (missing.size > 0) throw new MeshError('CONFIG_INVALID', missingText(file, [...missing]))
      if (closed > 0)
        notes.push(`${closed} bills name their card by its reference: no grant holds its id for this key`)
      return '\n]\n'
    },
  }
}

function missingText(file: string, missing: readonly string[]): string {
  const rest = missing.length - MAX_SHOWN
  return [
    `${file} lacks what OCPI wants to know; nothing was written:`,
    ...missing.slice(0, MAX_SHOWN).map(one => `  ${one}`),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
  ].join('\n')
}

/** With the site's keys, where cards' own ids are asked for. */
async function openCards(options: ExportOptions): Promise<OpenCard | undefined> {
  const { site, withCardIds } = options
  if (!withCardIds) return undefined
  if (site === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      "--with-card-ids needs --site <dir>: only the site's key opens them",
    )
  return await asOperator({ ...options, site, via: [], json: true, mayBeWithdrawn: true }, async operator => {
    const { identity, certificate, ledger } = operator
    const ring = createKeyRing(identity, certificate.deviceId, ledger.view)
    // Read while the folder is open.
    ring.keys()
    const keys = tagKeysOf(ring)
    return ({ tokenRef, tagSealed }) => {
      if (tagSealed === undefined) return undefined
      const opened = keys.open(tokenRef as TokenRef, new Uint8Array(Buffer.from(tagSealed, 'base64')))
      return opened !== undefined && /^[ -~]{1,36}$/.test(opened) ? opened : undefined
    }
  })
}
