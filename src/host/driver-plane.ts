// Opens the driver's plane where node.yaml asks for one, and keeps what drivers wait for in the node's folder, sealed as
// the store is.
import { createSecureContext } from 'node:tls'
import { type DriverDeps, type DriverPlane, openDriverPlane } from '../api/driver.ts'
import type { NodeConfig } from '../config.ts'
import { MeshError, reasonOf } from '../errors.ts'
import { utf8Bytes } from '../identity/hash.ts'
import type { Disk, Logger } from '../ports.ts'
import { type StoreKeys, sealerOf } from '../store/sealing.ts'
import { readText } from './identity-files.ts'
import { listening } from './listening.ts'

/** Below the folder of the node. */
const WISHES_FILE = 'driver/wishes'

export type DriverPlaneOptions = Omit<DriverDeps, 'listen' | 'tls' | 'trustedProxies' | 'memory'> & {
  readonly config: NodeConfig
  readonly disk: Disk
  readonly storeKeys: StoreKeys
}

/** Undefined where the settings ask for none. */
export async function openDrivers(options: DriverPlaneOptions): Promise<DriverPlane | undefined> {
  const { config, disk, storeKeys, ...deps } = options
  const { driver } = config
  if (!driver) return undefined
  const tls = await tlsOf(driver)
  const memory = driverMemory(disk, storeKeys, deps.logger)
  const { trustedProxies } = driver
  return await listening('driver.listen', driver.listen, listen =>
    openDriverPlane({ ...deps, memory, listen, tls, trustedProxies }),
  )
}

async function tlsOf({
  tlsKeyFile,
  tlsCertFile,
}: NonNullable<NodeConfig['driver']>): Promise<DriverDeps['tls']> {
  if (tlsKeyFile === undefined || tlsCertFile === undefined) return undefined
  const key = await readText(tlsKeyFile, 'driver.tlsKeyFile')
  const cert = await readText(tlsCertFile, 'driver.tlsCertFile')
  try {
    createSecureContext({ key, cert })
  } catch (error) {
    const what =
      'driver.tlsKeyFile and driver.tlsCertFile are no key and certificate (PEM) that belong together'
    throw new MeshError('CONFIG_INVALID', what, error)
  }
  return { key, cert }
}

/** One byte names the key, 0 for none; then JSON, sealed or plain. Written whole, in order. */
export function driverMemory(disk: Disk, storeKeys: StoreKeys, logger: Logger): DriverDeps['memory'] {
  const sealer = sealerOf(storeKeys, 'driver')
  let last: Promise<void> = Promise.resolve()
  /** What is written next, and for whom: on a slow disk only the newest words wait, however often they change. */
  let next: { wishes: unknown; readonly written: Promise<void> } | undefined
  const write = async (): Promise<void> => {
    const plain = utf8Bytes(JSON.stringify(next?.wishes))
    next = undefined
    const [keyId, held] = sealer ? [sealer.keyId, sealer.seal(plain)] : [0, plain]
    await disk.replace(WISHES_FILE, Buffer.concat([Uint8Array.of(keyId), held]))
  }
  return {
    load: async () => {
      const bytes = await disk.read(WISHES_FILE)
      if (!bytes || bytes.length === 0) return undefined
      const [keyId = 0] = bytes
      const held = bytes.subarray(1)
      const plain = keyId === 0 ? held : (sealer?.open(keyId, held) ?? 'unknown')
      try {
        if (typeof plain === 'string')
          throw new Error(`it was sealed with a key that does not open it: ${plain}`)
        return JSON.parse(Buffer.from(plain).toString('utf8')) as unknown
      } catch (error) {
        // Drivers ask again; a node that does not start helps nobody.
        logger.error('what drivers waited for cannot be read: the node goes on without', {
          file: WISHES_FILE,
          reason: reasonOf(error),
        })
        return undefined
      }
    },
    save: wishes => {
      if (next) next.wishes = wishes
      else {
        // The newest words come last, whatever became of those before.
        last = last.then(write, write)
        next = { wishes, written: last }
      }
      return next.written
    },
  }
}
