// Certificates over OCPP (1.6 security whitepaper, 5 and 6; 2.0.1, blocks A and M): a charger asks for one, and waits until the
// operator has signed it; it is given the site's authority. What a charger asks for is kept in memory, one request a charger:
// it asks again when nothing comes.
import type { ChargerCommand, CommandOutcome } from '../ports.ts'
import type { Payload } from './answers.ts'
import type { Call } from './commands.ts'
import type { Formality } from './draft.ts'
import { type Fields, field, isObject } from './repair.ts'

export const MAX_CSR_CHARACTERS = 10_000
/** OCPP 1.6 security whitepaper, 5.1 and 5.8. */
const MAX_CHAIN_CHARACTERS = 10_000
const MAX_CERTIFICATE_CHARACTERS = 5500
const MAX_INSTALLED = 64

export type CertificateCommand = Extract<
  ChargerCommand,
  { kind: 'certificateSigned' | 'installCertificate' | 'installedCertificates' | 'requestCertificate' }
>

/** SignCertificate.req: the operator may look at it when it could be a request, and is for OCPP, not for a vehicle. */
export function signRequest(fields: Fields): Formality {
  const csr = field(fields, 'csr')
  const isOurs = field(fields, 'certificateType') !== 'V2GCertificate'
  const looksRight =
    typeof csr === 'string' &&
    csr.length <= MAX_CSR_CHARACTERS &&
    /^-----BEGIN [A-Z ]*CERTIFICATE REQUEST-----[\sA-Za-z0-9+/=]+-----END [A-Z ]*CERTIFICATE REQUEST-----\s*$/.test(
      csr,
    )
  if (!isOurs || !looksRight) return { kind: 'formality', payload: { status: 'Rejected' } }
  return { kind: 'formality', payload: { status: 'Accepted' }, csr }
}

type Version = '1.6' | '2.0.1'

export function isCertificateCommand(command: ChargerCommand): command is CertificateCommand {
  return command.kind in CALLS
}

const CALLS = {
  certificateSigned: true,
  installCertificate: true,
  installedCertificates: true,
  requestCertificate: true,
} satisfies Record<CertificateCommand['kind'], true>

/** The CALL, or why it may not be sent. */
export function certificateCall(command: CertificateCommand, version: Version): Call | string {
  const isOld = version === '1.6'
  const root = isOld ? 'CentralSystemRootCertificate' : 'CSMSRootCertificate'
  switch (command.kind) {
    case 'certificateSigned': {
      if (!isPem(command.chain, MAX_CHAIN_CHARACTERS)) return 'that is no certificate in PEM'
      const type = isOld ? {} : { certificateType: 'ChargingStationCertificate' }
      return { action: 'CertificateSigned', params: { certificateChain: command.chain, ...type } }
    }
    case 'installCertificate': {
      const { certificate } = command
      if (!isPem(certificate, MAX_CERTIFICATE_CHARACTERS)) return 'that is no certificate in PEM'
      return { action: 'InstallCertificate', params: { certificateType: root, certificate } }
    }
    case 'installedCertificates':
      return { action: 'GetInstalledCertificateIds', params: { certificateType: isOld ? root : [root] } }
    case 'requestCertificate':
      return isOld
        ? { action: 'ExtendedTriggerMessage', params: { requestedMessage: 'SignChargePointCertificate' } }
        : { action: 'TriggerMessage', params: { requestedMessage: 'SignChargingStationCertificate' } }
  }
}

function isPem(text: string, most: number): boolean {
  return text.length <= most && text.startsWith('-----BEGIN CERTIFICATE-----')
}

/** What a charger has installed, as it says; undefined where the answer is like that of any command. */
export function installedOutcome(command: ChargerCommand, payload: Payload): CommandOutcome | undefined {
  if (command.kind !== 'installedCertificates') return undefined
  if (payload.status === 'NotFound') return { kind: 'accepted', detail: [] }
  if (payload.status !== 'Accepted') return undefined
  const held = Array.isArray(payload.certificateHashDataChain)
    ? payload.certificateHashDataChain.map(one => (isObject(one) ? one.certificateHashData : undefined))
    : payload.certificateHashData
  const detail = (Array.isArray(held) ? held : []).slice(0, MAX_INSTALLED).flatMap(one => {
    if (!isObject(one)) return []
    const words = [one.hashAlgorithm, one.issuerNameHash, one.issuerKeyHash, one.serialNumber].map(hexWord)
    const [hashAlgorithm, issuerNameHash, issuerKeyHash, serialNumber] = words
    return [{ hashAlgorithm, issuerNameHash, issuerKeyHash, serialNumber }]
  })
  return { kind: 'accepted', detail }
}

function hexWord(value: unknown): string {
  return typeof value === 'string' && /^[A-Za-z0-9:]{1,128}$/.test(value) ? value : ''
}
