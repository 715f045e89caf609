// Whole numbers on the command line.
import { MeshError } from '../errors.ts'

export function wholeNumber(
  option: string,
  text: string,
  range?: { readonly least: number; readonly most: number },
): number {
  const value = Number(text)
  const fits = range === undefined || (value >= range.least && value <= range.most)
  if (/^\d{1,10}$/.test(text) && fits) return value
  const from = range ? ` from ${range.least} to ${range.most}` : ''
  throw new MeshError('CONFIG_INVALID', `${option} ${text}: wanted a whole number${from}`)
}
