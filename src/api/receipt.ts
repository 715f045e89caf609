// The receipt of a session, signed by this node: for its operator's tools, and for drivers in another place
// (driver-receipt.ts). Written anew at each question from what is known now; nothing of it is kept.
import type { FastifyInstance } from 'fastify'
import { type ReceiptKnown, receiptFor } from '../billing/receipt.ts'
import { signReceipt } from '../billing/receipt-signed.ts'
import { MeshError } from '../errors.ts'
import type { Signatures } from '../identity/signature.ts'
import type { Session } from '../session/fold.ts'
import { type ReportDeps, receiptOf } from './report.ts'
import type { ApiDeps } from './server.ts'
import { reportSigned } from './signed.ts'

/** What a node signs receipts with. */
export type ReceiptPen = {
  readonly siteName: string
  readonly logKey: Uint8Array
  readonly signatures: Signatures
}

export type ReceiptAnswer = {
  readonly sessionId: string
  /** Base64 of the signed receipt. */
  readonly receipt: string
}

export type ReceiptDeps = Pick<ApiDeps, 'node' | 'roster' | 'clock' | 'receiptPen'>

type Route = { readonly Params: { readonly id: string } }

export function addReceipts(server: FastifyInstance, deps: ReceiptDeps, report: ReportDeps): void {
  server.get<Route>('/v1/sessions/:id/receipt', async (request): Promise<ReceiptAnswer> => {
    const { sessions } = deps.node.ledger().view()
    const session = sessions().find(({ sessionId }) => sessionId === request.params.id)
    if (!session)
      throw new MeshError('CONFIG_INVALID', 'this node knows no such session; `sessions` names them')
    const { values } = await reportSigned(report, session)
    const signedValues = values.map(({ sealed }) => new Uint8Array(Buffer.from(sealed, 'base64')))
    const signed = signedReceiptOf(deps, session, signedValues)
    return { sessionId: session.sessionId, receipt: Buffer.from(signed).toString('base64') }
  })
}

/** `signedValues`: undefined where nobody looked for them. */
export function signedReceiptOf(
  { node, roster, clock, receiptPen }: ReceiptDeps,
  session: Session,
  signedValues?: ReceiptKnown['signedValues'],
): Uint8Array {
  const ledger = node.ledger()
  const { policy, tariffs, corrections } = ledger.view()
  const own = ledger.ownCertificate()
  const token = policy.token(session.tokenRef)
  const grant = token.kind === 'unknown' ? undefined : token.grant
  const receipt = receiptFor(session, {
    site: { siteId: roster.siteId, name: receiptPen.siteName },
    signer: own.deviceId,
    issuedAt: clock.wallMs(),
    tariffAt: tariffs.at,
    corrections: corrections.of(session.sessionId),
    isConfirmed: receiptOf(node, session) !== undefined,
    visualNumber: grant?.body.visualNumber,
    signedValues,
  })
  return signReceipt({ ...receiptPen, certificates: ledger.chainOf(own) }, receipt)
}
