// A log as a Yjs document: root array "e", one binary an event (PROTOCOL 1.5). The document is a pure function of
// the log: it is only ever fed our own canonical updates, so no client id but 1 occurs in it and the trap of Yjs
// redrawing its client id cannot be stepped into. The only home of yjs.
import * as Y from 'yjs'
import type { LogId } from '../units.ts'

export function documentName(logId: LogId): string {
  return `L/${logId}`
}

/** The document of an update that we encoded or checked ourselves, never of bytes from the network. */
export function documentOf(...updates: readonly Uint8Array[]): Y.Doc {
  const doc = new Y.Doc({ gc: false })
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

/** A document's whole state as one update; equal logs give equal bytes. */
export function stateOf(doc: Y.Doc): Uint8Array {
  return Y.encodeStateAsUpdate(doc)
}

/** The elements of a document, in order. */
export function elementsOf(doc: Y.Doc): readonly Uint8Array[] {
  return doc
    .getArray<unknown>('e')
    .toArray()
    .filter((value): value is Uint8Array => value instanceof Uint8Array)
}
