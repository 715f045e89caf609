// Reads a file of OCPI tariffs: one Tariff object, a list of them, or the answer of a tariffs endpoint. The shape is checked
// here, what it says in tariff/ocpi.ts; whatever is wrong is named with tariff, element, field, value and what would be right.
import { z } from 'zod'
import { MeshError, reasonOf } from '../errors.ts'
import { readText } from '../host/identity-files.ts'
import type { Fault, OcpiTariff } from '../tariff/ocpi-object.ts'
import { RESTRICTION_AMOUNTS, RESTRICTION_TEXTS } from '../tariff/ocpi-object.ts'
import { DIMENSIONS, TARIFF_TYPES, TAX_INCLUDED } from '../tariff/terms.ts'

const MAX_FILE_BYTES = 1024 * 1024
const MAX_TARIFFS = 100
/** No field of ours lies deeper; more would only be an attack on the stack. */
const MAX_DEPTH = 12
const MAX_SHOWN = 40

const amount = z.union([z.number(), z.string().max(32)])
const LIMIT = z
  .strictObject({
    excl_vat: amount.optional(),
    incl_vat: amount.optional(),
    before_taxes: amount.optional(),
    after_taxes: amount.optional(),
  })
  .refine(
    limit => [limit.excl_vat, limit.before_taxes].filter(one => one !== undefined).length === 1,
    'excl_vat (2.2.1) or before_taxes (2.3.0)',
  )
const COMPONENT = z.strictObject({
  type: z.enum(DIMENSIONS),
  price: amount,
  vat: amount.optional(),
  step_size: z.number(),
})
const RESTRICTIONS = z.strictObject({
  ...fieldsOf(RESTRICTION_TEXTS, z.string().max(32)),
  ...fieldsOf(RESTRICTION_AMOUNTS, amount),
  min_duration: z.number().optional(),
  max_duration: z.number().optional(),
  day_of_week: z.array(z.string().max(16)).max(16).optional(),
})
const TARIFF = z.looseObject({
  country_code: z.string().max(8),
  party_id: z.string().max(8),
  id: z.string().max(64),
  currency: z.string().max(8),
  type: z.enum(TARIFF_TYPES).optional(),
  min_price: LIMIT.optional(),
  max_price: LIMIT.optional(),
  elements: z
    .array(
      z.strictObject({ price_components: z.array(COMPONENT).max(64), restrictions: RESTRICTIONS.optional() }),
    )
    .max(1000),
  tax_included: z.enum(TAX_INCLUDED).optional(),
  start_date_time: z.string().max(64).optional(),
  end_date_time: z.string().max(64).optional(),
})

function fieldsOf<const N extends string, S extends z.ZodType>(
  names: readonly N[],
  schema: S,
): { readonly [K in N]: z.ZodOptional<S> } {
  return Object.fromEntries(names.map(name => [name, schema.optional()])) as {
    readonly [K in N]: z.ZodOptional<S>
  }
}

/** Refuses with CONFIG_INVALID, every fault of shape on a line. */
export async function readTariffFile(file: string): Promise<readonly OcpiTariff[]> {
  const text = await readText(file, 'a file of OCPI tariffs')
  if (text.length > MAX_FILE_BYTES)
    throw new MeshError(
      'CONFIG_INVALID',
      `${file}: ${text.length} characters; wanted at most ${MAX_FILE_BYTES}`,
    )
  return tariffsIn(file, text)
}

export function tariffsIn(file: string, text: string): readonly OcpiTariff[] {
  let value: unknown
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `${file}: not JSON: ${reasonOf(error)}`, error)
  }
  const list = listIn(file, withoutNulls(file, value, 0))
  if (list.length === 0 || list.length > MAX_TARIFFS)
    throw new MeshError('CONFIG_INVALID', `${file}: ${list.length} tariffs in it; wanted 1 to ${MAX_TARIFFS}`)
  const faults: string[] = []
  const tariffs = list.flatMap((one, i): readonly OcpiTariff[] => {
    const read = TARIFF.safeParse(one)
    if (read.success) return [read.data]
    const name = nameOf(one, i)
    faults.push(...read.error.issues.map(issue => `${file}: ${faultText(name, faultOf(issue, one))}`))
    return []
  })
  refuse(faults)
  return tariffs
}

/** What everybody reads who is told of a fault. */
export function faultText(id: string, fault: Fault): string {
  return `${placeText(id, fault)}: wanted ${fault.wanted}`
}

export function warningText(id: string, warning: Fault): string {
  return `${placeText(id, warning)}: ${warning.wanted}`
}

function placeText(id: string, { element, field, value }: Fault): string {
  const where = element === undefined ? '' : `, element ${element}`
  return `tariff ${id}${where}, ${field} = ${show(value)}`
}

export function refuse(faults: readonly string[]): void {
  if (faults.length === 0) return
  const more = faults.length > MAX_SHOWN ? [`and ${faults.length - MAX_SHOWN} more`] : []
  throw new MeshError('CONFIG_INVALID', [...faults.slice(0, MAX_SHOWN), ...more].join('\n'))
}

function listIn(file: string, value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  if (typeof value !== 'object' || value === null)
    throw new MeshError(
      'CONFIG_INVALID',
      `${file}: wanted an OCPI tariff, a list of them, or an answer with data`,
    )
  if ('elements' in value || !('data' in value || 'status_code' in value)) return [value]
  const { data, status_code: status } = value as { data?: unknown; status_code?: unknown }
  if (data === undefined || (typeof status === 'number' && (status < 1000 || status > 1999)))
    throw new MeshError(
      'CONFIG_INVALID',
      `${file}: an OCPI answer that failed (status ${show(status)}), with no tariffs`,
    )
  return Array.isArray(data) ? data : [data]
}

/** OCPI: a field may be null where it is not there. */
function withoutNulls(file: string, value: unknown, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new MeshError('CONFIG_INVALID', `${file}: nested deeper than any tariff`)
  if (Array.isArray(value)) return value.map(one => withoutNulls(file, one, depth + 1))
  if (typeof value !== 'object' || value === null) return value
  const held = Object.entries(value).filter(([, one]) => one !== null)
  return Object.fromEntries(held.map(([name, one]) => [name, withoutNulls(file, one, depth + 1)]))
}

function nameOf(one: unknown, i: number): string {
  const id = typeof one === 'object' && one !== null && 'id' in one ? one.id : undefined
  return typeof id === 'string' || typeof id === 'number' ? String(id).slice(0, 64) : `number ${i + 1}`
}

function faultOf(issue: z.core.$ZodIssue, tariff: unknown): Fault {
  const path = issue.path.map(String)
  const [first, index, ...rest] = path
  const isElement = first === 'elements' && index !== undefined
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  const field = [...(isElement ? rest : path), ...unknown].join('.') || (isElement ? 'element' : 'tariff')
  return {
    ...(isElement && { element: Number(index) + 1 }),
    field,
    value: [...path, ...unknown].reduce<unknown>(stepInto, tariff),
    wanted:
      unknown.length > 0
        ? 'no such field: OCPI 2.2.1 and 2.3.0 have none of that name'
        : issue.message.replace(/^Invalid (input|option): expected (.*?)(, received .*)?$/, '$2'),
  }
}

function stepInto(value: unknown, step: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing'
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
