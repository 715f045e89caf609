// Reads an audit file from the disk, as often as its checking needs, a piece at a time.
import { type FileHandle, open } from 'node:fs/promises'
import { findGaps, weighLogs } from '../audit/completeness.ts'
import { createFindings, type FindingBook } from '../audit/findings.ts'
import { createProof, type ProofOptions, type Read } from '../audit/proof.ts'
import { AuditDamaged, type AuditRecord, createAuditReader } from '../audit/reader.ts'
import { createReckoning } from '../audit/reckoning.ts'
import { createRecount, GROUP_EVENTS, groupsOf, moneyIn } from '../audit/recount.ts'
import { type AuditReport, reportOf } from '../audit/report.ts'
import type { Reckoned } from '../audit/tally.ts'
import { MeshError, reasonOf } from '../errors.ts'

const PIECE_BYTES = 256 * 1024

export type Checking = ProofOptions & {
  /** Of all readings together: so many bytes of so many are done. */
  readonly onBytes?: (done: number, total: number) => void
  /** Events of chargers that are folded in one reading. */
  readonly groupEvents?: number
}

/** Checks the whole file; what is wrong with it stands in the report. Rejects where it cannot be read at all. */
export async function checkAuditFile(path: string, checking: Checking): Promise<AuditReport> {
  const file = await openFile(path)
  try {
    const bytes = (await file.stat()).size
    return await check(file, bytes, checking)
  } finally {
    await file.close()
  }
}

async function check(file: FileHandle, bytes: number, checking: Checking): Promise<AuditReport> {
  const findings = createFindings()
  const proof = createProof(checking, findings)
  let [done, total] = [0, 2 * bytes]
  const onBytes = (count: number): void => {
    done += count
    checking.onBytes?.(done, total)
  }
  const isWhole = await readAll(file, { take: proof.take, onBytes, findings })
  const read = proof.end()
  let reckoned: Reckoned | undefined
  if (read && isWhole) {
    weighLogs(read, findings)
    findGaps(read, findings)
    const groups = groupsOf(read, checking.groupEvents ?? GROUP_EVENTS)
    total = (1 + groups.length) * bytes
    reckoned = await recount(file, read, { groups, onBytes, findings })
  }
  const { rootKey } = checking
  return reportOf({ bytes, read, reckoned, rootGiven: rootKey !== undefined, findings })
}

type Recounting = {
  readonly groups: readonly ReadonlySet<number>[]
  readonly onBytes: (count: number) => void
  readonly findings: FindingBook
}

async function recount(
  file: FileHandle,
  read: Read,
  { groups, onBytes, findings }: Recounting,
): Promise<Reckoned> {
  const reckoning = createReckoning(read.header, moneyIn(read), findings)
  for (const [i, chargers] of groups.entries()) {
    const counting = createRecount(read, { chargers, isFirst: i === 0 }, reckoning)
    await readAll(file, { take: counting.take, onBytes, findings })
    counting.end()
  }
  return reckoning.end()
}

type Reading = {
  readonly take: (record: AuditRecord) => void
  readonly onBytes: (count: number) => void
  readonly findings: FindingBook
}

/** False when the file is damaged: nothing behind that place is looked at. */
async function readAll(file: FileHandle, { take, onBytes, findings }: Reading): Promise<boolean> {
  const reader = createAuditReader()
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES)
  try {
    for (let at = 0; ; ) {
      const { bytesRead, buffer } = await file.read(piece, 0, PIECE_BYTES, at)
      if (bytesRead === 0) break
      for (const record of reader.push(buffer.subarray(0, bytesRead))) take(record)
      at += bytesRead
      onBytes(bytesRead)
    }
    reader.end()
    return true
  } catch (error) {
    if (!(error instanceof AuditDamaged)) throw error
    findings.add('damaged', error.message)
    return false
  }
}

/** The first bytes of a file: they say what it is. None of a pipe, which could not be read again. */
export async function beginningOf(path: string, bytes: number): Promise<Uint8Array> {
  const file = await openFile(path)
  try {
    if (!(await file.stat()).isFile()) return new Uint8Array(0)
    const { bytesRead, buffer } = await file.read(new Uint8Array(bytes), 0, bytes, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `${path} cannot be read: ${reasonOf(error)}`, error)
  }
}
