// What a node remembers between its runs, beside its journal: its uplinks and the addresses of peers. Both can be told or
// found again, so a file that cannot be read is kept aside and said, and never keeps a node from starting.
import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { UplinkSetting } from '../api/server.ts'
import { check } from '../config.ts'
import { MeshError, reasonOf } from '../errors.ts'
import type { Logger } from '../ports.ts'
import { type HttpUplinkOptions, openHttpUplink } from '../uplink/http.ts'
import { writeSecret } from './identity-files.ts'
import type { openNetwork } from './network.ts'
import { KNOWN_FILE, UPLINKS_FILE } from './node-files.ts'

const UPLINKS = z.array(z.object({ name: z.string(), url: z.url(), caPem: z.string().optional() })).max(8)
const KNOWN = z.array(z.object({ deviceId: z.string(), host: z.string(), port: z.int() })).max(256)

/** What a file of the folder says; undefined when there is none, or none that can be read. */
async function recall<S extends z.ZodType>(
  path: string,
  schema: S,
  logger: Logger,
): Promise<z.infer<S> | undefined> {
  try {
    return await look(path, schema)
  } catch (error) {
    const aside = `${path}.bad`
    logger.error('a file of this node cannot be read: it starts without', { aside, reason: reasonOf(error) })
    await rename(path, aside).catch((failure: unknown) =>
      logger.error('the file could not be kept aside', { path, reason: reasonOf(failure) }),
    )
    return undefined
  }
}

/** Addresses that worked: a hint that costs a dial when it is wrong. */
export function knownAddresses(dir: string, logger: Logger): Parameters<typeof openNetwork>[0]['lastKnown'] {
  const path = join(dir, KNOWN_FILE)
  return {
    load: async () => ((await recall(path, KNOWN, logger)) ?? []) as never,
    save: async list => await writeSecret(path, JSON.stringify(list)),
  }
}

/** The same for who only looks: nothing is moved aside. Undefined when there is no such file. */
export async function rememberedAddresses(dir: string): Promise<z.infer<typeof KNOWN> | undefined> {
  return await look(join(dir, KNOWN_FILE), KNOWN)
}

export async function rememberedUplinks(dir: string): Promise<z.infer<typeof UPLINKS> | undefined> {
  return await look(join(dir, UPLINKS_FILE), UPLINKS)
}

async function look<S extends z.ZodType>(path: string, schema: S): Promise<z.infer<S> | undefined> {
  try {
    return check(path, schema, JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new MeshError('CONFIG_INVALID', `${path} cannot be read: ${reasonOf(error)}`, error)
  }
}

type HttpUplink = ReturnType<typeof openHttpUplink>

export type UplinkBook = {
  readonly open: () => Promise<readonly HttpUplink[]>
  /** Refuses a name that is taken; remembered when resolved. */
  readonly add: (setting: UplinkSetting) => Promise<readonly HttpUplink[]>
  readonly close: () => void
}

export type UplinkBookOptions = Omit<HttpUplinkOptions, 'name' | 'url' | 'caPem'> & {
  readonly dir: string
  readonly logger: Logger
}

/** The uplinks of a node and the file that remembers them. */
export function uplinkBook({ dir, logger, ...common }: UplinkBookOptions): UplinkBook {
  const path = join(dir, UPLINKS_FILE)
  const opened = new Map<string, HttpUplink>()
  const settings: UplinkSetting[] = []
  const openOne = (setting: UplinkSetting): void => {
    const { name, url, caPem } = setting
    const uplink = openHttpUplink({ ...common, name, url, ...(caPem !== undefined && { caPem }) })
    opened.set(name, uplink)
    settings.push(setting)
  }
  return {
    open: async () => {
      for (const setting of (await recall(path, UPLINKS, logger)) ?? []) {
        try {
          openOne(setting)
        } catch (error) {
          logger.error('an uplink cannot be used', { uplink: setting.name, reason: reasonOf(error) })
        }
      }
      return [...opened.values()]
    },
    add: async setting => {
      if (opened.has(setting.name))
        throw new MeshError('CONFIG_INVALID', `there is an uplink ${setting.name} already`)
      openOne(setting)
      await writeSecret(path, JSON.stringify(settings))
      return [...opened.values()]
    },
    close: () => {
      for (const uplink of opened.values()) uplink.close()
    },
  }
}
