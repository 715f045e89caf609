// A receiver's own TLS certificate, for a cloud without a public one: made once, and pinned by the nodes as `caPem`.
import { isIP } from 'node:net'
import { generate } from 'selfsigned'
import { MeshError } from '../errors.ts'

export type ServerCertificate = { readonly key: string; readonly cert: string; readonly caPem: string }

const LIFE_DAYS = 3650
/** Certificates are valid from a little before they are made: nodes' clocks are not exact. */
const BACKDATED_DAYS = 30
const DAY_MS = 24 * 3600 * 1000

/** P-256, self-signed, for these names and addresses; ten years, because every node pins this very certificate. */
export async function makeServerCertificate(
  hosts: readonly string[],
  nowAt: number = Date.now(),
): Promise<ServerCertificate> {
  const [first] = hosts
  if (first === undefined) throw new MeshError('CONFIG_INVALID', 'a server certificate needs a host')
  const made = await generate([{ name: 'commonName', value: first.slice(0, 64) }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(nowAt - BACKDATED_DAYS * DAY_MS),
    notAfterDate: new Date(nowAt + LIFE_DAYS * DAY_MS),
    extensions: [
      { name: 'basicConstraints', cA: true, pathLenConstraint: 0, critical: true },
      { name: 'keyUsage', digitalSignature: true, keyCertSign: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      {
        name: 'subjectAltName',
        altNames: hosts.map(host => (isIP(host) ? { type: 7, ip: host } : { type: 2, value: host })),
      },
    ],
  })
  return { key: made.private, cert: made.cert, caPem: made.cert }
}
