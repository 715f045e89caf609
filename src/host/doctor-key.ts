// Layer key: can the identity be read, by its owner only, and do its keys belong to its certificate.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { logsOf } from '../api/client.ts'
import type { Certificate, CertificateRefusal } from '../identity/certificate.ts'
import { publicKeys } from '../identity/keys.ts'
import { createRoster } from '../identity/roster.ts'
import { ed25519 } from '../identity/signature.ts'
import { sameBytes, unhex } from '../units.ts'
import { type Finding, type Patient, trouble } from './doctor-patient.ts'
import { IDENTITY_FILE, type IdentityFile, siteIdIn } from './identity-files.ts'
import type { Trouble } from './validity.ts'

export async function examineKey(patient: Patient): Promise<Finding> {
  const { dir, identity } = patient
  const file = join(dir, IDENTITY_FILE)
  if (typeof identity === 'string') return { fine: '', troubles: [trouble('fail', identity)] }
  const troubles: Trouble[] = []
  const { mode } = await stat(file)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    troubles.push(
      trouble(
        'fail',
        `${file} can be read by others on this machine (mode ${(mode & 0o777).toString(8)}): chmod 600 it, and if others were there, revoke this node and make a new one`,
      ),
    )
  const { certificate } = chainOf(identity)
  const own = publicKeys({
    peerKey: unhex(identity.keys.peerKey),
    logKey: unhex(identity.keys.logKey),
    sealKey: unhex(identity.keys.sealKey),
  })
  const foreign = (['peerKey', 'logKey', 'sealKey'] as const).filter(
    key => certificate && !sameBytes(certificate[key], own[key]),
  )
  if (foreign.length > 0)
    troubles.push(
      trouble(
        'fail',
        `${foreign.join(' and ')} of ${file} is not the one in its certificate: the file was mixed from two nodes; put the right one back, or make a new node`,
      ),
    )
  if (identity.siteKey === undefined)
    troubles.push(
      trouble('fail', `${file} has lost the site key, so no card can be recognized: make a new node`),
    )
  troubles.push(...(await forkTroubles(patient, certificate)))
  return { fine: `${file} is its owner’s alone, and its keys are those of the certificate`, troubles }
}

/** Two branches of our own log: these keys write in two places. */
async function forkTroubles(
  { running, store }: Patient,
  certificate: Certificate | undefined,
): Promise<readonly Trouble[]> {
  const said = trouble(
    'fail',
    'a log of this node has two branches: a copy of this folder wrote as well, or an old backup was put back; stop the copy, and make this a new node if there is one',
  )
  if (!certificate) return []
  if (store?.value) {
    const own = [...store.value.ledger.logs.all()].filter(
      log => log.certificate.deviceId === certificate.deviceId,
    )
    return own.some(log => log.fork) ? [said] : []
  }
  if (!running) return []
  const logs = await logsOf(running.client)
  const own = logs.filter(log => log.deviceId === certificate.deviceId)
  return own.some(log => log.forkedAt !== undefined) ? [said] : []
}

export type Chain = {
  readonly certificate: Certificate | undefined
  readonly refusal?: CertificateRefusal
}

/** Our own certificate, checked up to the site's root. */
export function chainOf({ site, certificates }: IdentityFile): Chain {
  const roster = createRoster({ signatures: ed25519() }, siteIdIn(site), unhex(site.rootKey))
  let certificate: Certificate | undefined
  for (const encoded of certificates) {
    const verdict = roster.enrol(unhex(encoded))
    if (verdict.kind === 'refused') return { certificate: undefined, refusal: verdict.reason }
    certificate = verdict.certificate
  }
  return { certificate }
}
