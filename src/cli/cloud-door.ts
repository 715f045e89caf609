// What a receiver keeps in its data folder so that it is the same one after a restart: the certificate that every node pins,
// and the operator's token, which dashboards hold.
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { ServerCertificate } from '../cloud/tls.ts'
import { MeshError } from '../errors.ts'
import { readJson, readText, writeSecret } from '../host/identity-files.ts'
import type { Random } from '../ports.ts'
import { hex } from '../units.ts'
import { RECEIVER_FILE } from './receiver.ts'

const TLS_FILE = 'tls.json'
const KEPT = z.object({ hosts: z.array(z.string()), key: z.string(), cert: z.string() })
const TOKEN_BYTES = 24

export async function certificateIn(dir: string, hosts: readonly string[]): Promise<ServerCertificate> {
  const path = join(dir, TLS_FILE)
  if (await isThere(path)) {
    const kept = await readJson(path, KEPT, 'the certificate that nodes pin')
    const missing = hosts.filter(host => !kept.hosts.includes(host))
    if (missing.length > 0)
      throw new MeshError(
        'CONFIG_INVALID',
        `--host ${missing.join(', ')}: the certificate in ${path}, which nodes pin, is for ${kept.hosts.join(', ')}; remove it to make another, and add the uplinks again with its ca.pem`,
      )
    return { key: kept.key, cert: kept.cert, caPem: kept.cert }
  }
  const { makeServerCertificate } = await import('../cloud/tls.ts')
  const made = await makeServerCertificate(hosts)
  await writeSecret(path, `${JSON.stringify({ hosts, key: made.key, cert: made.cert })}\n`)
  return made
}

export async function operatorTokenIn(dir: string, random: Random): Promise<string> {
  const path = join(dir, RECEIVER_FILE)
  if (!(await isThere(path))) return hex(random.bytes(TOKEN_BYTES))
  return (await readJson(path, z.object({ token: z.string() }), "the operator's token")).token
}

/** A token of somebody's choice, alone in a file. */
export async function tokenIn(path: string, whose: string): Promise<string> {
  const token = (await readText(path, whose)).trim()
  if (/^[\x21-\x7e]{8,512}$/.test(token)) return token
  throw new MeshError('CONFIG_INVALID', `${path}: wanted a token of 8 to 512 characters`)
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
