// Certificates over OCPP: the same commands in the words of both versions, and what chargers ask and answer.
import { describe, expect, it } from 'vitest'
import { dialectOf } from '../../src/ocpp/dialect.ts'
import type { ChargerCommand } from '../../src/ports.ts'

const [v16, v201] = [dialectOf('ocpp1.6'), dialectOf('ocpp2.0.1')]
const pem = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
const csr = '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n'
const signed: ChargerCommand = { kind: 'certificateSigned', chain: pem }
const install: ChargerCommand = { kind: 'installCertificate', certificate: pem }

describe.each([v16, v201])('a charger that asks for a certificate in $subprotocol', ({ translate }) => {
  const ask = (params: unknown, action = 'SignCertificate') => translate(action, params, () => undefined)

  it('is heard, as it spells it', () => {
    const heard = { kind: 'formality', payload: { status: 'Accepted' }, csr }
    expect(ask({ csr })).toEqual(heard)
    expect(ask({ csr }, 'signCertificate')).toEqual(heard)
    expect(ask({ csr, certificateType: 'ChargingStationCertificate' })).toEqual(heard)
  })

  it.each([
    ['nothing', {}],
    ['a number', { csr: 7 }],
    ['no request', { csr: pem }],
    ['more than there may be', { csr: csr.replace('AAAA', 'A'.repeat(10_000)) }],
    ['text behind it', { csr: `${csr}<script>` }],
    ['one for a vehicle', { csr, certificateType: 'V2GCertificate' }],
    ['no object', 'csr'],
  ])('is refused with %s', (_what, params) => {
    expect(ask(params)).toEqual({ kind: 'formality', payload: { status: 'Rejected' } })
  })
})

describe('a command about certificates', () => {
  it('is said in the words of 1.6', () => {
    expect(v16.callOf(signed, 1)).toEqual({ action: 'CertificateSigned', params: { certificateChain: pem } })
    expect(v16.callOf(install, 1)).toEqual({
      action: 'InstallCertificate',
      params: { certificateType: 'CentralSystemRootCertificate', certificate: pem },
    })
    expect(v16.callOf({ kind: 'installedCertificates' }, 1)).toEqual({
      action: 'GetInstalledCertificateIds',
      params: { certificateType: 'CentralSystemRootCertificate' },
    })
    expect(v16.callOf({ kind: 'requestCertificate' }, 1)).toEqual({
      action: 'ExtendedTriggerMessage',
      params: { requestedMessage: 'SignChargePointCertificate' },
    })
  })

  it('is said in the words of 2.0.1', () => {
    expect(v201.callOf(signed, 1)).toEqual({
      action: 'CertificateSigned',
      params: { certificateChain: pem, certificateType: 'ChargingStationCertificate' },
    })
    expect(v201.callOf(install, 1)).toEqual({
      action: 'InstallCertificate',
      params: { certificateType: 'CSMSRootCertificate', certificate: pem },
    })
    expect(v201.callOf({ kind: 'installedCertificates' }, 1)).toEqual({
      action: 'GetInstalledCertificateIds',
      params: { certificateType: ['CSMSRootCertificate'] },
    })
    expect(v201.callOf({ kind: 'requestCertificate' }, 1)).toEqual({
      action: 'TriggerMessage',
      params: { requestedMessage: 'SignChargingStationCertificate' },
    })
  })

  it('is not sent with what is no certificate, or too long a one', () => {
    for (const { callOf } of [v16, v201]) {
      expect(callOf({ ...signed, chain: csr }, 1)).toBeTypeOf('string')
      expect(callOf({ ...install, certificate: pem.replace('AAAA', 'A'.repeat(5500)) }, 1)).toBeTypeOf(
        'string',
      )
    }
  })

  it('reads what a charger has installed, and nothing else that it says', () => {
    const held = {
      ...{ hashAlgorithm: 'SHA256', issuerNameHash: 'ab12', issuerKeyHash: 'cd34', serialNumber: '0F' },
    }
    const asked: ChargerCommand = { kind: 'installedCertificates' }
    const told = { kind: 'accepted', detail: [held] }
    expect(v16.outcomeOf(asked, { status: 'Accepted', certificateHashData: [held] })).toEqual(told)
    const chain = [{ certificateType: 'CSMSRootCertificate', certificateHashData: { ...held, text: '<b>' } }]
    expect(v201.outcomeOf(asked, { status: 'Accepted', certificateHashDataChain: chain })).toEqual(told)
    expect(v16.outcomeOf(asked, { status: 'NotFound' })).toEqual({ kind: 'accepted', detail: [] })
    const odd = [null, 7, { hashAlgorithm: { a: 1 }, serialNumber: '<script>' }]
    expect(v16.outcomeOf(asked, { status: 'Accepted', certificateHashData: odd })).toEqual({
      kind: 'accepted',
      detail: [{ hashAlgorithm: '', issuerNameHash: '', issuerKeyHash: '', serialNumber: '' }],
    })
    expect(v16.outcomeOf(asked, { status: 'Failed' })).toEqual({ kind: 'rejected', status: 'Failed' })
  })
})
