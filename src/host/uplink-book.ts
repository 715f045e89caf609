// The ways out of a node and the file that remembers them. Each kind has an opener; what cannot be opened at a start is
// said and left out, and never keeps a node from starting.
import { join } from 'node:path'
import { z } from 'zod'
import { MeshError, reasonOf } from '../errors.ts'
import type { Logger, Uplink } from '../ports.ts'
import { type HttpUplinkOptions, openHttpUplink } from '../uplink/http.ts'
import { REMEMBERED_SETTING, termsOf, type UplinkKind, type UplinkSetting } from '../uplink/setting.ts'
import { writeSecret } from './identity-files.ts'
import { UPLINKS_FILE } from './node-files.ts'
import { look, recall } from './node-memory.ts'

const MAX_UPLINKS = 8
const UPLINKS = z.array(REMEMBERED_SETTING).max(MAX_UPLINKS)

export async function rememberedUplinks(dir: string): Promise<readonly UplinkSetting[] | undefined> {
  return await look(join(dir, UPLINKS_FILE), UPLINKS)
}

type OpenUplink = Uplink & { readonly close: () => void }

export type UplinkBookOptions = Omit<HttpUplinkOptions, 'name' | 'url' | 'caPem'> & {
  readonly dir: string
  readonly logger: Logger
}

export type UplinkBook = {
  /** Opens what the folder remembers. */
  readonly open: () => Promise<readonly Uplink[]>
  readonly settings: () => readonly UplinkSetting[]
  /** Refuses a name that is taken; remembered when resolved. */
  readonly add: (setting: UplinkSetting) => Promise<readonly Uplink[]>
  /** Refuses a name that nobody has; forgotten when resolved. */
  readonly remove: (name: string) => Promise<readonly Uplink[]>
  readonly close: () => void
}

type Openers = {
  readonly [K in UplinkKind]: (
    setting: Extract<UplinkSetting, { kind: K }>,
    options: UplinkBookOptions,
  ) => OpenUplink
}

const OPENERS: Openers = {
  https: ({ name, url, caPem }, options) =>
    openHttpUplink({ ...options, name, url, ...(caPem !== undefined && { caPem }) }),
}

function openOne(setting: UplinkSetting, options: UplinkBookOptions): OpenUplink {
  return { ...OPENERS[setting.kind](setting, options), terms: termsOf(setting) }
}

export function uplinkBook(options: UplinkBookOptions): UplinkBook {
  const { dir, logger } = options
  const path = join(dir, UPLINKS_FILE)
  const opened = new Map<string, OpenUplink>()
  let settings: readonly UplinkSetting[] = []
  const remember = async (now: readonly UplinkSetting[]): Promise<readonly Uplink[]> => {
    await writeSecret(path, JSON.stringify(now))
    settings = now
    return [...opened.values()]
  }
  return {
    open: async () => {
      for (const setting of (await recall(path, UPLINKS, logger)) ?? []) {
        try {
          opened.set(setting.name, openOne(setting, options))
          settings = [...settings, setting]
        } catch (error) {
          logger.error('an uplink cannot be used', { uplink: setting.name, reason: reasonOf(error) })
        }
      }
      return [...opened.values()]
    },
    settings: () => settings,
    add: async setting => {
      if (opened.has(setting.name))
        throw new MeshError('CONFIG_INVALID', `there is an uplink ${setting.name} already`)
      if (opened.size >= MAX_UPLINKS)
        throw new MeshError('CONFIG_INVALID', `a node has at most ${MAX_UPLINKS} uplinks`)
      opened.set(setting.name, openOne(setting, options))
      return await remember([...settings, setting])
    },
    remove: async name => {
      const uplink = opened.get(name)
      if (!uplink) throw new MeshError('CONFIG_INVALID', `there is no uplink ${name} here`)
      opened.delete(name)
      uplink.close()
      return await remember(settings.filter(setting => setting.name !== name))
    },
    close: () => {
      for (const uplink of opened.values()) uplink.close()
    },
  }
}
