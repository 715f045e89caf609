// OCPI's CDR as its own tables say (mod_cdrs, mod_tariffs, types of 2.2.1 and 2.3.0), and a reader that holds JSON against
// them: types, lengths, enums, how often. Made apart from the exporter, from the standard alone.
import type { OcpiVersion } from '../../src/tariff/ocpi-out.ts'

type Table = Readonly<Record<string, string>>

const OPEN_ENUM = /^[\w]{1,255}$/
const ENUMS: Readonly<Record<string, RegExp>> = {
  AuthMethod: /^(AUTH_REQUEST|COMMAND|WHITELIST)$/,
  CdrDimensionType:
    /^(CURRENT|ENERGY|ENERGY_EXPORT|ENERGY_IMPORT|MAX_CURRENT|MIN_CURRENT|MAX_POWER|MIN_POWER|PARKING_TIME|POWER|RESERVATION_TIME|STATE_OF_CHARGE|TIME)$/,
  ConnectorFormat: /^(SOCKET|CABLE)$/,
  PowerType: /^(AC_1_PHASE|AC_2_PHASE|AC_2_PHASE_SPLIT|AC_3_PHASE|DC)$/,
  TariffType: /^(AD_HOC_PAYMENT|PROFILE_CHEAP|PROFILE_FAST|PROFILE_GREEN|REGULAR)$/,
  TariffDimensionType: /^(ENERGY|FLAT|PARKING_TIME|TIME)$/,
  TaxIncluded: /^(YES|NO|N\/A)$/,
  DayOfWeek: /^(MONDAY|TUESDAY|WEDNESDAY|THURSDAY|FRIDAY|SATURDAY|SUNDAY)$/,
}
const CONNECTOR_TYPES =
  /^(CHADEMO|CHAOJI|DOMESTIC_[A-O]|GBT_AC|GBT_DC|IEC_60309_2_single_16|IEC_60309_2_three_(16|32|64)|IEC_62196_T1|IEC_62196_T1_COMBO|IEC_62196_T2|IEC_62196_T2_COMBO|IEC_62196_T3A|IEC_62196_T3C|NEMA_5_20|NEMA_6_30|NEMA_6_50|NEMA_10_30|NEMA_10_50|NEMA_14_30|NEMA_14_50|PANTOGRAPH_BOTTOM_UP|PANTOGRAPH_TOP_DOWN|TESLA_R|TESLA_S)$/
const OF_VERSION: Readonly<Record<OcpiVersion, Readonly<Record<string, RegExp>>>> = {
  '2.2.1': { ConnectorType: CONNECTOR_TYPES, TokenType: /^(AD_HOC_USER|APP_USER|OTHER|RFID)$/ },
  '2.3.0': { ConnectorType: OPEN_ENUM, TokenType: /^(AD_HOC_USER|APP_USER|EMAID|OTHER|RFID)$/ },
}

/** `type card`: 1 once, ? at most once, + at least once, * as often as you like. */
const SHARED: Readonly<Record<string, Table>> = {
  Cdr: {
    ...{ country_code: 'CiString(2) 1', party_id: 'CiString(3) 1', id: 'CiString(39) 1' },
    ...{ start_date_time: 'DateTime 1', end_date_time: 'DateTime 1', session_id: 'CiString(36) ?' },
    ...{ cdr_token: 'CdrToken 1', auth_method: 'AuthMethod 1', authorization_reference: 'CiString(36) ?' },
    ...{
      cdr_location: 'CdrLocation 1',
      meter_id: 'string(255) ?',
      currency: 'string(3) 1',
      tariffs: 'Tariff *',
    },
    ...{ charging_periods: 'ChargingPeriod +', signed_data: 'SignedData ?', total_cost: 'Price 1' },
    ...{ total_fixed_cost: 'Price ?', total_energy: 'number 1', total_energy_cost: 'Price ?' },
    ...{ total_time: 'number 1', total_time_cost: 'Price ?', total_parking_time: 'number ?' },
    ...{ total_parking_cost: 'Price ?', total_reservation_cost: 'Price ?', remark: 'string(255) ?' },
    ...{ invoice_reference_id: 'CiString(39) ?', credit: 'boolean ?', credit_reference_id: 'CiString(39) ?' },
    ...{ home_charging_compensation: 'boolean ?', last_updated: 'DateTime 1' },
  },
  CdrToken: {
    ...{ country_code: 'CiString(2) 1', party_id: 'CiString(3) 1', uid: 'CiString(36) 1' },
    ...{ type: 'TokenType 1', contract_id: 'CiString(36) 1' },
  },
  CdrLocation: {
    ...{ id: 'CiString(36) 1', name: 'string(255) ?', address: 'string(45) 1', city: 'string(45) 1' },
    ...{ postal_code: 'string(10) ?', state: 'string(20) ?', country: 'string(3) 1' },
    ...{ coordinates: 'GeoLocation 1', evse_uid: 'CiString(36) 1', evse_id: 'CiString(48) 1' },
    ...{ connector_id: 'CiString(36) 1', connector_standard: 'ConnectorType 1' },
    ...{ connector_format: 'ConnectorFormat 1', connector_power_type: 'PowerType 1' },
  },
  GeoLocation: { latitude: 'Latitude 1', longitude: 'Longitude 1' },
  ChargingPeriod: {
    start_date_time: 'DateTime 1',
    dimensions: 'CdrDimension +',
    tariff_id: 'CiString(36) ?',
  },
  CdrDimension: { type: 'CdrDimensionType 1', volume: 'number 1' },
  SignedData: {
    ...{ encoding_method: 'CiString(36) 1', encoding_method_version: 'int ?', public_key: 'string(512) ?' },
    ...{ signed_values: 'SignedValue +', url: 'string(512) ?' },
  },
  SignedValue: { nature: 'CiString(32) 1', plain_data: 'string(5000) 1', signed_data: 'string(5000) 1' },
  TariffElement: { price_components: 'PriceComponent +', restrictions: 'TariffRestrictions ?' },
  PriceComponent: { type: 'TariffDimensionType 1', price: 'number 1', vat: 'number ?', step_size: 'int 1' },
  TariffRestrictions: {
    ...{
      start_time: 'string(5) ?',
      end_time: 'string(5) ?',
      start_date: 'string(10) ?',
      end_date: 'string(10) ?',
    },
    ...{ min_kwh: 'number ?', max_kwh: 'number ?', min_current: 'number ?', max_current: 'number ?' },
    ...{ min_power: 'number ?', max_power: 'number ?', min_duration: 'int ?', max_duration: 'int ?' },
    ...{ day_of_week: 'DayOfWeek *' },
  },
  DisplayText: { language: 'string(2) 1', text: 'string(512) 1' },
}
const TARIFF: Table = {
  ...{
    country_code: 'CiString(2) 1',
    party_id: 'CiString(3) 1',
    id: 'CiString(36) 1',
    currency: 'string(3) 1',
  },
  ...{ type: 'TariffType ?', tariff_alt_text: 'DisplayText *', tariff_alt_url: 'string(255) ?' },
  ...{ elements: 'TariffElement +', start_date_time: 'DateTime ?', end_date_time: 'DateTime ?' },
  last_updated: 'DateTime 1',
}
const TABLES: Readonly<Record<OcpiVersion, Readonly<Record<string, Table>>>> = {
  '2.2.1': {
    ...SHARED,
    Price: { excl_vat: 'number 1', incl_vat: 'number ?' },
    Tariff: { ...TARIFF, min_price: 'Price ?', max_price: 'Price ?' },
  },
  '2.3.0': {
    ...SHARED,
    Price: { before_taxes: 'number 1', taxes: 'TaxAmount *' },
    TaxAmount: { name: 'string 1', account_number: 'string ?', percentage: 'number ?', amount: 'number 1' },
    Tariff: {
      ...TARIFF,
      min_price: 'PriceLimit ?',
      max_price: 'PriceLimit ?',
      tax_included: 'TaxIncluded 1',
    },
    PriceLimit: { before_taxes: 'number 1', after_taxes: 'number ?' },
  },
}

/** What the standard's text says beside its tables. */
function rulesOf(cdr: Readonly<Record<string, unknown>>): readonly string[] {
  const { id, credit, credit_reference_id, start_date_time, end_date_time } = cdr
  return [
    ...(credit !== true && String(id).length > 36 ? ['id: more than 36 characters, and no credit'] : []),
    ...((credit === true) !== (credit_reference_id !== undefined)
      ? ['credit without credit_reference_id']
      : []),
    ...(id === credit_reference_id ? ['credit_reference_id: itself'] : []),
    ...(String(start_date_time) > String(end_date_time) ? ['ends before it starts'] : []),
  ]
}

/** What is wrong with a CDR by the standard; nothing: it is valid. */
export function cdrFaults(version: OcpiVersion, cdr: unknown): readonly string[] {
  const faults = objectFaults(version, 'Cdr', cdr, 'cdr')
  return typeof cdr === 'object' && cdr !== null ? [...faults, ...rulesOf({ ...cdr })] : faults
}

function objectFaults(version: OcpiVersion, name: string, value: unknown, path: string): readonly string[] {
  const table = TABLES[version][name]
  if (!table) throw new Error(`no table of ${name}`)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${path}: no object`]
  const held = value as Readonly<Record<string, unknown>>
  const strange = Object.keys(held).filter(field => !(field in table))
  return [
    ...strange.map(field => `${path}.${field}: OCPI ${version} knows no such field`),
    ...Object.entries(table).flatMap(([field, rule]) => {
      const [type = '', card] = rule.split(' ')
      const at = `${path}.${field}`
      const here = held[field]
      if (here === undefined) return card === '1' || card === '+' ? [`${at}: missing`] : []
      if (card === '1' || card === '?') return valueFaults(version, type, here, at)
      if (!Array.isArray(here)) return [`${at}: no list`]
      if (card === '+' && here.length === 0) return [`${at}: empty`]
      return here.flatMap((one, i) => valueFaults(version, type, one, `${at}[${i}]`))
    }),
  ]
}

function valueFaults(version: OcpiVersion, type: string, value: unknown, path: string): readonly string[] {
  if (type in TABLES[version]) return objectFaults(version, type, value, path)
  const fault = (isRight: boolean): readonly string[] =>
    isRight ? [] : [`${path}: ${JSON.stringify(value)} is no ${type}`]
  if (type === 'number') return fault(typeof value === 'number' && Number.isFinite(value))
  if (type === 'int') return fault(Number.isSafeInteger(value))
  if (type === 'boolean') return fault(typeof value === 'boolean')
  if (typeof value !== 'string') return fault(false)
  const [, text, longest] = /^(CiString|string)(?:\((\d+)\))?$/.exec(type) ?? []
  if (text !== undefined)
    return fault(
      (longest === undefined || [...value].length <= Number(longest)) &&
        value.length > 0 &&
        (text === 'string' ? /^[^\p{Cc}]*$/u : /^[ -~]*$/).test(value),
    )
  if (type === 'DateTime') return fault(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z?$/.test(value))
  if (type === 'Latitude') return fault(/^-?\d{1,2}\.\d{5,7}$/.test(value) && value.length <= 10)
  if (type === 'Longitude') return fault(/^-?\d{1,3}\.\d{5,7}$/.test(value) && value.length <= 11)
  const words = ENUMS[type] ?? OF_VERSION[version][type]
  if (!words) throw new Error(`no type ${type}`)
  return fault(words.test(value))
}
