// Layer store: is the folder free, is the journal whole, can the documents be read, is there room.
import { access, constants, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { MeshError, reasonOf } from '../errors.ts'
import { createRoster } from '../identity/roster.ts'
import { ed25519 } from '../identity/signature.ts'
import { createLedger } from '../ledger.ts'
import { JOURNAL_FOLDER } from '../store/files.ts'
import { openJournal } from '../store/journal.ts'
import { lockDirectory } from '../store/lock.ts'
import { scanDocuments } from '../store/scan.ts'
import { unhex } from '../units.ts'
import { SW_VERSION } from '../version.ts'
import { openDisk } from './disk.ts'
import {
  type Finding,
  type Patient,
  type RunningStatus,
  type StoreReading,
  trouble,
} from './doctor-patient.ts'
import { DOCUMENTS_FOLDER } from './document-check.ts'
import { type IdentityFile, siteIdIn, storeKeysIn } from './identity-files.ts'
import { unchanging } from './salvage.ts'
import { systemRandom } from './system.ts'
import type { Trouble } from './validity.ts'

const MIB = 1 << 20
const LITTLE_ROOM = 512 * MIB
/** A node goes on with less, but a day of a busy site may need it. */
const NO_ROOM = 64 * MIB

/** Reads the journal of a stopped node through the gate, as a start would, and changes nothing. */
export async function readStore(dir: string, identity: IdentityFile | undefined): Promise<StoreReading> {
  if (!identity) throw new MeshError('CONFIG_INVALID', 'not checked: the identity cannot be read')
  const lock = await lockDirectory(dir)
  await lock.release()
  const signatures = ed25519()
  const roster = createRoster({ signatures }, siteIdIn(identity.site), unhex(identity.site.rootKey))
  for (const encoded of identity.certificates) roster.enrol(unhex(encoded))
  const certificate = roster.all().at(-1)
  if (!certificate) throw new MeshError('CERTIFICATE_INVALID', 'not checked: the certificate is refused')
  const logKey = unhex(identity.keys.logKey)
  const ledger = createLedger({
    ...{ roster, signatures, certificate, logKey, random: systemRandom(), swVersion: SW_VERSION },
  })
  const { scan } = await openJournal(
    unchanging(openDisk(dir)),
    held => ledger.recover(held),
    storeKeysIn(identity),
  )
  ledger.recovered('intact', 'start', 0)
  return { scan, ledger }
}

export async function examineStore({ dir, running, store, identity }: Patient): Promise<Finding> {
  const troubles: Trouble[] = [...(await roomTroubles(dir)), ...(await accessTroubles(dir))]
  if (running) {
    troubles.push(...runningTroubles(running.status))
    return { fine: `the running node says: journal ${running.status.store.recovered}`, troubles }
  }
  const { value, fault } = store ?? {}
  if (!value) return { fine: '', troubles: [...troubles, trouble('fail', fault ?? 'not read')] }
  const { scan, ledger } = value
  troubles.push(...journalTroubles(dir, value), ...(await documentTroubles(dir, identity)))
  return { fine: `journal ${scan.state}: ${scan.recordCount} records, ${ledger.logs.count()} logs`, troubles }
}

function runningTroubles({ store, documents }: RunningStatus): readonly Trouble[] {
  const troubles: Trouble[] = []
  if (store.store !== 'open')
    troubles.push(
      trouble(
        'fail',
        `the disk refuses to write (${store.storeReason ?? 'no reason'}): make room or change the disk; the node goes on by itself`,
      ),
    )
  if (documents === 'doubtful')
    troubles.push(trouble('warn', 'the documents are in doubt: they are made anew at the next start'))
  return troubles
}

function journalTroubles(dir: string, { scan, ledger }: StoreReading): readonly Trouble[] {
  const troubles: Trouble[] = []
  const folder = join(dir, JOURNAL_FOLDER)
  const locked = scan.damaged.filter(hole => hole.cause === 'unknown-key').length
  const [first] = scan.damaged
  if (locked > 0)
    troubles.push(trouble('fail', `${locked} records in ${folder} are encrypted with a key that is not here`))
  else if (first)
    troubles.push(
      trouble(
        'fail',
        `the journal is damaged in ${scan.damaged.length} places (${scan.lostBytes} bytes, first in ${first.file}): start the node beside others, which give back what they hold, and change the disk`,
      ),
    )
  const lost = ledger.rejectedOnRecovery()
  if (lost > 0)
    troubles.push(
      trouble(
        'fail',
        `${lost} records of the journal do not pass the gate: a file is missing or was exchanged; start the node beside others, which give back what they hold`,
      ),
    )
  if (scan.state === 'torn')
    troubles.push(
      trouble(
        'warn',
        `the last ${scan.tornBytes} bytes were cut by a power loss and acknowledged to nobody; the next start mends that`,
      ),
    )
  return troubles
}

async function documentTroubles(dir: string, identity: Patient['identity']): Promise<readonly Trouble[]> {
  const folder = join(dir, DOCUMENTS_FOLDER)
  const keys = typeof identity === 'string' ? [] : storeKeysIn(identity)
  return (await scanDocuments(folder, keys)) === 'unreadable'
    ? [trouble('warn', `${folder} cannot be read: the next start makes it anew from the journal`)]
    : []
}

async function roomTroubles(dir: string): Promise<readonly Trouble[]> {
  const { bavail, bsize } = await statfs(dir)
  const free = bavail * bsize
  if (free >= LITTLE_ROOM) return []
  const says = `${Math.floor(free / MIB)} MiB are free on the disk of ${dir}: make room`
  return [trouble(free < NO_ROOM ? 'fail' : 'warn', says)]
}

/** Files of another user come from a start as root. */
async function accessTroubles(dir: string): Promise<readonly Trouble[]> {
  for (const path of [dir, join(dir, JOURNAL_FOLDER)]) {
    try {
      await access(path, constants.R_OK | constants.W_OK)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue
      const { uid } = await stat(path)
      return [
        trouble(
          'fail',
          `this user may not write into ${path}, which belongs to user ${uid}: chown it, or run as that user (${reasonOf(error)})`,
        ),
      ]
    }
  }
  return []
}
