// What meters signed, as OCPI's SignedData: opened with the operator's keys, and given on byte for byte.
import type { Settled } from '../billing/settled.ts'
import type { CloudSigned } from '../cloud/signed.ts'
import type { Operator } from '../host/operator.ts'
import type { OcmfReading } from '../ocpp/ocmf.ts'
import { type Examined, examine } from '../ocpp/signed.ts'
import { cloudReader } from './receiver.ts'
import { openSealedReader } from './sealed-reader.ts'

export type SignedData = Readonly<Record<string, unknown>>
export type SignedSource = {
  readonly of: (settled: Settled) => Promise<SignedData | undefined>
  /** Values that did not open, or are longer than OCPI lets them be. */
  readonly left: () => number
}

/** OCPI: string(5000), also of the base64 form. */
const MAX_BLOB = 5000
const BEGIN: readonly OcmfReading['reason'][] = ['B']
const END: readonly OcmfReading['reason'][] = ['E', 'L', 'R', 'A', 'P']

/** The operator's keys stay in memory for as long as the export runs. */
export async function openSigned(cloud: string, operator: Operator): Promise<SignedSource> {
  const read = await cloudReader(cloud)
  const reader = await openSealedReader(operator)
  let left = 0
  // A session comes again with each of its revisions, one behind the other as a rule.
  let last: { readonly sessionId: string; readonly data: SignedData | undefined } | undefined
  return {
    of: async ({ sessionId, card }) => {
      if (last?.sessionId === sessionId) return last.data
      const { values } = (await read(`/v1/sessions/${sessionId}/signed`)) as CloudSigned
      const opened = values.flatMap(({ sealed }) => reader.open(sealed, card.tokenRef) ?? [])
      const examined = [...new Set(opened)].map(text => examine(text, []))
      const [first] = examined
      const usable = examined.filter(one => one.format === first?.format && isShort(one.content))
      left += values.length - opened.length + examined.length - usable.length
      const data = first && usable.length > 0 ? dataOf(first.format, usable) : undefined
      last = { sessionId, data }
      return data
    },
    left: () => left,
  }
}

function isShort(content: string): boolean {
  return content.length > 0 && base64Of(content).length <= MAX_BLOB && !/\p{Cc}/u.test(content)
}

function dataOf(format: string, values: readonly Examined[]): SignedData {
  return {
    encoding_method: format.replace(/[^ -~]/g, '').slice(0, 36) || 'unknown',
    signed_values: values.map(one => ({
      nature: natureOf(one),
      plain_data: one.content,
      signed_data: base64Of(one.content),
    })),
  }
}

function natureOf({ ocmf }: Examined): string {
  const reasons = (ocmf?.readings ?? []).map(({ reason }) => reason)
  if (reasons.some(reason => END.includes(reason))) return 'End'
  return reasons.some(reason => BEGIN.includes(reason)) ? 'Start' : 'Intermediate'
}

function base64Of(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}
