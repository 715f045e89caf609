// Layer certificate: is it one of this site, for a node, in force, and not revoked as far as this node has heard.
import { z } from 'zod'
import { check } from '../config.ts'
import { type Certificate, type CertificateRefusal, siteIdOf } from '../identity/certificate.ts'
import { unhex } from '../units.ts'
import { chainOf } from './doctor-key.ts'
import { type Finding, NOT_CHECKED, type Patient, trouble } from './doctor-patient.ts'
import { dayOf, type Trouble, validityTrouble } from './validity.ts'

const ANEW = 'make a new node with `chargemesh node invite`'

const REFUSALS: Readonly<Record<CertificateRefusal, string>> = {
  malformed: `the certificate cannot be read: put identity.json back from a copy, or ${ANEW}`,
  'unknown-version': 'the certificate is of a later version: update chargemesh on this machine',
  'foreign-site': `the certificate is of another site than the one in identity.json: ${ANEW} of this site`,
  'unknown-issuer': `the certificate of who issued this one is missing or of another site: ${ANEW}`,
  'not-an-issuer': `the certificate was signed by somebody who may not: ${ANEW}`,
  'bad-signature': `the certificate was changed after it was signed: ${ANEW}`,
  'bad-key': `the certificate names a key that proves nothing: ${ANEW}`,
}

const DEVICES = z.array(z.object({ deviceId: z.string(), notAfterAt: z.number(), revoked: z.boolean() }))

export async function examineCertificate(patient: Patient): Promise<Finding> {
  const { identity, nowAt } = patient
  if (typeof identity === 'string') return NOT_CHECKED
  const { site } = identity
  const fail = (says: string): Finding => ({ fine: '', troubles: [trouble('fail', says)] })
  if (siteIdOf(unhex(site.rootKey)) !== site.siteId)
    return fail(`the site in identity.json is not the one that its root key names: ${ANEW}`)
  const { certificate, refusal } = chainOf(identity)
  if (!certificate) return fail(REFUSALS[refusal ?? 'malformed'])
  const troubles: Trouble[] = []
  if (!certificate.roles.includes('node'))
    troubles.push(
      trouble('fail', `the certificate is one of ${certificate.roles.join(', ')}, not of a node: ${ANEW}`),
    )
  const newest = await newestOf(patient, certificate)
  const validity = validityTrouble(newest, nowAt)
  if (validity) troubles.push(validity)
  if (newest.isRevoked)
    troubles.push(
      trouble('fail', `this node was revoked, and others refuse it: ${ANEW}, in a folder of its own`),
    )
  return {
    fine: `${certificate.name} of ${site.name}, signed down from the site’s root, until ${dayOf(newest.notAfterAt)}`,
    troubles,
  }
}

/** The operator renews certificates unasked, and the log has them; as far as this node itself has heard. */
async function newestOf(
  { running, store }: Patient,
  certificate: Certificate,
): Promise<{ readonly notAfterAt: number; readonly isRevoked: boolean }> {
  if (store?.value) {
    const own = store.value.ledger.ownCertificate()
    return { notAfterAt: own.notAfterAt, isRevoked: store.value.ledger.isVoid(own) }
  }
  const devices = running ? check('devices', DEVICES, await running.client.get('/v1/devices')) : []
  const own = devices.find(one => one.deviceId === certificate.deviceId)
  return { notAfterAt: own?.notAfterAt ?? certificate.notAfterAt, isRevoked: own?.revoked ?? false }
}
