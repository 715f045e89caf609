// The documents stand behind the journal: after a boot each is compared with the log that it belongs to, and made
// anew where it lags or differs (PROTOCOL 1.10). Runs behind the serving node, one log at a time.
import { join } from 'node:path'
import type { Ledger } from '../ledger.ts'
import type { Logger } from '../ports.ts'
import { encodeUpdate } from '../replica/canonical.ts'
import { documentName } from '../replica/document.ts'
import { type Documents, openDocuments } from '../store/documents.ts'
import { quarantineDocuments, scanDocuments } from '../store/scan.ts'
import type { StoreKeys } from '../store/sealing.ts'
import { sameBytes } from '../units.ts'

export const DOCUMENTS_FOLDER = 'documents'

/** Opens the documents after a child process has read them all; unreadable ones are moved aside. */
export async function openCheckedDocuments(
  { dir, keys }: { readonly dir: string; readonly keys: StoreKeys },
  nowAt: number,
  logger: Logger,
): Promise<Documents> {
  const folder = join(dir, DOCUMENTS_FOLDER)
  if ((await scanDocuments(folder, keys)) === 'unreadable') {
    const moved = await quarantineDocuments(folder, nowAt)
    logger.warn('documents were unreadable and are rebuilt from the journal', { moved })
  }
  return await openDocuments(folder, keys)
}

/** Resolves with the number of documents that had to be written again. */
export async function mendDocuments(documents: Documents, ledger: Ledger): Promise<number> {
  let mended = 0
  for (const log of [...ledger.logs.all()]) {
    const name = documentName(log.logId)
    // Nothing is ever deleted inside a document: of a pruned log there is none.
    if (log.cut) {
      documents.drop(name)
      continue
    }
    const held = await documents.read(name)
    const count = log.elements.length
    const wanted = encodeUpdate(0, log.elements.slice(0, count))
    if (held && sameBytes(held, wanted)) continue
    documents.put(name, wanted)
    mended += 1
    await documents.settled()
  }
  return mended
}
