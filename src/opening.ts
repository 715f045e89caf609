// Opens a node's store: everything that the journal holds goes through the gate again, and only then may anything be
// added (PROTOCOL 1.10).
import { createLedger, type Ledger } from './ledger.ts'
import { createMarks, type Marks } from './marks.ts'
import { createMesh, type Mesh } from './mesh.ts'
import type { NodeDeps } from './node-shape.ts'
import type { Disk } from './ports.ts'
import { createPruning, type Owes, type Pruning } from './pruning.ts'
import { readAnew } from './remember.ts'
import { type Journal, openJournal } from './store/journal.ts'
import { requireKeys } from './store/rekey.ts'

/** Written before a journal that failed is read again: a disk that is still full is not worth a whole scan. */
const PROBE_FILE = 'probe/room'
const PROBE_BYTES = 65_536

export type Open = {
  readonly ledger: Ledger
  readonly mesh: Mesh
  readonly marks: Marks
  readonly journal: Journal
  readonly pruning: Pruning
  readonly recovered: string
}

export async function probeDisk(disk: Disk): Promise<void> {
  await disk.replace(PROBE_FILE, new Uint8Array(PROBE_BYTES))
  await disk.remove(PROBE_FILE)
}

export async function openStore(
  deps: NodeDeps & { readonly owes: Owes },
  bootReason: 'start' | 'reopen',
  count: (name: string, by?: number) => void,
): Promise<Open> {
  const ledger = createLedger(deps)
  const { journal, scan } = await openJournal(deps.disk, held => ledger.recover(held), deps.storeKeys)
  requireKeys(scan)
  const lost = ledger.rejectedOnRecovery()
  const storeState =
    scan.state === 'fresh' ? 'fresh' : scan.state === 'damaged' || lost > 0 ? 'lossy' : 'intact'
  ledger.recovered(storeState, bootReason, deps.clock.wallMs())
  const recovered = `${scan.state}, ${scan.recordCount} records, ${ledger.logs.count()} logs, ${lost} refused`
  if (storeState === 'lossy')
    deps.logger.warn('the journal is damaged: what is missing comes back from peers', { recovered })
  const mesh = createMesh({ ...deps, remember: deps.remember ?? readAnew, ledger, count })
  const self = deps.certificate.deviceId
  const pruning = createPruning({ ...deps, journal, self, count })
  return { ledger, mesh, marks: createMarks(ledger, self), journal, pruning, recovered }
}
