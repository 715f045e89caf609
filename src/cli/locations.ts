// The file that says where a site's chargers stand, as OCPI wants it: every field may be missing here, and what a bill needs
// is asked for when a bill needs it.
import { z } from 'zod'
import type { Locations } from '../billing/location.ts'
import { checkYaml } from '../config.ts'
import { readText } from '../host/identity-files.ts'

export const CONNECTOR_FORMATS = ['SOCKET', 'CABLE'] as const
export const POWER_TYPES = ['AC_1_PHASE', 'AC_2_PHASE', 'AC_2_PHASE_SPLIT', 'AC_3_PHASE', 'DC'] as const

/** An empty text is a field that waits to be filled in. */
const optional = <S extends z.ZodType>(schema: S) =>
  z.union([z.literal('').transform(() => undefined), schema]).optional()
const text = (longest: number) =>
  z
    .string()
    .max(longest)
    .regex(/^[^\p{Cc}]*$/u, 'without control characters')
const ascii = (longest: number) =>
  z
    .string()
    .max(longest)
    .regex(/^[ -~]*$/, 'printable ASCII')
/** Numbers that YAML would read as such are texts here: 51.10 is no 51.1. */
const degrees = (digits: number) =>
  z
    .string()
    .regex(
      new RegExp(`^-?\\d{1,${digits}}\\.\\d{5,7}$`),
      'in quotes, with 5 to 7 decimals, such as "51.047599"',
    )

const EVSE = z.strictObject({
  charger: z.string().min(1).max(48),
  connector: z.int().min(0).max(1000),
  evse_uid: optional(ascii(36)),
  evse_id: optional(ascii(48)),
  connector_id: optional(ascii(36)),
  connector_standard: optional(
    z
      .string()
      .max(36)
      .regex(/^[A-Za-z0-9_]+$/, 'an OCPI ConnectorType such as IEC_62196_T2'),
  ),
  connector_format: optional(z.enum(CONNECTOR_FORMATS)),
  connector_power_type: optional(z.enum(POWER_TYPES)),
})

const LOCATIONS = z.strictObject({
  country_code: optional(z.string().regex(/^[A-Za-z]{2}$/, 'ISO 3166-1 alpha-2, such as BE')),
  party_id: optional(z.string().regex(/^[A-Za-z0-9]{3}$/, 'three letters or digits')),
  id: optional(ascii(36)),
  name: optional(text(255)),
  address: optional(text(45)),
  city: optional(text(45)),
  postal_code: optional(text(10)),
  state: optional(text(20)),
  country: optional(z.string().regex(/^[A-Za-z]{3}$/, 'ISO 3166-1 alpha-3, such as BEL')),
  latitude: optional(degrees(2)),
  longitude: optional(degrees(3)),
  tax_name: optional(text(50)),
  evses: z.array(EVSE).max(10_000),
})

export async function readLocations(file: string): Promise<Locations> {
  const held = await readText(file, '`chargemesh bills locations` writes one to begin with')
  // What is undefined and what is not there are the same to whoever reads it.
  return checkYaml(file, LOCATIONS, held) as Locations
}
