// Signed meter values: records of real meters and of other people's software, and ones made here for what those lack.

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Ocmf, readOcmf, readPublicKey } from '../../src/ocpp/ocmf.ts'
import { compare, examine } from '../../src/ocpp/signed.ts'

type Row = {
  readonly name: string
  readonly text: string
  readonly publicKey: string
  readonly verdict: string
}

/** Each names its source, whose licence stands beside it. */
const { records }: { readonly records: readonly Row[] } = JSON.parse(
  readFileSync(new URL('../fixtures/ocmf.json', import.meta.url), 'utf8'),
)

const PAYLOAD =
  '{"FV":"1.0","GS":"G1","PG":"T7","MS":"M1","RD":[{"TM":"2026-05-01T10:00:00,000+0000 S","TX":"B","RV":5.000,"RI":"1-b:1.8.0","RU":"kWh","ST":"G"},{"TM":"2026-05-01T11:00:00,000+0000 S","TX":"E","RV":12.500}]}'
const made = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })

function record(
  payload: string,
  privateKey: KeyObject,
  encoding: 'hex' | 'base64' = 'hex',
  about = {},
): string {
  const signature = sign('sha256', Buffer.from(payload), { key: privateKey, dsaEncoding: 'der' })
  return `OCMF|${payload}|${JSON.stringify({ ...(encoding === 'base64' && { SE: encoding }), ...about, SD: signature.toString(encoding) })}`
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ format: 'der', type: 'spki' })
}

function keyOf(text: string): readonly KeyObject[] {
  const key = readPublicKey(text)
  if (!key) throw new Error('no key')
  return [key]
}

/** As OCPP 1.6 and 2.0.1 carry it. */
function wrapped(text: string, more: Readonly<Record<string, string>> = {}): string {
  const signedMeterData = Buffer.from(text).toString('base64')
  return JSON.stringify({
    signedMeterData,
    signingMethod: '',
    encodingMethod: 'OCMF',
    publicKey: '',
    ...more,
  })
}

const GOOD = record(PAYLOAD, made.privateKey)
const oca = (der: Buffer): string => Buffer.from(`oca:base16:asn1:${der.toString('hex')}`).toString('base64')

describe('a record of OCMF', () => {
  it.each(records)('$name is $verdict', ({ text, publicKey, verdict }) => {
    expect(examine(text, keyOf(publicKey)).verdict).toBe(verdict)
    expect(examine(wrapped(text), keyOf(publicKey)).verdict).toBe(verdict)
  })

  it('is not valid any more when one digit of what was signed is another', () => {
    for (const { text, publicKey, verdict } of records.filter(row => row.verdict === 'valid')) {
      const place = text.indexOf('"RV"') + text.slice(text.indexOf('"RV"')).search(/\d/)
      const digit = text[place] === '7' ? '8' : '7'
      const changed = `${text.slice(0, place)}${digit}${text.slice(place + 1)}`
      expect([verdict, examine(changed, keyOf(publicKey)).verdict]).toEqual(['valid', 'not-valid'])
    }
  })

  it.each([
    ['in hex', spkiOf(made.publicKey).toString('hex')],
    ['in hex, in capitals, with an end of line', `${spkiOf(made.publicKey).toString('hex').toUpperCase()}\n`],
    ['in base64', spkiOf(made.publicKey).toString('base64')],
    ['as a bare point', spkiOf(made.publicKey).subarray(-65).toString('hex')],
    ['as its coordinates', spkiOf(made.publicKey).subarray(-64).toString('base64')],
    ['as PEM', made.publicKey.export({ format: 'pem', type: 'spki' }).toString()],
    ['as OCPP sends it', oca(spkiOf(made.publicKey))],
    ['as OCPP sends it, not in base64', `oca:base16:asn1:${spkiOf(made.publicKey).toString('hex')}`],
  ])('is verified by a key %s', (_how, key) => {
    expect(examine(GOOD, keyOf(key))).toMatchObject({ verdict: 'valid', keyFrom: 'given' })
    expect(examine(wrapped(GOOD, { publicKey: key }), [])).toMatchObject({
      verdict: 'valid',
      keyFrom: 'value',
    })
  })

  it('is verified with its signature in base64', () => {
    expect(examine(record(PAYLOAD, made.privateKey, 'base64'), [made.publicKey]).verdict).toBe('valid')
  })

  it('is verified with the two bare numbers of its signature', () => {
    const numbers = sign('sha256', Buffer.from(PAYLOAD), { key: made.privateKey, dsaEncoding: 'ieee-p1363' })
    const bare = `OCMF|${PAYLOAD}|{"SD":"${numbers.toString('hex')}"}`
    expect(examine(bare, [made.publicKey]).verdict).toBe('valid')
    expect(examine(bare, [other.publicKey]).verdict).toBe('not-valid')
  })

  it('is not taken for valid by the key that it brings when another was given', () => {
    const forged = wrapped(record(PAYLOAD, other.privateKey), { publicKey: oca(spkiOf(other.publicKey)) })
    expect(examine(forged, []).verdict).toBe('valid')
    expect(examine(forged, [made.publicKey])).toMatchObject({ verdict: 'not-valid' })
    expect(examine(forged, [made.publicKey, other.publicKey]).verdict).toBe('valid')
  })

  it.each([
    ['no key is known', GOOD, 'key-unknown'],
    ['it brings a key that is none', wrapped(GOOD, { publicKey: 'oca:base16:asn1:00' }), 'key-unknown'],
    ['it is another format', wrapped('1b1b1b1b', { encodingMethod: 'EDL' }), 'format-unknown'],
    ['it is called OCMF and is not', wrapped('OCMF?'), 'format-unknown'],
    ['its payload is no JSON', 'OCMF|{|{"SD":"00"}', 'format-unknown'],
    ['its signature part is missing', `OCMF|${PAYLOAD}`, 'format-unknown'],
    ['it is empty', '', 'format-unknown'],
    [
      'its algorithm is unknown',
      record(PAYLOAD, made.privateKey, 'hex', { SA: 'RSA-2048' }),
      'format-unknown',
    ],
    ['its signature is cut', GOOD.replace(/.{8}"}$/, '"}'), 'not-valid'],
    ['its signature is no hex', `OCMF|${PAYLOAD}|{"SD":"xyz"}`, 'not-valid'],
  ])('is said to be so when %s', (_what, text, verdict) => {
    expect(examine(text, []).verdict).toBe(verdict)
  })

  it('is read: who, which page, and readings that leave out what stays the same', () => {
    expect(readOcmf(GOOD)).toMatchObject({
      ...{
        payload: PAYLOAD,
        algorithm: 'ECDSA-secp256r1-SHA256',
        meter: 'M1',
        gateway: 'G1',
        page: 'T7',
        resolutionWh: 1,
      },
      readings: [
        { reason: 'B', energyWh: 5000, identification: '1-b:1.8.0', status: 'G', errors: '' },
        { reason: 'E', energyWh: 12_500, identification: '1-b:1.8.0', status: 'G', errors: '' },
      ],
    })
  })

  it('is read though a name in it holds the sign that parts its sections', () => {
    const odd = PAYLOAD.replace('"G1"', '"G|1"')
    expect(examine(record(odd, made.privateKey), [made.publicKey]).verdict).toBe('valid')
  })

  it('never throws, whatever the text is', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string().map(payload => `OCMF|${payload}|{"SD":"3000"}`),
      fc.json().map(payload => `OCMF|${payload}|{"SD":"30060201010201"}`),
      fc.json(),
      fc.record({ signedMeterData: fc.anything(), publicKey: fc.anything() }).map(one => JSON.stringify(one)),
    )
    fc.assert(
      fc.property(text, given => {
        expect(examine(given, [made.publicKey]).verdict).not.toBe('valid')
      }),
      { numRuns: 500 },
    )
  })
})

function read(readings: readonly (readonly [reason: string, kWh: string, register?: string])[]): Ocmf {
  const list = readings.map(
    ([reason, kWh, register = '1-b:1.8.0']) =>
      `{"TM":"","TX":"${reason}","RV":${kWh},"RI":"${register}","RU":"kWh","ST":"G"}`,
  )
  const found = readOcmf(`OCMF|{"RD":[${list.join()}]}|{"SD":"00"}`)
  if (!found) throw new Error('no OCMF')
  return found
}

describe('registers that were signed and those of the session', () => {
  const session = { beginWh: 5000, endWh: 12_500 }
  it.each([
    [
      'agree',
      [
        ['B', '5.000'],
        ['E', '12.500'],
      ],
      'agree',
    ],
    [
      'agree as far as they were written',
      [
        ['B', '5.0'],
        ['E', '12.6'],
      ],
      'agree',
    ],
    [
      'agree when the session was ended elsewhere',
      [
        ['B', '5.000'],
        ['C', '7.000'],
        ['R', '12.500'],
      ],
      'agree',
    ],
    [
      'agree when the meter counts from 0 each time',
      [
        ['B', '0.000'],
        ['E', '7.500'],
      ],
      'agree',
    ],
    [
      'differ',
      [
        ['B', '5.000'],
        ['E', '12.400'],
      ],
      'differ',
    ],
    [
      'differ in what flowed, though the end is the same',
      [
        ['B', '6.000'],
        ['E', '12.500'],
      ],
      'differ',
    ],
    [
      'are unknown without an end',
      [
        ['B', '5.000'],
        ['C', '12.500'],
      ],
      'unknown',
    ],
    [
      'are of the register that brings energy in',
      [
        ['B', '1.000', '1-b:2.8.0'],
        ['E', '1.000', '1-b:2.8.0'],
        ['B', '5.000'],
        ['E', '12.500'],
      ],
      'agree',
    ],
    [
      'are unknown when only what went out was signed',
      [
        ['B', '5.000', '1-b:2.8.0'],
        ['E', '12.500', '1-b:2.8.0'],
      ],
      'unknown',
    ],
  ] as const)('%s', (_what, readings, verdict) => {
    expect(compare([read(readings)], session).verdict).toBe(verdict)
  })

  it('agree when one of two registers does', () => {
    const both = read([
      ['B', '1.000', 'of the cable'],
      ['E', '2.000', 'of the cable'],
      ['B', '5.000'],
      ['E', '12.500'],
    ])
    expect(compare([both], session)).toEqual({ verdict: 'agree', signed: session })
  })

  it('may be told in two records, one for each end', () => {
    const found = compare([read([['B', '5.000']]), read([['E', '12.500']])], session)
    expect(found).toEqual({ verdict: 'agree', signed: session })
  })
})
