// The files of one site on a stick: CHGMESH/<site>/UP000001.CMB and so on. Short names in capitals, because sticks are FAT and
// every system has its own idea of longer ones. Each file is written beside, flushed and renamed, so a stick that is
// pulled out holds whole parts only. There is no index: what the stick carries is said by the parts themselves.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { MeshError, reasonOf } from '../errors.ts'
import type { Disk } from '../ports.ts'
import type { SiteId } from '../units.ts'
import { openDisk } from './disk.ts'

const FOLDER = 'CHGMESH'
const SITE_DIGITS = 8
const NAME = /^(UP|DN)(\d{6})\.CMB$|^N[0-9A-F]{7}\.CMB$/i
/** No part is longer (uplink/bundle.ts). */
const MAX_STICK_FILE_BYTES = 8 * 1024 * 1024
const MAX_NUMBER = 999_999

/** `up`: to the cloud. `down`: to the nodes. `holds`: what a node holds, one a node. */
export type StickKind = 'up' | 'down' | 'holds'
const LETTERS = { up: 'UP', down: 'DN' } as const

export type Stick = {
  readonly dir: string
  /** Names of a kind, in the order in which they were written. */
  readonly names: (kind: StickKind) => Promise<readonly string[]>
  /** Nothing of a file that is longer than a part can be. */
  readonly read: (name: string) => Promise<Uint8Array>
  /** Durable when resolved; answers the name. */
  readonly add: (kind: 'up' | 'down', part: Uint8Array) => Promise<string>
  /** In the place of what this node wrote before. */
  readonly replaceHolds: (deviceId: string, part: Uint8Array) => Promise<string>
  readonly remove: (name: string) => Promise<void>
  readonly close: () => Promise<void>
}

/** Refuses with CONFIG_INVALID where there is no such folder: none is made, or it would lie on the wrong disk. */
export async function openStick(
  dir: string,
  siteId: SiteId,
  diskOf: (root: string) => Disk & { close: () => Promise<void> } = openDisk,
): Promise<Stick> {
  const before = await stat(dir).catch((error: unknown) => {
    throw new MeshError('CONFIG_INVALID', `${dir}: there is no such folder; is the stick mounted?`, error)
  })
  if (!before.isDirectory())
    throw new MeshError('CONFIG_INVALID', `${dir} is no folder: name where the stick is`)
  const disk = diskOf(join(dir, FOLDER))
  const folder = siteId.slice(0, SITE_DIGITS).toUpperCase()
  const path = (name: string): string => `${folder}/${name}`
  const says = (error: unknown): MeshError => stickError(dir, error)
  /** Whoever pulls a stick out leaves an empty folder behind, or none: writing there would fill the machine's own disk. */
  const requireSame = async (): Promise<void> => {
    const now = await stat(dir).catch(() => undefined)
    if (now?.dev !== before.dev || now.ino !== before.ino)
      throw new MeshError('STORE_FAILED', `the stick is not at ${dir} any more: ${GOES_ON}`)
  }
  const names = async (kind: StickKind): Promise<readonly string[]> => {
    await requireSame()
    const all = await disk.list(folder).catch((error: unknown) => {
      throw says(error)
    })
    return all.filter(name => NAME.test(name) && kindOf(name) === kind)
  }
  const write = async (name: string, part: Uint8Array): Promise<string> => {
    await requireSame()
    await disk.replace(path(name), part).catch(async (error: unknown) => {
      await requireSame()
      throw says(error)
    })
    return name
  }
  return {
    dir,
    names,
    read: async name => {
      await requireSame()
      const { size } = await stat(join(dir, FOLDER, path(name))).catch((error: unknown) => {
        throw says(error)
      })
      // Whoever filled the stick must not fill the memory too: no part is so long, so it is judged as damaged.
      if (size > MAX_STICK_FILE_BYTES) return new Uint8Array(0)
      const part = await disk.read(path(name)).catch((error: unknown) => {
        throw says(error)
      })
      if (!part) throw new MeshError('STORE_FAILED', `${name} is not on the stick any more: ${GOES_ON}`)
      return part
    },
    add: async (kind, part) => {
      const last = (await names(kind))
        .map(name => Number(NAME.exec(name)?.[2]))
        .reduce((a, b) => Math.max(a, b), 0)
      if (last >= MAX_NUMBER) throw new MeshError('STORE_FULL', `${dir}: too many parts; take a fresh stick`)
      return await write(`${LETTERS[kind]}${String(last + 1).padStart(6, '0')}.CMB`, part)
    },
    replaceHolds: async (deviceId, part) => await write(`N${deviceId.slice(0, 7).toUpperCase()}.CMB`, part),
    remove: async name => {
      await requireSame()
      await disk.remove(path(name)).catch((error: unknown) => {
        throw says(error)
      })
    },
    close: disk.close,
  }
}

const GOES_ON = 'what was written there is whole; put it back and give the same command again'

function kindOf(name: string): StickKind {
  const first = name.slice(0, 2).toUpperCase()
  return first === 'UP' ? 'up' : first === 'DN' ? 'down' : 'holds'
}

function stickError(dir: string, error: unknown): MeshError {
  const cause = error instanceof MeshError ? (error.cause ?? error) : error
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const isFull = error instanceof MeshError && error.code === 'STORE_FULL'
  if (isFull)
    return new MeshError(
      'STORE_FULL',
      `the stick at ${dir} is full: what is on it is whole; make room, or copy its folder ${FOLDER} onto a larger one, and give the same command again`,
      error,
    )
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM')
    return new MeshError(
      'STORE_FAILED',
      `the stick at ${dir} cannot be written: it is read-only (${code})`,
      error,
    )
  return new MeshError('STORE_FAILED', `the stick at ${dir} fails: ${reasonOf(cause)}; ${GOES_ON}`, error)
}
