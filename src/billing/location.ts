// Where a bill's energy was taken, as OCPI wants it (CdrLocation): what only the operator knows, and nothing made up.

import type { OcpiVersion } from '../tariff/ocpi-out.ts'

export type Locations = {
  readonly country_code?: string
  readonly party_id?: string
  readonly id?: string
  readonly name?: string
  readonly address?: string
  readonly city?: string
  readonly postal_code?: string
  readonly state?: string
  readonly country?: string
  readonly latitude?: string
  readonly longitude?: string
  /** What taxes are called on bills (OCPI 2.3.0). */
  readonly tax_name?: string
  readonly evses: readonly Evse[]
}

export type Evse = {
  readonly charger: string
  /** As the charger counts them. */
  readonly connector: number
  readonly evse_uid?: string
  readonly evse_id?: string
  readonly connector_id?: string
  readonly connector_standard?: string
  readonly connector_format?: string
  readonly connector_power_type?: string
}

export type CdrLocation = Readonly<Record<string, unknown>>

export type Place = {
  readonly country_code: string
  readonly party_id: string
  readonly tax_name: string
  readonly cdr_location: CdrLocation
}

const OF_SITE = [
  'country_code',
  'party_id',
  'id',
  'address',
  'city',
  'country',
  'latitude',
  'longitude',
] as const
const OF_EVSE = ['evse_id', 'connector_standard', 'connector_format', 'connector_power_type'] as const
const MAX_UID = 36
/** Words of 2.3.0; in 2.2.1 the list of connectors is closed. */
const NEWER_CONNECTORS = ['MCS', 'SAE_J3400']

/** The place, or all that is missing for it, each by charger and field. */
export function placeOf(
  locations: Locations,
  {
    chargerId: charger,
    connectorId: connector,
  }: { readonly chargerId: string; readonly connectorId: number },
  version: OcpiVersion,
): { readonly place: Place } | { readonly missing: readonly string[] } {
  const evse = locations.evses.find(one => one.charger === charger && one.connector === connector)
  const uid = evse?.evse_uid ?? `${charger}-${connector}`
  const missing = [
    ...OF_SITE.filter(field => !locations[field]),
    ...OF_EVSE.filter(field => !evse?.[field]).map(
      field => `charger ${charger}, connector ${connector}: ${field}`,
    ),
    ...(version === '2.2.1' && NEWER_CONNECTORS.includes(evse?.connector_standard ?? '')
      ? [`charger ${charger}, connector ${connector}: connector_standard that OCPI 2.2.1 knows`]
      : []),
    ...(uid.length > MAX_UID ? [`charger ${charger}, connector ${connector}: evse_uid`] : []),
  ]
  if (missing.length > 0 || !evse) return { missing }
  const { id, name, address, city, postal_code, state, country, latitude, longitude } = locations
  const { country_code = '', party_id = '', tax_name = 'VAT' } = locations
  return {
    place: {
      ...{ country_code, party_id, tax_name },
      cdr_location: {
        ...{ id, ...(name && { name }), address, city, ...(postal_code && { postal_code }) },
        ...{ ...(state && { state }), country, coordinates: { latitude, longitude } },
        ...{ evse_uid: uid, evse_id: evse.evse_id, connector_id: evse.connector_id ?? String(connector) },
        connector_standard: evse.connector_standard,
        connector_format: evse.connector_format,
        connector_power_type: evse.connector_power_type,
      },
    },
  }
}
