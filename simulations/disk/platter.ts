// The files of a simulated disk: what a reader sees (the page cache) and what the platter holds beneath, with the faults
// that tear the two apart. Bytes are durable up to `syncedBytes`; what stands behind is the dice's at a power cut
// (power-loss.ts). Buffers grow by doubling, so that an append costs what it adds. No clock and no dice of its own.
import { invariant, MeshError } from '../../src/errors.ts'

export const SECTOR_BYTES = 512
/** A number in [0, 1). */
export type Dice = () => number

const MIN_CAPACITY_BYTES = 256
/** Sectors of content that is gone, remembered as what a sector that was never written may show. */
const MAX_FORMER_SECTORS = 64
/** Of one file that is replaced, removed or cut; the first ones, since they are what a later append lands on. */
const MAX_BURIED_SECTORS = 8

export type Grown = { bytes: Uint8Array; length: number }

export type SimulatedFile = {
  readonly seen: Grown
  /** What the platter gets instead, and as long; only there once a write was lost or misdirected. */
  beneath: Grown | undefined
  syncedBytes: number
  isNameDurable: boolean
  /** After a failed sync: from here on the cache is lost to the platter. */
  lostFrom: number | undefined
  isDead: boolean
  /** What syncs that lied have reported. It is in the drive's own cache and reaches the platter with the next true flush. */
  claimedBytes: number | undefined
  /** A replace that was lied about: a power cut leaves the old file, if there was one, or the new one. */
  unsure: { readonly old: Uint8Array | undefined; readonly newBytes: number } | undefined
}

export type Platter = {
  readonly files: Map<string, SimulatedFile>
  readonly formerSectors: Uint8Array[]
  freeBytes: number
  failSync: boolean
  loseWrite: boolean
  misdirect: Dice | undefined
  isLying: boolean
  /** Some file has `claimedBytes`. */
  hasClaims: boolean
  life: number
  operations: number
}

export function newPlatter(): Platter {
  const faults = { failSync: false, loseWrite: false, misdirect: undefined, isLying: false }
  const files = new Map<string, SimulatedFile>()
  return {
    ...{ files, formerSectors: [], freeBytes: Number.POSITIVE_INFINITY, ...faults },
    ...{ hasClaims: false, life: 0, operations: 0 },
  }
}

/** A file that is durable as it stands. Takes the bytes over. */
export function durableFile(bytes: Uint8Array): SimulatedFile {
  return { ...newFile({ bytes, length: bytes.length }), syncedBytes: bytes.length, isNameDurable: true }
}

export function seenBytes(file: SimulatedFile): Uint8Array {
  return file.seen.bytes.subarray(0, file.seen.length)
}

/** All that the platter holds or would be given, durable or not. A view. */
export function heldBytes(file: SimulatedFile): Uint8Array {
  return (file.beneath ?? file.seen).bytes.subarray(0, file.seen.length)
}

/** What a power cut leaves whatever the dice say. A view. */
export function certainBytes(file: SimulatedFile): Uint8Array | undefined {
  return file.isNameDurable ? heldBytes(file).subarray(0, file.syncedBytes) : undefined
}

/** What is on the platter at this instant: of a replace that was lied about, the old file. */
export function platterBytes(file: SimulatedFile): Uint8Array | undefined {
  return file.unsure ? file.unsure.old : certainBytes(file)
}

export function append(platter: Platter, path: string, bytes: Uint8Array): void {
  const file = platter.files.get(path) ?? newFile({ bytes: new Uint8Array(), length: 0 })
  platter.files.set(path, file)
  if (file.isDead) throw deadFile(path)
  const written = bytes.subarray(0, Math.min(bytes.length, platter.freeBytes))
  const goesAstray = written.length > 0 && (platter.loseWrite || platter.misdirect !== undefined)
  if (goesAstray) beneathOf(file)
  if (file.beneath) grow(file.beneath, goesAstray ? new Uint8Array(written.length) : written)
  grow(file.seen, written)
  if (goesAstray) loseTrack(platter, written)
  platter.freeBytes -= written.length
  if (written.length < bytes.length) throw fullDisk(path)
}

export function sync(platter: Platter, path: string): void {
  const file = existing(platter, path)
  if (file.isDead) throw deadFile(path)
  if (platter.failSync) {
    platter.failSync = false
    file.isDead = true
    file.lostFrom ??= Math.max(file.syncedBytes, file.claimedBytes ?? 0)
    throw new MeshError('STORE_FAILED', `${path}: the simulated fsync failed`)
  }
  const reachedBytes = file.lostFrom ?? file.seen.length
  if (platter.isLying) {
    file.claimedBytes = reachedBytes
    platter.hasClaims = true
    return
  }
  flushClaims(platter)
  file.syncedBytes = reachedBytes
  file.isNameDurable = true
}

/** Old and new content are both there for a moment, as with a real copy and rename. */
export function replace(platter: Platter, path: string, bytes: Uint8Array): void {
  if (bytes.length > platter.freeBytes) throw fullDisk(path)
  const before = platter.files.get(path)
  platter.freeBytes += (before?.seen.length ?? 0) - bytes.length
  const file = durableFile(bytes.slice())
  if (platter.isLying) {
    const old = before && platterBytes(before)?.slice()
    file.unsure = { old, newBytes: bytes.length }
    file.claimedBytes = bytes.length
    file.syncedBytes = commonBytes(old ?? new Uint8Array(), bytes)
    file.isNameDurable = old !== undefined
    platter.hasClaims = true
  } else flushClaims(platter)
  if (before) bury(platter, seenBytes(before).subarray(bytes.length), bytes.length)
  platter.files.set(path, file)
}

export function remove(platter: Platter, path: string): void {
  const file = platter.files.get(path)
  if (file === undefined) return
  bury(platter, seenBytes(file), 0)
  platter.freeBytes += file.seen.length
  platter.files.delete(path)
}

/** Turns a bit on the platter and for every reader. */
export function flipBit(platter: Platter, path: string, at: { readonly offset: number; bit: number }): void {
  const file = existing(platter, path)
  invariant(at.offset < file.seen.length, `${path} has no byte ${at.offset}`)
  for (const { bytes } of file.beneath ? [file.seen, file.beneath] : [file.seen])
    bytes[at.offset] = (bytes[at.offset] ?? 0) ^ (1 << at.bit)
}

/** Remembers sectors of content that is gone, each byte at its place in the sector; `offset` is that of the first byte. */
export function bury(platter: Platter, gone: Uint8Array, offset: number): void {
  let at = 0
  for (let i = 0; i < MAX_BURIED_SECTORS && at < gone.length; i++) {
    const within = (offset + at) % SECTOR_BYTES
    const part = gone.subarray(at, at + SECTOR_BYTES - within)
    const sector = new Uint8Array(SECTOR_BYTES)
    sector.set(part, within)
    platter.formerSectors.push(sector)
    at += part.length
  }
  const excess = platter.formerSectors.length - MAX_FORMER_SECTORS
  if (excess > 0) platter.formerSectors.splice(0, excess)
}

/** The armed fault is used up: the bytes stay where they do not belong, or nowhere. */
function loseTrack(platter: Platter, written: Uint8Array): void {
  const { misdirect: dice } = platter
  if (platter.loseWrite || dice === undefined) {
    platter.loseWrite = false
    return
  }
  platter.misdirect = undefined
  const victims = [...platter.files.values()].filter(file => (certainBytes(file)?.length ?? 0) > 0)
  const victim = victims[Math.floor(dice() * victims.length)]
  if (victim === undefined) return
  const sector = Math.floor(dice() * Math.ceil(victim.syncedBytes / SECTOR_BYTES))
  const offset = sector * SECTOR_BYTES
  // Only what is durable: a dirty page would be written again and mend it.
  beneathOf(victim).bytes.set(written.subarray(0, victim.syncedBytes - offset), offset)
}

function beneathOf(file: SimulatedFile): Grown {
  file.beneath ??= { bytes: seenBytes(file).slice(), length: file.seen.length }
  return file.beneath
}

/** A true flush empties the drive's cache: everything that was lied about is durable now. */
function flushClaims(platter: Platter): void {
  if (!platter.hasClaims) return
  platter.hasClaims = false
  for (const file of platter.files.values()) {
    if (file.claimedBytes === undefined) continue
    file.syncedBytes = Math.max(file.syncedBytes, file.claimedBytes)
    file.isNameDurable = true
    file.claimedBytes = undefined
    file.unsure = undefined
  }
}

function commonBytes(one: Uint8Array, other: Uint8Array): number {
  const most = Math.min(one.length, other.length)
  for (let i = 0; i < most; i++) if (one[i] !== other[i]) return i
  return most
}

function grow(grown: Grown, more: Uint8Array): void {
  const length = grown.length + more.length
  if (length > grown.bytes.length) {
    const bytes = new Uint8Array(Math.max(length, 2 * grown.bytes.length, MIN_CAPACITY_BYTES))
    bytes.set(grown.bytes.subarray(0, grown.length))
    grown.bytes = bytes
  }
  grown.bytes.set(more, grown.length)
  grown.length = length
}

function newFile(seen: Grown): SimulatedFile {
  return {
    ...{ seen, beneath: undefined, syncedBytes: 0, isNameDurable: false },
    ...{ lostFrom: undefined, isDead: false, claimedBytes: undefined, unsure: undefined },
  }
}

function existing(platter: Platter, path: string): SimulatedFile {
  const file = platter.files.get(path)
  if (file === undefined) throw new MeshError('STORE_FAILED', `${path}: there is no such file`)
  return file
}

function deadFile(path: string): MeshError {
  return new MeshError('STORE_FAILED', `${path}: an earlier fsync failed`)
}

function fullDisk(path: string): MeshError {
  return new MeshError('STORE_FULL', `${path}: the simulated disk is full`)
}
