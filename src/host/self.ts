// Who this node is: its keys, its certificate and the devices that its folder knows.
import { MeshError } from '../errors.ts'
import { createRoster } from '../identity/roster.ts'
import { ed25519 } from '../identity/signature.ts'
import type { NodeDeps } from '../node.ts'
import { unhex } from '../units.ts'
import { type IdentityFile, siteIdIn } from './identity-files.ts'
import { systemClock, systemRandom } from './system.ts'

export type Self = Pick<NodeDeps, 'roster' | 'signatures' | 'certificate' | 'logKey' | 'clock' | 'random'>

export function ownIdentity(dir: string, identity: IdentityFile): Self {
  const [clock, random, signatures] = [systemClock(), systemRandom(), ed25519()]
  const roster = createRoster({ signatures }, siteIdIn(identity.site), unhex(identity.site.rootKey))
  for (const encoded of identity.certificates) roster.enrol(unhex(encoded))
  const certificate = roster.all().at(-1)
  if (!certificate)
    throw new MeshError(
      'CERTIFICATE_INVALID',
      `${dir}: the certificate is not one of this site; \`chargemesh doctor\` says what to do`,
    )
  return { roster, signatures, certificate, logKey: unhex(identity.keys.logKey), clock, random }
}
