// Judges a receipt with nothing but the site's root public key: no network, no folder of the site.
import type { KeyObject } from 'node:crypto'
import type { Receipt } from '../billing/receipt.ts'
import { isReceiptText, signedBytesIn } from '../billing/receipt-forms.ts'
import {
  parseReceipt,
  type ReceiptRefusal,
  type ReceiptVerdict,
  verifyReceipt,
} from '../billing/receipt-signed.ts'
import { instant, PROVES, receiptText } from '../billing/receipt-text.ts'
import { MeshError } from '../errors.ts'
import { readText } from '../host/identity-files.ts'
import { siteIdOf } from '../identity/certificate.ts'
import { ed25519 } from '../identity/signature.ts'
import { unhex } from '../units.ts'
import { jsonOf } from './receipt-json.ts'
import { judgeMeter } from './verify-meter.ts'

export type ReceiptJudgement = {
  readonly isValid: boolean
  readonly json: Readonly<Record<string, unknown>>
  readonly text: string
}

export type ReceiptTrust = {
  readonly rootKey: Uint8Array
  /** Another receipt of that node, whose certificates serve for a short one. */
  readonly with?: string | undefined
  /** The meter's public keys, from elsewhere. */
  readonly meterKeys?: readonly KeyObject[]
}

export { isReceiptText }

/** `text`: what was read from a file, pasted, or scanned. */
export function judgeReceipt(text: string, trust: ReceiptTrust): ReceiptJudgement {
  const encoded = signedBytesIn(text)
  const certificates = trust.with === undefined ? [] : certificatesIn(trust.with)
  const verdict: ReceiptVerdict = encoded
    ? verifyReceipt({ signatures: ed25519(), rootKey: trust.rootKey, certificates }, encoded)
    : { kind: 'invalid', reason: 'malformed' }
  return verdict.kind === 'valid' ? valid(verdict, trust) : invalid(verdict, trust)
}

function certificatesIn(text: string): readonly Uint8Array[] {
  const encoded = signedBytesIn(text)
  const read = encoded && parseReceipt(encoded)
  if (read && typeof read !== 'string') return read.certificates
  throw new MeshError('CONFIG_INVALID', '--with: wanted a whole receipt of the same node')
}

function valid(
  { receipt, signer, enclosed }: Extract<ReceiptVerdict, { kind: 'valid' }>,
  { meterKeys = [] }: ReceiptTrust,
): ReceiptJudgement {
  const inGrace = receipt.issuedAt > signer.notAfterAt
  const grace = `The certificate of ${signer.name} ended on ${instant(signer.notAfterAt)}; this was issued in the days of grace behind that.`
  const meter = enclosed && judgeMeter(receipt, enclosed, meterKeys)
  const why = meter?.fault
  const verdict = why === undefined ? 'valid' : 'invalid'
  return {
    isValid: why === undefined,
    json: {
      ...{ kind: 'receipt', verdict, signedBy: signer.name, inGrace, proves: PROVES },
      ...(why !== undefined && { reason: 'meter-values', why }),
      receipt: jsonOf(receipt),
      ...(meter && { meter: meter.json }),
    },
    text: [
      why === undefined ? 'VALID' : `INVALID: ${why}`,
      ...(inGrace ? [grace] : []),
      PROVES,
      ...(meter ? [meter.text] : []),
      '',
      receiptText(receipt, signer.name),
    ].join('\n'),
  }
}

function invalid(
  { reason, detail, receipt, siteId }: Extract<ReceiptVerdict, { kind: 'invalid' }>,
  { rootKey }: ReceiptTrust,
): ReceiptJudgement {
  const known = siteIdOf(rootKey)
  const why =
    reason === 'foreign-site'
      ? `it says to be of site ${siteId}; this root key is of site ${known}: ask for the key of its own site`
      : `${WHY[reason]}${detail === undefined ? '' : ` (${detail})`}`
  return {
    isValid: false,
    json: {
      ...{ kind: 'receipt', verdict: 'invalid', reason, why, site: known },
      ...(receipt && { receipt: jsonOf(receipt) }),
    },
    text: [
      `INVALID: ${why}`,
      ...(receipt ? ['', 'It was signed all the same, and says:', '', claim(receipt)] : []),
    ].join('\n'),
  }
}

function claim(receipt: Receipt): string {
  return receiptText(receipt, `node ${receipt.signer.slice(0, 8)}`)
}

const WHY: Readonly<Record<Exclude<ReceiptRefusal, 'foreign-site'>, string>> = {
  malformed: 'this is no whole receipt: it is cut short, or was changed',
  'unknown-version': 'its version is not known to this program: a newer one may read it',
  'no-certificate':
    'it is a short one, without certificates: give another receipt of the same node, --with <file>',
  'not-certified': 'the root of this site has not certified who signed it, or its certificates were changed',
  'not-a-node': 'who signed it is no node of this site',
  'bad-signature': 'it was changed since it was signed, or signed by somebody else',
  'not-in-force': 'when it was issued, the signer’s certificate was not valid',
  'does-not-add-up': 'its amounts do not add up',
  'not-enclosed-by-operator':
    'the meter values in it were changed, or enclosed by somebody else than the operator of this site',
}

const KEY = /^[0-9a-f]{64}$/

/** 64 hex digits, or a file that holds them, or a site's site.json. */
export async function rootKeyOf(given: string): Promise<Uint8Array> {
  const wanted = "the site's root public key: 64 hex digits, a file with them, or the site's site.json"
  const text = KEY.test(given.trim().toLowerCase()) ? given : await readText(given, `--root wants ${wanted}`)
  const key = keyIn(text)
  if (key !== undefined && !ed25519().refuseKey(key)) return key
  throw new MeshError('CONFIG_INVALID', `--root ${given.slice(0, 80)}: wanted ${wanted}`)
}

function keyIn(text: string): Uint8Array | undefined {
  const bare = text.trim().toLowerCase()
  if (KEY.test(bare)) return unhex(bare)
  const named = /"rootKey"\s*:\s*"([0-9a-f]{64})"/.exec(text)?.[1]
  return named === undefined ? undefined : unhex(named)
}
