import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { guardUpgrade, type RefusalReason, type UpgradeRequest } from '../../src/ocpp/guard.ts'

const basic = (user: string, password: string | Uint8Array) =>
  `Basic ${Buffer.concat([Buffer.from(`${user}:`), Buffer.from(password)]).toString('base64')}`

function asking(
  changes: Partial<UpgradeRequest> = {},
  headers: Record<string, string | undefined> = {},
): UpgradeRequest {
  const all = {
    upgrade: 'websocket',
    'sec-websocket-protocol': 'ocpp1.6',
    authorization: basic('CP1', 'password'),
    ...headers,
  }
  const rawHeaders = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [name, value],
  )
  return { method: 'GET', url: '/ocpp/CP1', headers: all, rawHeaders, ...changes }
}

const reasonOf = (request: UpgradeRequest): RefusalReason | 'claim' => {
  const guarded = guardUpgrade(request)
  return guarded.kind === 'claim' ? 'claim' : guarded.reason
}

describe('the guard', () => {
  const paths: readonly [string, RefusalReason | 'claim'][] = [
    ['/ocpp/CP1', 'claim'],
    ['/CP1', 'claim'],
    ['/some/other/prefix/CP1', 'claim'],
    ['/ocpp/CP1?token=x', 'claim'],
    ['/ocpp/%43P1', 'claim'],
    ['/x/CP%zz', 'bad-path'],
    ['/%zz/CP1', 'bad-path'],
    ['/x/CP%', 'bad-path'],
    ['/x/CP%C0%AF', 'bad-path'],
    ['/ocpp/CP1%00', 'bad-path'],
    ['/ocpp%00/CP1', 'bad-path'],
    ['/ocpp/CP1%0A', 'bad-path'],
    ['/ocpp/..', 'bad-path'],
    ['/ocpp/%2e%2e', 'bad-path'],
    ['/../CP1', 'bad-path'],
    ['/./CP1', 'bad-path'],
    ['/ocpp/a%2FCP1', 'bad-path'],
    ['/ocpp/a%5CCP1', 'bad-path'],
    ['/ocpp/CP1/', 'bad-path'],
    ['//CP1', 'bad-path'],
    ['/', 'bad-path'],
    ['', 'bad-path'],
    ['CP1', 'bad-path'],
    ['http://host/ocpp/CP1', 'bad-path'],
    [`/${'a/'.repeat(8)}CP1`, 'bad-path'],
    [`/ocpp/CP1?${'x'.repeat(300)}`, 'bad-path'],
    ['/ocpp/CP 1', 'bad-identity'],
    ['/ocpp/CP1;x', 'bad-identity'],
    ['/ocpp/...', 'bad-identity'],
    ['/ocpp/%F0%9F%94%8C', 'bad-identity'],
    [`/ocpp/${'x'.repeat(49)}`, 'bad-identity'],
  ]
  it.each(paths)('takes %j as %s', (url, reason) => {
    expect(reasonOf(asking({ url }))).toBe(reason)
  })

  const headers: readonly [string, Record<string, string | undefined>, RefusalReason | 'claim'][] = [
    ['another user', { authorization: basic('CP2', 'password') }, 'wrong-user'],
    ['the user in another case', { authorization: basic('cp1', 'password') }, 'wrong-user'],
    [
      'the scheme in another case',
      { authorization: basic('CP1', 'password').replace('Basic', 'BASIC') },
      'claim',
    ],
    ['only OCPP 2.1', { 'sec-websocket-protocol': 'ocpp2.1' }, 'bad-subprotocol'],
    ['OCPP 2.1 and 2.0.1', { 'sec-websocket-protocol': 'ocpp2.1, ocpp2.0.1' }, 'claim'],
    ['OCPP 1.6 among others', { 'sec-websocket-protocol': 'ocpp2.0.1, OCPP1.6' }, 'claim'],
    ['no subprotocol', { 'sec-websocket-protocol': undefined }, 'claim'],
    ['no upgrade', { upgrade: 'h2c' }, 'bad-request'],
    ['too much header', { x: 'y'.repeat(9000) }, 'bad-headers'],
  ]
  it.each(headers)('with %s', (_what, changed, reason) => {
    expect(reasonOf(asking({}, changed))).toBe(reason)
  })

  const nameless: readonly [string, string | undefined][] = [
    ['no password', undefined],
    ['another scheme', 'Bearer abc'],
    ['base64 that is none', 'Basic §§§'],
    ['no colon', `Basic ${Buffer.from('CP1').toString('base64')}`],
    ['a long password', basic('CP1', 'x'.repeat(300))],
  ]
  it.each(nameless)('leaves %s to the security profile', (_what, authorization) => {
    expect(guardUpgrade(asking({}, { authorization }))).toMatchObject({
      kind: 'claim',
      claim: { password: undefined },
    })
  })

  it('refuses too many headers and other methods', () => {
    expect(reasonOf(asking({ rawHeaders: Array.from({ length: 130 }, () => 'x') }))).toBe('bad-headers')
    expect(reasonOf(asking({ method: 'POST' }))).toBe('bad-request')
  })

  it('keeps a binary password and the charger’s own spelling of the subprotocol', () => {
    const password = Uint8Array.from([0, 255, 58, 10, 13, 1, 2, 3])
    const guarded = guardUpgrade(
      asking({}, { authorization: basic('CP1', password), 'sec-websocket-protocol': ' OCPP1.6 ' }),
    )
    expect(guarded).toEqual({ kind: 'claim', claim: { chargerId: 'CP1', password, subprotocol: 'OCPP1.6' } })
  })

  it('never throws, whatever stands in path and headers', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (path, authorization, subprotocol) => {
        guardUpgrade(asking({ url: `/${path}` }, { authorization, 'sec-websocket-protocol': subprotocol }))
        guardUpgrade(asking({ url: `/ocpp/%${path}` }, { authorization: `Basic ${authorization}` }))
      }),
      { numRuns: 1000 },
    )
  })
})
