// Readings that may be remembered. A node reads each message once and remembers nothing; the nodes of a simulator are all
// sent the very same bytes, and one of them reads for all.

/**
 * Gives `read()`, or what it gave before for this very object and kind of reading. `read` is a pure function of the object,
 * whoever asks: no clock, no state of a node.
 */
export type Remember = <V>(kind: Reading, of: object, read: () => V) => V
export type Reading =
  | 'message'
  | 'encoded'
  | 'elements'
  | 'events'
  | 'seal'
  | 'body'
  | 'object'
  | 'certificate'
  | 'record'
  | 'cut'
  | 'answer'
  | 'answer-and-more'

export const readAnew: Remember = (_kind, _of, read) => read()
