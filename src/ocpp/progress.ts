// What a charger says of updates, uploads and alarms; the same fields in every version of OCPP.
import type { Draft } from './draft.ts'
import { count, type Fields, text, time, word } from './repair.ts'

const MAX_REQUEST = 2 ** 31 - 1

/** GetDiagnostics and UpdateFirmware have no number by which the charger could name them. */
export function progress(of: 'firmware' | 'log', fields: Fields): Draft {
  const status = word(text(fields, 'status', 40)) || 'Unknown'
  return { kind: 'progress', of, status, requestId: count(fields, 'requestId', MAX_REQUEST) ?? 0 }
}

export function security(fields: Fields): Draft {
  return {
    kind: 'security',
    event: word(text(fields, 'type', 50)) || 'Unknown',
    occurredAt: time(fields, 'timestamp'),
  }
}
