// A disk in memory that keeps apart what was written and what was made durable, and loses the difference when the power
// goes. Only append leaves anything un-synced; replace and remove are durable at once. No clock, no dice of its own.
// A process works through `mount()`; a crash ends every mount, so that a dead process writes nothing afterwards.
import { invariant, MeshError } from '../src/errors.ts'
import type { Disk } from '../src/ports.ts'
import { concatBytes } from '../src/units.ts'

export const SECTOR_BYTES = 512

/** A number in [0, 1). */
export type Dice = () => number

export type SimulatedDisk = Disk & {
  /** The disk as one process sees it; rejects everything once that process is gone. */
  readonly mount: () => Disk
  /** Power loss: of each file the durable part stays and any whole number of sectors behind it. */
  readonly crash: (random: Dice) => void
  /** kill -9: mounts end and dead files may be opened again, but what the cache holds is not lost. */
  readonly kill: () => void
  readonly fillUp: () => void
  /** Bytes that may still be added; a larger append writes what fits, then rejects with STORE_FULL. */
  readonly setFree: (bytes: number) => void
  /** The next sync rejects, and what it should have saved never reaches the platter, whatever a later sync says. */
  readonly failNextSync: () => void
  readonly flipBit: (path: string, offset: number, bit?: number) => void
}

type SimulatedFile = {
  /** What a reader sees. */
  content: Uint8Array
  syncedBytes: number
  /** After a failed sync: from here on the cache is lost to the platter. */
  lostFrom: number | undefined
  isNameDurable: boolean
  isDead: boolean
}
type Platter = {
  readonly files: Map<string, SimulatedFile>
  freeBytes: number
  failSync: boolean
  life: number
}

export function simulatedDisk(): SimulatedDisk {
  const platter: Platter = { files: new Map(), freeBytes: Number.POSITIVE_INFINITY, failSync: false, life: 0 }
  const endLife = (): void => {
    platter.life++
    for (const file of platter.files.values()) file.isDead = false
  }
  return {
    ...operations(platter, () => true),
    mount: () => {
      const life = platter.life
      return operations(platter, () => platter.life === life)
    },
    crash: random => {
      endLife()
      platter.failSync = false
      for (const [path, file] of platter.files) losePower(platter, { path, file, random })
    },
    kill: endLife,
    fillUp: () => {
      platter.freeBytes = 0
    },
    setFree: bytes => {
      platter.freeBytes = bytes
    },
    failNextSync: () => {
      platter.failSync = true
    },
    flipBit: (path, offset, bit = 0) => {
      const { content } = existing(platter, path)
      invariant(offset < content.length, `${path} has no byte ${offset}`)
      content[offset] = (content[offset] ?? 0) ^ (1 << bit)
    },
  }
}

function operations(platter: Platter, isAlive: () => boolean): Disk {
  const whenAlive = async <T>(work: () => T): Promise<T> => {
    if (!isAlive()) throw new MeshError('STORE_FAILED', 'the process that mounted this disk is gone')
    return work()
  }
  return {
    list: folder => whenAlive(() => namesIn(platter, folder)),
    read: path => whenAlive(() => platter.files.get(path)?.content.slice()),
    append: (path, bytes) => whenAlive(() => append(platter, path, bytes)),
    sync: path => whenAlive(() => sync(platter, path)),
    replace: (path, bytes) => whenAlive(() => replace(platter, path, bytes)),
    remove: path =>
      whenAlive(() => {
        platter.freeBytes += platter.files.get(path)?.content.length ?? 0
        platter.files.delete(path)
      }),
  }
}

function namesIn(platter: Platter, folder: string): readonly string[] {
  const inside = [...platter.files.keys()].filter(path => path.startsWith(`${folder}/`))
  const names = inside.map(path => path.slice(folder.length + 1))
  return names.filter(name => !name.includes('/')).sort()
}

function append(platter: Platter, path: string, bytes: Uint8Array): void {
  const file = platter.files.get(path) ?? newFile()
  platter.files.set(path, file)
  if (file.isDead) throw deadFile(path)
  const written = bytes.subarray(0, Math.min(bytes.length, platter.freeBytes))
  file.content = concatBytes([file.content, written])
  platter.freeBytes -= written.length
  if (written.length < bytes.length) throw fullDisk(path)
}

function sync(platter: Platter, path: string): void {
  const file = existing(platter, path)
  if (file.isDead) throw deadFile(path)
  if (platter.failSync) {
    platter.failSync = false
    file.isDead = true
    file.lostFrom ??= file.syncedBytes
    throw new MeshError('STORE_FAILED', `${path}: the simulated fsync failed`)
  }
  file.syncedBytes = file.lostFrom ?? file.content.length
  file.isNameDurable = true
}

/** Old and new content are both there for a moment, as with a real copy and rename. */
function replace(platter: Platter, path: string, bytes: Uint8Array): void {
  if (bytes.length > platter.freeBytes) throw fullDisk(path)
  platter.freeBytes += (platter.files.get(path)?.content.length ?? 0) - bytes.length
  const content = bytes.slice()
  platter.files.set(path, { ...newFile(), content, syncedBytes: content.length, isNameDurable: true })
}

function losePower(
  platter: Platter,
  lost: { readonly path: string; readonly file: SimulatedFile; readonly random: Dice },
): void {
  const { path, file, random } = lost
  const before = file.content.length
  const atMost = file.lostFrom ?? before
  const choices = [file.syncedBytes]
  const firstBorder = (Math.floor(file.syncedBytes / SECTOR_BYTES) + 1) * SECTOR_BYTES
  for (let border = firstBorder; border < atMost; border += SECTOR_BYTES) choices.push(border)
  if (atMost > file.syncedBytes) choices.push(atMost)
  const kept = choices[Math.floor(random() * choices.length)] ?? file.syncedBytes
  const isGone = !file.isNameDurable && random() < 0.5
  platter.freeBytes += before - (isGone ? 0 : kept)
  if (isGone) {
    platter.files.delete(path)
    return
  }
  const content = file.content.slice(0, kept)
  platter.files.set(path, { ...newFile(), content, syncedBytes: kept, isNameDurable: true })
}

function newFile(): SimulatedFile {
  return {
    content: new Uint8Array(),
    syncedBytes: 0,
    lostFrom: undefined,
    isNameDurable: false,
    isDead: false,
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
