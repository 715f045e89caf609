// Bills as a JSON array of OCPI charge detail records, one a line. What is missing of the places where chargers stand is
// gathered to the end and told together: whoever fills in a file wants to know all of it.
import { type Cdr, cdrsOf } from '../billing/cdr.ts'
import { placeOf } from '../billing/location.ts'
import type { Settled, SettledTariff } from '../billing/settled.ts'
import { MeshError } from '../errors.ts'
import type { Operator } from '../host/operator.ts'
import { createKeyRing, tagKeysOf } from '../host/tokens.ts'
import { exportTariff, type OcpiVersion, type Party } from '../tariff/ocpi-out.ts'
import { decodeTerms } from '../tariff/terms.ts'
import type { TokenRef } from '../units.ts'
import type { ExportOptions, Format } from './bills-export.ts'
import { openSigned, type SignedSource } from './export-signed.ts'
import { readLocations } from './locations.ts'
import { asOperator } from './operator.ts'

const MAX_SHOWN = 30
const PRINTABLE = /^[ -~]+$/
type OpenCard = (card: Settled['card']) => string | undefined
type OcpiTariff = Readonly<Record<string, unknown>>

export async function openOcpi(options: ExportOptions, notes: string[]): Promise<Format> {
  const { locations: file, ocpiVersion: version } = options
  if (file === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      'OCPI wants to know where chargers stand: name a file with --locations; `chargemesh bills locations` begins one',
    )
  const locations = await readLocations(file)
  const { cardOf, signed } = await openSecrets(options)
  const missing = new Set<string>()
  const tariffs = new Map<string, OcpiTariff | undefined>()
  let closed = 0
  let isFirst = true
  const cdrsIn = async (settled: Settled): Promise<readonly Cdr[]> => {
    const found = placeOf(locations, settled.session, version)
    if ('missing' in found) {
      for (const one of found.missing) missing.add(one)
      return []
    }
    const tariff = tariffs.get(settled.tariff?.ref ?? '')
    const cardId = cardOf?.(settled.card)
    if (cardOf && cardId === undefined) closed += 1
    const signedData = await signed?.of(settled)
    return cdrsOf(settled, {
      ...{ version, place: found.place },
      ...(cardId !== undefined && { cardId }),
      ...(tariff && { tariff }),
      ...(signedData && { signedData }),
    })
  }
  const party = { countryCode: locations.country_code ?? '', partyId: locations.party_id ?? '' }
  const learn = (tariff: SettledTariff): void => {
    if (tariffs.has(tariff.ref)) return
    const made = tariffIn(tariff, version, party)
    if (typeof made === 'string')
      notes.push(`tariff ${JSON.stringify(tariff.id)} is left out of the CDRs: ${made}`)
    tariffs.set(tariff.ref, typeof made === 'string' ? undefined : made)
  }
  return {
    begin: '[',
    page: async page => {
      for (const tariff of page.tariffs) learn(tariff)
      let text = ''
      for (const settled of page.items)
        for (const cdr of await cdrsIn(settled)) {
          text += `${isFirst ? '\n' : ',\n'}${JSON.stringify(cdr)}`
          isFirst = false
        }
      return text
    },
    end: () => {
      if (missing.size > 0) throw new MeshError('CONFIG_INVALID', missingText(file, [...missing]))
      if (closed > 0)
        notes.push(`${closed} bills name their card by its reference: no grant holds its id for this key`)
      if (signed && signed.left() > 0)
        notes.push(
          `${signed.left()} signed values are left out: closed to this key, or longer than OCPI allows`,
        )
      return '\n]\n'
    },
  }
}

/** In the version's own shape, or why not. */
function tariffIn(tariff: SettledTariff, version: OcpiVersion, party: Party): OcpiTariff | string {
  const elements = tariff.elements === undefined ? undefined : Buffer.from(tariff.elements, 'base64')
  const terms = elements && decodeTerms(new Uint8Array(elements))
  const { id: tariffId, currency, pricePerKwh, effectiveAt } = tariff
  if (!PRINTABLE.test(tariffId)) return 'OCPI names tariffs in printable ASCII'
  const made = exportTariff(
    {
      ...{ tariffId, currency, pricePerKwh, effectiveAt },
      ...(elements && { elements }),
      ...(terms && { terms }),
    },
    version,
    party,
  )
  if (made.kind === 'refused') return made.why
  // Terms that came in from elsewhere bring theirs along.
  return { last_updated: new Date(tariff.publishedAt).toISOString(), ...made.tariff }
}

function missingText(file: string, missing: readonly string[]): string {
  const rest = missing.length - MAX_SHOWN
  return [
    `${file} lacks what OCPI wants to know; nothing was written:`,
    ...missing.slice(0, MAX_SHOWN).map(one => `  ${one}`),
    ...(rest > 0 ? [`  and ${rest} more`] : []),
  ].join('\n')
}

type Secrets = { readonly cardOf?: OpenCard; readonly signed?: SignedSource }

/** What only the operator's keys open, where it was asked for. */
async function openSecrets(options: ExportOptions): Promise<Secrets> {
  const { site, cloud, withCardIds, withSignedData } = options
  if (!withCardIds && !withSignedData) return {}
  if (site === undefined)
    throw new MeshError(
      'CONFIG_INVALID',
      `${withCardIds ? '--with-card-ids' : '--with-signed-data'} needs --site <dir>: only the operator's keys open them`,
    )
  return await asOperator(
    { ...options, site, via: [], json: true, mayBeWithdrawn: true },
    async operator => ({
      ...(withCardIds && { cardOf: cardsWith(operator) }),
      ...(withSignedData && { signed: await openSigned(cloud, operator) }),
    }),
  )
}

function cardsWith({ identity, certificate, ledger }: Operator): OpenCard {
  const keys = tagKeysOf(createKeyRing(identity, certificate.deviceId, ledger.view))
  return ({ tokenRef, tagSealed }) => {
    if (tagSealed === undefined) return undefined
    const opened = keys.open(tokenRef as TokenRef, new Uint8Array(Buffer.from(tagSealed, 'base64')))
    return opened !== undefined && /^[ -~]{1,36}$/.test(opened) ? opened : undefined
  }
}
