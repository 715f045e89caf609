// Two kinds of trouble (the third, an expected refusal, is a value). MeshError: an edge failed, with a stable
// code that the README lists. InvariantBroken: the program is wrong, and the process must stop.

export const ERROR_CODES = {
  CONFIG_INVALID: 'a configuration file or an option has a value that cannot be used',
  STORE_LOCKED: 'another process uses this directory',
  STORE_FAILED: 'the disk refused a write or a flush',
  STORE_FULL: 'the disk is full',
  STORE_CORRUPT: 'bytes on disk are not what was written',
  KEY_REFUSED: 'what is encrypted on this disk does not open: its key is missing or wrong',
  NETWORK_FAILED: 'the mesh network could not be opened',
  UPLINK_FAILED: 'the cloud could not be reached or refused the request',
  CERTIFICATE_INVALID: 'a certificate is damaged, foreign or expired',
  CHARGER_ABSENT: 'the charger is not connected to this node',
  CHARGER_REFUSED: 'the charger answered with an error or not at all',
  NODE_UNREACHABLE: 'no node answered at this address',
  NODE_UNWELL: 'the doctor found a layer that fails',
  SIGNATURE_INVALID: 'what was signed was changed since, by somebody else, or is not what the session says',
  PROOF_FAILED: 'a file of evidence is damaged, or something in it is wrong',
  TARIFF_MISSING: 'no tariff is in force, so nothing can be priced',
} as const

export type ErrorCode = keyof typeof ERROR_CODES

export class MeshError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'MeshError'
    this.code = code
  }
}

export class InvariantBroken extends Error {
  constructor(message: string) {
    super(`invariant broken: ${message}`)
    this.name = 'InvariantBroken'
  }
}

export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantBroken(message)
}

export function assertNever(value: never): never {
  throw new InvariantBroken(`unhandled case ${JSON.stringify(value)}`)
}

/** A short text for a log line, whatever was thrown. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
