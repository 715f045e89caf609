// What the meter itself signed, as it is enclosed in a receipt: each value by its own signature, and all together against
// the registers of the receipt.
import type { KeyObject } from 'node:crypto'
import type { Receipt } from '../billing/receipt.ts'
import type { Enclosed } from '../billing/receipt-enclosed.ts'
import { compare, examine } from '../ocpp/signed.ts'

export type MeterJudgement = {
  /** Why the receipt cannot be believed with these values in it. */
  readonly fault: string | undefined
  readonly json: Readonly<Record<string, unknown>>
  readonly text: string
}

export function judgeMeter(
  { meterStartWh, meterStopWh }: Receipt,
  { values }: Enclosed,
  keys: readonly KeyObject[],
): MeterJudgement {
  const examined = values.map(({ sampledAt, said }) => ({
    sampledAt,
    ...examine(Buffer.from(said).toString('utf8'), keys),
  }))
  const wrong = examined.filter(({ verdict }) => verdict === 'not-valid').length
  const proven = examined.filter(({ verdict }) => verdict === 'valid').length
  const records = examined.flatMap(({ ocmf, verdict }) => (ocmf && verdict !== 'not-valid' ? [ocmf] : []))
  const { verdict: registers } =
    meterStopWh === undefined
      ? { verdict: 'unknown' as const }
      : compare(records, { beginWh: meterStartWh, endWh: meterStopWh })
  const fault =
    wrong > 0
      ? `${wrong} of the enclosed meter values are not what a meter signed`
      : registers === 'differ'
        ? 'what the meter signed is not what the receipt says'
        : undefined
  const whose = keys.length > 0 ? 'the given key' : 'the key that came along'
  return {
    fault,
    json: {
      registers,
      values: examined.map(({ sampledAt, verdict, format, keyFrom, reason, content }) => ({
        ...{ sampledAt, verdict, format, keyFrom, reason, content },
      })),
    },
    text: `Signed meter values: ${examined.length} enclosed by the operator, ${proven} valid by ${whose}; registers ${REGISTERS[registers]}.`,
  }
}

const REGISTERS = {
  agree: 'agree with the receipt',
  differ: 'DIFFER from the receipt',
  unknown: 'cannot be compared: begin and end were not both signed',
}
