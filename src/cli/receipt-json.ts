// A receipt for programs: the signed words, times as ISO 8601, bytes as hex. Names only grow.

import { isoOf } from '../api/report.ts'
import { numberOf, type Receipt } from '../billing/receipt.ts'
import type { ParsedReceipt } from '../billing/receipt-signed.ts'
import { certificateName } from '../identity/certificate.ts'
import { hex } from '../units.ts'

export function jsonOf(receipt: Receipt): Readonly<Record<string, unknown>> {
  const {
    version: _,
    evidence: __,
    issuedAt,
    startedAt,
    stoppedAt,
    signedValues,
    isConfirmed,
    ...rest
  } = receipt
  const moment = ({ at, by, quality }: Receipt['startedAt']) => ({ at: isoOf(at), by, quality })
  return {
    number: numberOf(receipt),
    ...rest,
    issuedAt: isoOf(issuedAt),
    confirmed: isConfirmed,
    startedAt: moment(startedAt),
    ...(stoppedAt && { stoppedAt: moment(stoppedAt) }),
    ...(signedValues && { signedValues: { count: signedValues.count, hash: hex(signedValues.hash) } }),
  }
}

/** The name in the signer's own certificate, with nothing proven; its id where the receipt brings none. */
export function signedByIn({ receipt, certificates }: ParsedReceipt): string {
  const own = certificates.at(-1)
  return (own && certificateName(own)) ?? `node ${receipt.signer.slice(0, 8)}`
}
