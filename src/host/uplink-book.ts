// The ways out of a node and the file that remembers them. Each kind has an opener; what cannot be opened at a start is
// said and left out, and never keeps a node from starting.
import { join } from 'node:path'
import { z } from 'zod'
import { MeshError, reasonOf } from '../errors.ts'
import type { Logger, Random, Uplink } from '../ports.ts'
import type { StoreKeys } from '../store/sealing.ts'
import type { ChargerId } from '../units.ts'
import { type Agreeing, createAgreeing } from '../uplink/agreeing.ts'
import { type OpenCsms, openCsms } from '../uplink/csms.ts'
import { type AskReceiver, type HttpUplinkOptions, openHttpUplink } from '../uplink/http.ts'
import { openMqttUplink } from '../uplink/mqtt.ts'
import {
  type CsmsSetting,
  type PushSetting,
  REMEMBERED_SETTING,
  termsOf,
  type UplinkSetting,
} from '../uplink/setting.ts'
import type { CentralSystem, UpstreamCall } from '../upstream.ts'
import { writeSecret } from './identity-files.ts'
import { UPLINKS_FILE } from './node-files.ts'
import { look, recall } from './node-memory.ts'
import { createTurns } from './turns.ts'
import { type UplinkSecrets, uplinkSecrets } from './uplink-secrets.ts'

const MAX_UPLINKS = 8
const uplinksIn = ({ open }: UplinkSecrets) =>
  z.array(z.preprocess(open, REMEMBERED_SETTING)).max(MAX_UPLINKS)

export async function rememberedUplinks(dir: string): Promise<readonly UplinkSetting[] | undefined> {
  return await look(join(dir, UPLINKS_FILE), uplinksIn(uplinkSecrets([])))
}

type OpenUplink = Uplink & { readonly ask?: AskReceiver; readonly close: () => void }

export type UplinkBookOptions = Omit<HttpUplinkOptions, 'name' | 'url' | 'caPem'> & {
  readonly dir: string
  /** Of the node's store: what is secret in a setting lies under them, where there are any. */
  readonly storeKeys?: StoreKeys
  readonly logger: Logger
  readonly rootKey: Uint8Array
  readonly random: Random
  /** Takes what is open now, each time that changes. */
  readonly give: (ways: Ways) => void
  /** What a central system asks of a charger. */
  readonly onCall?: (
    from: Pick<CentralSystem, 'name' | 'terms'>,
    chargerId: ChargerId,
    call: UpstreamCall,
  ) => Promise<UpstreamCall['payload'] | undefined>
}

/** By which logs leave, and who is told of sessions. */
export type Ways = { readonly uplinks: readonly Uplink[]; readonly centralSystems: readonly CentralSystem[] }

export type UplinkBook = {
  /** Opens what the folder remembers. */
  readonly open: () => Promise<void>
  readonly settings: () => readonly UplinkSetting[]
  /** Refuses a name that is taken; remembered when resolved. */
  readonly add: (setting: UplinkSetting) => Promise<void>
  /** Refuses a name that nobody has; forgotten when resolved. */
  readonly remove: (name: string) => Promise<void>
  readonly close: () => Promise<void>
}

function openPush(setting: PushSetting, options: UplinkBookOptions): OpenUplink {
  const { name, url, caPem } = setting
  const ca = caPem === undefined ? {} : { caPem }
  switch (setting.kind) {
    case 'https':
      return openHttpUplink({ ...options, name, url, ...ca })
    case 'mqtt': {
      const { username, password } = setting
      const login = {
        ...(username !== undefined && { username }),
        ...(password !== undefined && { password }),
      }
      return openMqttUplink({ ...options, name, url, ...ca, ...login })
    }
  }
}

type OpenWay =
  | { readonly kind: 'push'; readonly uplink: OpenUplink }
  | { readonly kind: 'csms'; readonly central: OpenCsms; readonly turn: Agreeing | undefined }
type AskerNamed = (name: string) => AskReceiver | undefined

function openOne(setting: UplinkSetting, options: UplinkBookOptions, askerNamed: AskerNamed): OpenWay {
  if (setting.kind === 'csms') {
    const { name: uplink, agreeAt } = setting
    const turn =
      agreeAt === undefined
        ? undefined
        : createAgreeing({ ...options, uplink, ask: () => askerNamed(agreeAt) })
    return { kind: 'csms', central: openCentral(setting, options, turn), turn }
  }
  const uplink = { ...openPush(setting, options), terms: termsOf(setting) }
  return { kind: 'push', uplink }
}

function openCentral(
  setting: CsmsSetting,
  { logger, onCall }: UplinkBookOptions,
  turn: Agreeing | undefined,
): OpenCsms {
  const { name, url, caPem, passwords, defaultPassword, protocol, lostAnswers } = setting
  const { shadow, live, commands, chargers, unknownCard, sinceAt } = setting
  const terms = {
    ...{ protocol, lostAnswers, shadow, live, commands },
    ...(chargers && { chargers }),
    ...(unknownCard !== undefined && { unknownCard }),
    ...(sinceAt !== undefined && { sinceAt }),
  }
  return openCsms({
    ...{ name, url, logger, terms },
    ...(turn && { turn }),
    ...(caPem !== undefined && { caPem }),
    password: chargerId => (Object.hasOwn(passwords, chargerId) ? passwords[chargerId] : defaultPassword),
    ...(onCall && commands && { onCall: (id, call) => onCall({ name, terms }, id, call) }),
  })
}

/** Lines first: nothing is under way when the turn is given up. */
async function closeWay(way: OpenWay): Promise<void> {
  if (way.kind === 'push') return way.uplink.close()
  way.central.close()
  await way.turn?.close()
}

export function uplinkBook(options: UplinkBookOptions): UplinkBook {
  const { dir, logger, storeKeys = [] } = options
  const secrets = uplinkSecrets(storeKeys)
  const path = join(dir, UPLINKS_FILE)
  const opened = new Map<string, OpenWay>()
  const askerNamed: AskerNamed = name => {
    const way = opened.get(name)
    return way?.kind === 'push' ? way.uplink.ask : undefined
  }
  const give = (): void => {
    const ways = [...opened.values()]
    options.give({
      uplinks: ways.flatMap(way => (way.kind === 'push' ? [way.uplink] : [])),
      centralSystems: ways.flatMap(way => (way.kind === 'csms' ? [way.central] : [])),
    })
  }
  let settings: readonly UplinkSetting[] = []
  const remember = async (now: readonly UplinkSetting[]): Promise<void> => {
    await writeSecret(path, JSON.stringify(now.map(secrets.seal)))
    settings = now
    give()
  }
  const add = async (setting: UplinkSetting): Promise<void> => {
    const { name } = setting
    if (settings.some(one => one.name === name))
      throw new MeshError('CONFIG_INVALID', `there is an uplink ${name} already`)
    if (settings.length >= MAX_UPLINKS)
      throw new MeshError('CONFIG_INVALID', `a node has at most ${MAX_UPLINKS} uplinks`)
    const way = openOne(setting, options, askerNamed)
    opened.set(name, way)
    try {
      await remember([...settings, setting])
    } catch (error) {
      opened.delete(name)
      await closeWay(way)
      throw error
    }
  }
  const remove = async (name: string): Promise<void> => {
    if (!settings.some(one => one.name === name))
      throw new MeshError('CONFIG_INVALID', `there is no uplink ${name} here`)
    const way = opened.get(name)
    opened.delete(name)
    try {
      await remember(settings.filter(one => one.name !== name))
    } catch (error) {
      if (way) opened.set(name, way)
      throw error
    }
    if (way) await closeWay(way)
  }
  // Each change writes the whole file.
  const turns = createTurns(1)
  return {
    open: async () => {
      // One that cannot be used is remembered all the same: it may be again, and only a person takes it away.
      settings = (await recall(path, uplinksIn(secrets), logger)) ?? []
      for (const setting of settings) {
        try {
          opened.set(setting.name, openOne(setting, options, askerNamed))
        } catch (error) {
          logger.error('an uplink cannot be used', { uplink: setting.name, reason: reasonOf(error) })
        }
      }
      give()
    },
    settings: () => settings,
    add: setting => turns.take(() => add(setting)),
    remove: name => turns.take(() => remove(name)),
    close: async () => {
      const ways = [...opened.values()]
      // Turns are given up at a receiver, over uplinks that are open until then.
      await Promise.all(ways.filter(({ kind }) => kind === 'csms').map(closeWay))
      await Promise.all(ways.filter(({ kind }) => kind === 'push').map(closeWay))
    },
  }
}
