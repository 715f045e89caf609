// Started by cards.ts with a node's folder and the number of its cards, and `--expose-gc`: reads the store back through the
// gate, as a start does, and takes decisions over it. Prints one line of JSON.
import '../../src/runtime.ts'
import { cardContext, decideFor } from '../../src/card.ts'
import { openDisk } from '../../src/host/disk.ts'
import { readIdentity, siteIdIn } from '../../src/host/identity-files.ts'
import { systemRandom } from '../../src/host/system.ts'
import { createRoster } from '../../src/identity/roster.ts'
import { ed25519 } from '../../src/identity/signature.ts'
import { createLedger, type Ledger } from '../../src/ledger.ts'
import { openJournal } from '../../src/store/journal.ts'
import { type TokenRef, unhex } from '../../src/units.ts'
import { CHARGER, refOf } from './card-numbers.ts'
import { type Figures, median } from './figures.ts'

/** One tap in so many is of a card that nobody knows. */
const UNKNOWN_EVERY = 20
/** Decisions that are timed, in so many parts; the median part counts. */
const [TIMED, PARTS] = [1_000_000, 10]
const MB = 2 ** 20

/** The ledger that is read back from the node's store; what it weighs, and how fast it answers. */
async function decisions(nodeDir: string, count: number): Promise<Figures> {
  const before = heapMb()
  const ledger = await recovered(nodeDir)
  ledger.view()
  const heap = heapMb() - before
  const context = cardContext(ledger, { wallMs: Date.now(), monotonicMs: 0 })
  // A pseudo-random walk over the cards, so that no cache has them all in order.
  const taps = Array.from({ length: 100_000 }, (_, i) =>
    i % UNKNOWN_EVERY === 0 ? refOf(-1 - i) : refOf((i * 7919) % count),
  )
  const parts: number[] = []
  let allowed = 0
  for (let part = 0; part < PARTS; part++) {
    const from = process.cpuUsage()
    for (let i = 0; i < TIMED / PARTS; i++) {
      const tap = taps[i] as TokenRef
      if (decideFor(context, CHARGER, tap).allowed === 'ALLOWED') allowed += 1
    }
    const { user, system } = process.cpuUsage(from)
    parts.push(((user + system) * PARTS) / TIMED)
  }
  const share = allowed / TIMED
  if (share < 0.9 || share > 0.95) throw new RangeError(`${share} of the decisions let somebody charge`)
  // Of processor time: others may be at work on this machine.
  const decisionUs = median(parts)
  return { decisionUs, decisionsPerS: 1e6 / decisionUs, heapMb: heap }
}

async function recovered(nodeDir: string): Promise<Ledger> {
  const { site, certificates, keys } = await readIdentity(nodeDir)
  const signatures = ed25519()
  const roster = createRoster({ signatures }, siteIdIn(site), unhex(site.rootKey))
  for (const encoded of certificates) roster.enrol(unhex(encoded))
  const certificate = roster.all().at(-1)
  if (!certificate) throw new RangeError('the node has no certificate')
  const ledger = createLedger({
    ...{ roster, signatures, certificate, logKey: unhex(keys.logKey) },
    ...{ random: systemRandom(), swVersion: 'bench' },
  })
  const disk = openDisk(nodeDir)
  const { journal } = await openJournal(disk, held => ledger.recover(held))
  ledger.recovered('intact', 'start', Date.now())
  await journal.close()
  await disk.close()
  return ledger
}

function heapMb(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return (heapUsed + external) / MB
}

console.log(JSON.stringify(await decisions(process.argv[2] ?? '', Number(process.argv[3]))))
