// A disk in memory that keeps apart what was written and what was made durable, and loses the difference when the power
// goes. Only append leaves anything un-synced; replace and remove are durable at once (a replace while the disk lies is
// not). A process works through `mount()`, whose operations are counted and may take time; a crash ends every mount, so
// that a dead process writes nothing afterwards. The disk's own operations are the experimenter's hand: at once, uncounted.
import { MeshError } from '../../src/errors.ts'
import type { Disk } from '../../src/ports.ts'
import { JOURNAL_FOLDER } from '../../src/store/files.ts'
import {
  append,
  certainBytes,
  type Dice,
  durableFile,
  flipBit,
  newPlatter,
  type Platter,
  platterBytes,
  remove,
  replace,
  type SimulatedFile,
  seenBytes,
  sync,
} from './platter.ts'
import { losePower, type PowerLoss } from './power-loss.ts'

export type DiskOperation = 'append' | 'sync' | 'replace' | 'remove' | 'read' | 'list'

export type SimulatedDiskOptions = {
  /**
   * Asked as a mount's operation begins. A promise is the time that it takes; operations on one path wait for each other.
   * Whoever ends the mount meanwhile, or in this call, sees to it that the operation rejects and does nothing.
   */
  readonly before?: (operation: DiskOperation, path: string) => Promise<void> | undefined
  /** The operation took effect, or failed, and nobody has heard; when the mount is ended here, its caller hears a failure. */
  readonly after?: (operation: DiskOperation, path: string) => void
  /** Starts as a copy. */
  readonly from?: DiskImage
}

export { type Dice, SECTOR_BYTES } from './platter.ts'

/** Files by path, in the order of their paths; copies of their bytes. */
export type DiskImage = ReadonlyMap<string, Uint8Array>
export type FlippedBit = { readonly path: string; readonly offset: number; readonly bit: number }

export type DiskFaults = {
  readonly fillUp: () => void
  /** Bytes that may still be added; a larger append writes what fits, then rejects with STORE_FULL. */
  readonly setFree: (bytes: number) => void
  /** The next sync rejects, and what it should have saved never reaches the platter, whatever a later sync says. */
  readonly failNextSync: () => void
  /**
   * The next append is reported written, and later synced, but on the platter there are zeros. Readers see its bytes in the
   * page cache, also after a kill; after a power cut, and in images, they are zeros. A replace of the file mends it.
   */
  readonly loseNextWrite: () => void
  /** As a lost write, and its bytes overwrite durable ones from some sector on, of this file or another one. */
  readonly misdirectNextWrite: (random: Dice) => void
  /**
   * While on, sync and replace resolve and nothing becomes durable; a power cut leaves the old or the new of a replaced
   * file. The first true sync or replace of any file then saves everything that was lied about. Outlasts power cuts.
   */
  readonly lieAboutSync: (on: boolean) => void
  /** Ends all faults: nothing armed, no lies, room for everything. What was done stays done. */
  readonly mend: () => void
  readonly flipBit: (path: string, offset: number, bit?: number) => void
  /** Flips a drawn bit of the journal's durable bytes; undefined when there are none. */
  readonly flipSomeBit: (random: Dice) => FlippedBit | undefined
}

export type SimulatedDisk = Disk &
  DiskFaults & {
    /** The disk as one process sees it; rejects everything once that process is gone. */
    readonly mount: () => Disk
    /** Power loss (power-loss.ts): what was durable stays, and behind it what the dice leave. Armed faults stay armed. */
    readonly crash: (random: Dice) => PowerLoss
    /** kill -9: mounts end and dead files may be opened again, but what the cache holds is not lost. */
    readonly kill: () => void
    /** What stands on the platter at this instant. */
    readonly image: () => DiskImage
    /** Another disk, which holds exactly that and has no faults. Ends all mounts. */
    readonly restore: (image: DiskImage) => void
    /** Another disk, an empty one. */
    readonly wipe: () => void
    /** What survives a power cut for sure; a view that is valid until the disk is next touched. */
    readonly durableBytes: (path: string) => Uint8Array | undefined
    /** Files that survive a power cut for sure, sorted. */
    readonly durablePaths: () => readonly string[]
    /** Begun through mounts since the last crash, kill, restore or wipe; within `before` this one is counted. */
    readonly operations: () => number
  }

export function simulatedDisk(options: SimulatedDiskOptions = {}): SimulatedDisk {
  const platter = newPlatter()
  if (options.from) renew(platter, options.from)
  return {
    ...diskOver(platter, async ({ work }) => work()),
    mount: () => diskOver(platter, mounted(platter, options)),
    crash: random => {
      endLife(platter)
      platter.failSync = false
      return losePower(platter, random)
    },
    kill: () => endLife(platter),
    ...faultsOf(platter),
    image: () => new Map(durableFiles(platter, platterBytes).map(([path, bytes]) => [path, bytes.slice()])),
    restore: image => {
      endLife(platter)
      renew(platter, image)
    },
    wipe: () => {
      endLife(platter)
      renew(platter, new Map())
    },
    durableBytes: path => {
      const file = platter.files.get(path)
      return file && certainBytes(file)
    },
    durablePaths: () => durableFiles(platter, certainBytes).map(([path]) => path),
    operations: () => platter.operations,
  }
}

function faultsOf(platter: Platter): DiskFaults {
  return {
    fillUp: () => {
      platter.freeBytes = 0
    },
    setFree: bytes => {
      platter.freeBytes = bytes
    },
    failNextSync: () => {
      platter.failSync = true
    },
    loseNextWrite: () => {
      platter.loseWrite = true
    },
    misdirectNextWrite: random => {
      platter.misdirect = random
    },
    lieAboutSync: on => {
      platter.isLying = on
    },
    mend: () => mend(platter),
    flipBit: (path, offset, bit = 0) => flipBit(platter, path, { offset, bit }),
    flipSomeBit: random => flipSomeBit(platter, random),
  }
}

type Step<T> = { readonly operation: DiskOperation; readonly path: string; readonly work: () => T }
type Perform = <T>(step: Step<T>) => Promise<T>

function diskOver(platter: Platter, perform: Perform): Disk {
  return {
    list: folder => perform({ operation: 'list', path: folder, work: () => namesIn(platter, folder) }),
    read: path => perform({ operation: 'read', path, work: () => contentOf(platter, path) }),
    append: (path, bytes) => perform({ operation: 'append', path, work: () => append(platter, path, bytes) }),
    sync: path => perform({ operation: 'sync', path, work: () => sync(platter, path) }),
    replace: (path, bytes) =>
      perform({ operation: 'replace', path, work: () => replace(platter, path, bytes) }),
    remove: path => perform({ operation: 'remove', path, work: () => remove(platter, path) }),
  }
}

/** Where nothing takes time nothing is awaited: a simulation spends much of its own time here. */
function mounted(platter: Platter, { before, after }: SimulatedDiskOptions): Perform {
  const { life } = platter
  const turns = new Map<string, Promise<unknown>>()
  const checkAlive = (): void => {
    if (platter.life === life) return
    throw new MeshError('STORE_FAILED', 'the process that mounted this disk is gone')
  }
  const begin = ({ operation, path }: Step<unknown>): Promise<void> | undefined => {
    checkAlive()
    platter.operations++
    return before?.(operation, path)
  }
  const finish = <T>({ operation, path, work }: Step<T>): T => {
    checkAlive()
    try {
      return work()
    } finally {
      after?.(operation, path)
      checkAlive()
    }
  }
  const inTurn = <T>(path: string, turn: Promise<T>): Promise<T> => {
    const over = turn.then(ignored, ignored)
    turns.set(path, over)
    over.then(() => {
      if (turns.get(path) === over) turns.delete(path)
    })
    return turn
  }
  return async step => {
    const earlier = turns.get(step.path)
    if (earlier)
      return inTurn(
        step.path,
        earlier.then(() => begin(step)).then(() => finish(step)),
      )
    const delay = begin(step)
    return delay === undefined
      ? finish(step)
      : inTurn(
          step.path,
          delay.then(() => finish(step)),
        )
  }
}

function ignored(): void {
  // Whoever is next in line only needs to know that it is over.
}

function namesIn(platter: Platter, folder: string): readonly string[] {
  const inside = [...platter.files.keys()].filter(path => path.startsWith(`${folder}/`))
  const names = inside.map(path => path.slice(folder.length + 1))
  return names.filter(name => !name.includes('/')).sort()
}

function contentOf(platter: Platter, path: string): Uint8Array | undefined {
  const file = platter.files.get(path)
  return file && seenBytes(file).slice()
}

function flipSomeBit(platter: Platter, random: Dice): FlippedBit | undefined {
  const files = durableFiles(platter, certainBytes).filter(([path]) => path.startsWith(`${JOURNAL_FOLDER}/`))
  let offset = Math.floor(random() * files.reduce((sum, [, bytes]) => sum + bytes.length, 0))
  const bit = Math.floor(random() * 8)
  for (const [path, bytes] of files) {
    if (offset < bytes.length) {
      flipBit(platter, path, { offset, bit })
      return { path, offset, bit }
    }
    offset -= bytes.length
  }
  return undefined
}

type Reading = (file: SimulatedFile) => Uint8Array | undefined

function durableFiles(platter: Platter, reading: Reading): readonly (readonly [string, Uint8Array])[] {
  const files = [...platter.files].flatMap(([path, file]) => {
    const bytes = reading(file)
    return bytes ? [[path, bytes] as const] : []
  })
  return files.sort(([one], [other]) => (one < other ? -1 : 1))
}

function endLife(platter: Platter): void {
  platter.life++
  platter.operations = 0
  for (const file of platter.files.values()) file.isDead = false
}

function mend(platter: Platter): void {
  platter.freeBytes = Number.POSITIVE_INFINITY
  platter.failSync = false
  platter.loseWrite = false
  platter.misdirect = undefined
  platter.isLying = false
}

/** Another disk in its place. */
function renew(platter: Platter, image: DiskImage): void {
  mend(platter)
  platter.hasClaims = false
  platter.formerSectors.length = 0
  platter.files.clear()
  for (const [path, bytes] of image) platter.files.set(path, durableFile(bytes.slice()))
}
