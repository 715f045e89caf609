// What a node remembers between its runs, beside its journal: the addresses of peers, and its uplinks (uplink-book.ts). Both can be told or
// found again, so a file that cannot be read is kept aside and said, and never keeps a node from starting.
import { readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { check } from '../config.ts'
import { MeshError, reasonOf } from '../errors.ts'
import type { Logger } from '../ports.ts'
import { writeSecret } from './identity-files.ts'
import type { openNetwork } from './network.ts'
import { KNOWN_FILE } from './node-files.ts'

const KNOWN = z.array(z.object({ deviceId: z.string(), host: z.string(), port: z.int() })).max(256)

/** What a file of the folder says; undefined when there is none, or none that can be read. */
export async function recall<S extends z.ZodType>(
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

export async function look<S extends z.ZodType>(path: string, schema: S): Promise<z.infer<S> | undefined> {
  try {
    return check(path, schema, JSON.parse(await readFile(path, 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new MeshError('CONFIG_INVALID', `${path} cannot be read: ${reasonOf(error)}`, error)
  }
}
