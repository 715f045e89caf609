// Receipts for tests: of sessions at a test site's node, signed by it.
import { type Receipt, receiptFor } from '../../src/billing/receipt.ts'
import { type ReceiptReader, signReceipt } from '../../src/billing/receipt-signed.ts'
import type { Session } from '../../src/session/fold.ts'
import { type Campus, type ChargingNode, campus, MINUTE_MS } from '../serve/charging.ts'

export type Ended = { readonly made: Campus; readonly node: ChargingNode }

/** 2.5 kWh at `price` in half an hour: 0.63 EUR. Without a price: the node never heard of a tariff. */
export function ended({ seed = 'receipts', published = true, stop = true } = {}): Ended {
  const made = campus(seed)
  const node = made.node('pole-07')
  if (published) made.publish(node)
  const { transactionId } = node.start({ meterStartWh: 154_200 })
  node.clock.at += 30 * MINUTE_MS
  if (stop) node.stop({ transactionId, meterStopWh: 156_700 })
  return { made, node }
}

type Over = Partial<Parameters<typeof receiptFor>[1]>

export function receiptOf({ made, node }: Ended, over: Over = {}, session: Session = node.only()): Receipt {
  return receiptFor(session, {
    site: { siteId: made.site.siteId, name: 'North Stand' },
    signer: node.device.certificate.deviceId,
    issuedAt: node.clock.at,
    tariffAt: node.ledger.view().tariffs.at,
    corrections: node.ledger.view().corrections.of(session.sessionId),
    isConfirmed: false,
    visualNumber: 'DE-N-00004821',
    ...over,
  })
}

export function signed(of: Ended, receipt: Receipt = receiptOf(of)): Uint8Array {
  const { made, node } = of
  const certificates = node.ledger.chainOf(node.device.certificate)
  return signReceipt(
    { signatures: made.site.signatures, logKey: node.device.keys.logKey, certificates },
    receipt,
  )
}

export function readerOf({ made }: Ended): ReceiptReader {
  return { signatures: made.site.signatures, rootKey: made.site.rootKey }
}
