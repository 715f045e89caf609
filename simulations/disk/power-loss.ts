// What a power cut leaves of a platter's files. What is durable stays, to the byte. Behind it the file ends at some sector,
// or whole, and half the time that is all; else each sector up to there was written, or holds zeros, or stale bytes of
// content that is gone or stands elsewhere. Equal dice, equal loss.
import {
  bury,
  type Dice,
  durableFile,
  heldBytes,
  type Platter,
  SECTOR_BYTES,
  type SimulatedFile,
  seenBytes,
} from './platter.ts'

/** What the dice took; nothing of it was durable. */
export type PowerLoss = {
  readonly lostFiles: number
  /** Cut off the ends of files that stayed. */
  readonly cutBytes: number
  readonly zeroSectors: number
  readonly staleSectors: number
}
type Tally = { -readonly [key in keyof PowerLoss]: PowerLoss[key] }
type Loss = { readonly platter: Platter; readonly dice: Dice; readonly tally: Tally }

/** Rolls for each file in the order in which the files were made; a file that is wholly durable takes no throw. */
export function losePower(platter: Platter, dice: Dice): PowerLoss {
  const tally = { lostFiles: 0, cutBytes: 0, zeroSectors: 0, staleSectors: 0 }
  for (const [path, file] of platter.files) {
    const left = survivor({ platter, dice, tally }, file)
    platter.freeBytes += file.seen.length - (left?.length ?? 0)
    if (left !== undefined) platter.files.set(path, durableFile(left))
    else {
      platter.files.delete(path)
      tally.lostFiles++
    }
  }
  platter.hasClaims = false
  return tally
}

function survivor(loss: Loss, file: SimulatedFile): Uint8Array | undefined {
  const { dice } = loss
  const { unsure } = file
  if (unsure) return dice() < 0.5 ? unsure.old : torn(loss, file, unsure.newBytes)
  if (!file.isNameDurable && dice() < 0.5) return undefined
  return torn(loss, file, file.syncedBytes)
}

function torn(loss: Loss, file: SimulatedFile, safeBytes: number): Uint8Array {
  const { platter, dice, tally } = loss
  const held = heldBytes(file)
  const atMost = file.lostFrom ?? held.length
  // Nobody appends to these bytes' buffer again: the file that had it is gone.
  if (atMost <= safeBytes) return held.subarray(0, safeBytes)
  const ends = [safeBytes]
  for (let border = borderBehind(safeBytes); border < atMost; border += SECTOR_BYTES) ends.push(border)
  ends.push(atMost)
  const keptBytes = ends[Math.floor(dice() * ends.length)] ?? safeBytes
  const kept = held.slice(0, keptBytes)
  tally.cutBytes += atMost - keptBytes
  if (keptBytes > safeBytes && dice() < 0.5) puncture(loss, kept, safeBytes)
  bury(platter, seenBytes(file).subarray(keptBytes, atMost), keptBytes)
  return kept
}

/** Half of the sectors behind `safeBytes` were never written. In the first of them durable bytes may stand; they stay. */
function puncture(loss: Loss, kept: Uint8Array, safeBytes: number): void {
  const { dice, tally } = loss
  for (let at = safeBytes; at < kept.length; at = borderBehind(at)) {
    const fate = dice()
    if (fate < 0.5) continue
    const part = kept.subarray(at, borderBehind(at))
    const stale = fate < 0.75 ? undefined : staleSector(loss, kept.subarray(0, safeBytes))
    if (stale) tally.staleSectors++
    else tally.zeroSectors++
    const within = at % SECTOR_BYTES
    if (stale) part.set(stale.subarray(within, within + part.length))
    else part.fill(0)
  }
}

/** Any sector that is gone, or a whole one of this file: what a block held when it was another's. */
function staleSector(loss: Loss, safe: Uint8Array): Uint8Array | undefined {
  const { formerSectors } = loss.platter
  const wholeSectors = Math.floor(safe.length / SECTOR_BYTES)
  if (formerSectors.length + wholeSectors === 0) return undefined
  const pick = Math.floor(loss.dice() * (formerSectors.length + wholeSectors))
  const at = (pick - formerSectors.length) * SECTOR_BYTES
  return formerSectors[pick] ?? safe.slice(at, at + SECTOR_BYTES)
}

function borderBehind(offset: number): number {
  return (Math.floor(offset / SECTOR_BYTES) + 1) * SECTOR_BYTES
}
