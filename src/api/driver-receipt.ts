// A session's receipt for its driver: text to read, the line of a QR code, or the signed file. Whoever knows the session's
// id may have it, as they may look at the session. Signed meter values are not counted here: to find them takes a look
// through all logs, which nobody in the street may ask for.

import { numberOf } from '../billing/receipt.ts'
import { armoured, qrText } from '../billing/receipt-forms.ts'
import { parseReceipt } from '../billing/receipt-signed.ts'
import { PROVES, receiptText, wrapped } from '../billing/receipt-text.ts'
import { invariant } from '../errors.ts'
import type { Session } from '../session/fold.ts'
import { Problem, RECEIPT_FORMS, type ReceiptForm } from './driver-words.ts'
import { type ReceiptDeps, signedReceiptOf } from './receipt.ts'

export type ReceiptReply = { readonly type: string; readonly body: string | Buffer | object }

/** `form`: from the query; without one `accept` decides. */
export function formOf(form: unknown, accept = ''): ReceiptForm {
  const asked = RECEIPT_FORMS.find(one => one === form)
  if (asked) return asked
  if (form !== undefined)
    throw new Problem(400, 'BAD_REQUEST', `form is one of ${RECEIPT_FORMS.join(', ')}; see /openapi.json.`)
  if (accept.includes('application/octet-stream')) return 'file'
  return accept.includes('application/json') ? 'json' : 'text'
}

export function receiptReply(
  deps: ReceiptDeps & { readonly name: string },
  session: Session,
  form: ReceiptForm,
): ReceiptReply {
  const signed = signedReceiptOf(deps, session)
  const read = parseReceipt(signed)
  invariant(typeof read !== 'string', 'a receipt that was just signed can be read')
  const { receipt } = read
  const text = [receiptText(receipt, deps.name), '-'.repeat(40), ...HOW].join('\n')
  switch (form) {
    case 'text':
      return { type: 'text/plain; charset=utf-8', body: `${text}\n` }
    case 'qr':
      return { type: 'text/plain; charset=utf-8', body: `${qrText(signed)}\n` }
    case 'file':
      return { type: 'application/octet-stream', body: Buffer.from(armoured(signed)) }
    case 'json':
      return {
        type: 'application/json; charset=utf-8',
        body: {
          ...{ number: numberOf(receipt), session_id: receipt.sessionId, state: receipt.state },
          ...{
            total: receipt.settled?.toPay ?? receipt.cost?.total ?? null,
            currency: receipt.cost?.currency ?? null,
          },
          ...{ confirmed: receipt.isConfirmed, text, file: armoured(signed), qr: qrText(signed) },
        },
      }
  }
}

const HOW = [
  ...wrapped('To verify it, keep the file or scan the QR code: these words alone prove nothing.'),
  ...wrapped("With the site's root key, which its operator publishes, and no network:"),
  '  chargemesh verify FILE --root KEY',
  ...wrapped(PROVES),
]
