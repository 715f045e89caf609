// What is wrong in a node.yaml is named with file, field, value and what would be right; a good one says everything.
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { check, parseHostPort, parseNodeConfig, writeNodeConfig } from '../src/config.ts'
import { MeshError } from '../src/errors.ts'

const GOOD = 'name: pole-07\nmesh: {}\nocpp: {}\napi: {}\n'

function refusal(text: string): string {
  try {
    parseNodeConfig('node.yaml', text)
  } catch (error) {
    if (error instanceof MeshError && error.code === 'CONFIG_INVALID') return error.message
    throw error
  }
  return 'accepted'
}

describe('a node.yaml', () => {
  it('needs a name only; the rest has defaults', () => {
    expect(parseNodeConfig('node.yaml', GOOD)).toMatchObject({
      name: 'pole-07',
      mesh: { listen: '0.0.0.0:4001', peers: [], maxPeers: 64 },
      ocpp: { listen: '127.0.0.1:8887', allowInsecure: false, heartbeatS: 300 },
      log: { level: 'info' },
    })
  })

  it.each(['127.0.0.2:8080', '[::1]:8080', 'localhost:8080'])('may have its operator plane at %s', listen => {
    const text = GOOD.replace('api: {}', `api: { listen: "${listen}" }`)
    expect(parseNodeConfig('node.yaml', text).api.listen).toBe(listen)
  })

  it('may have its operator plane where others can reach it when it says so', () => {
    const text = GOOD.replace('api: {}', 'api: { listen: "0.0.0.0:8080", allowInsecure: true }')
    expect(parseNodeConfig('node.yaml', text).api).toEqual({ listen: '0.0.0.0:8080', allowInsecure: true })
  })

  it('has a driver plane only where it says so, on loopback unless with TLS', () => {
    expect(parseNodeConfig('node.yaml', GOOD).driver).toBeUndefined()
    expect(parseNodeConfig('node.yaml', `${GOOD}driver: {}\n`).driver).toEqual({
      ...{ listen: '127.0.0.1:8890', allowInsecure: false, trustedProxies: [] },
    })
    const tls =
      '{ listen: "0.0.0.0:8890", tlsKeyFile: k, tlsCertFile: c, trustedProxies: ["10.0.0.0/8", "::1"] }'
    expect(parseNodeConfig('node.yaml', `${GOOD}driver: ${tls}\n`).driver?.listen).toBe('0.0.0.0:8890')
  })

  it('is written out in full, and reads back as it was', () => {
    const config = parseNodeConfig('node.yaml', GOOD)
    expect(parseNodeConfig('node.yaml', writeNodeConfig(config))).toEqual(config)
    expect(writeNodeConfig(config)).toContain('heartbeatS: 300')
  })

  it.each([
    ['no YAML', 'name: [', 'node.yaml: not YAML'],
    ['two documents', `${GOOD}---\n${GOOD}`, 'node.yaml: not YAML'],
    ['one field twice', `${GOOD}name: other\n`, 'node.yaml: not YAML'],
    ['nothing at all', '', '(whole file)'],
    ['a list', '- name', '(whole file)'],
    ['an alias, which could be a bomb', 'name: &a x\nmesh: { listen: *a }\nocpp: {}\napi: {}\n', 'alias'],
    [
      'an operator plane without TLS that others can reach',
      GOOD.replace('api: {}', 'api: { listen: "0.0.0.0:8080" }'),
      'api.listen = "0.0.0.0:8080": without TLS only on loopback',
    ],
    [
      'a driver plane without TLS that others can reach',
      `${GOOD}driver: { listen: "0.0.0.0:8890" }`,
      'driver.listen = "0.0.0.0:8890": without TLS only on loopback',
    ],
    [
      'a key for drivers without its certificate',
      `${GOOD}driver: { tlsKeyFile: k }`,
      'driver.tlsCertFile = missing: tlsKeyFile and tlsCertFile belong together',
    ],
    [
      'a proxy by its name',
      `${GOOD}driver: { trustedProxies: ["proxy.local"] }`,
      'driver.trustedProxies.0 = "proxy.local"',
    ],
    ['no name', 'mesh: {}\nocpp: {}\napi: {}\n', 'node.yaml: name = missing'],
    ['an empty name', GOOD.replace('pole-07', '""'), 'name = ""'],
    ['a name that is a number', GOOD.replace('pole-07', '7'), 'name = 7: Invalid input: expected string'],
    ['a name that is too long', GOOD.replace('pole-07', 'x'.repeat(49)), '<=48'],
    [
      'an address without port',
      GOOD.replace('mesh: {}', 'mesh: { listen: 10.0.0.1 }'),
      'mesh.listen = "10.0.0.1": host:port, such as',
    ],
    [
      'a port that is none',
      GOOD.replace('mesh: {}', 'mesh: { listen: "10.0.0.1:70000" }'),
      'mesh.listen = "10.0.0.1:70000"',
    ],
    [
      'a bad peer among good ones',
      GOOD.replace('mesh: {}', 'mesh: { peers: ["a:1", "b"] }'),
      'mesh.peers.1 = "b": host:port',
    ],
    ['too many peers at once', GOOD.replace('mesh: {}', 'mesh: { maxPeers: 257 }'), 'mesh.maxPeers = 257'],
    [
      'a heartbeat in milliseconds',
      GOOD.replace('ocpp: {}', 'ocpp: { heartbeatS: 300000 }'),
      'ocpp.heartbeatS = 300000',
    ],
    ['half a second', GOOD.replace('ocpp: {}', 'ocpp: { heartbeatS: 10.5 }'), 'ocpp.heartbeatS = 10.5'],
    [
      'a word for yes',
      GOOD.replace('ocpp: {}', 'ocpp: { allowInsecure: yes }'),
      'ocpp.allowInsecure = "yes"',
    ],
    [
      'a key without its certificate',
      GOOD.replace('ocpp: {}', 'ocpp: { tlsKeyFile: key.pem }'),
      'ocpp.tlsCertFile = missing',
    ],
    [
      'a certificate without its key',
      GOOD.replace('ocpp: {}', 'ocpp: { tlsCertFile: cert.pem }'),
      'ocpp.tlsKeyFile = missing',
    ],
    ['an unknown field', `${GOOD}colour: red\n`, 'colour'],
    ['a field in the wrong place', GOOD.replace('api: {}', 'api: { heartbeatS: 10 }'), 'heartbeatS'],
    [
      'a level that is none',
      `${GOOD}log: { level: loud }\n`,
      'log.level = "loud": Invalid option: expected one of "debug"',
    ],
  ])('with %s is refused by name', (_, text, said) => {
    expect(refusal(text)).toContain('node.yaml')
    expect(refusal(text)).toContain(said)
  })

  it('has every fault named at once, one a line', () => {
    const text = 'name: ""\nmesh: { maxPeers: 0 }\nocpp: { heartbeatS: 1 }\napi: { listen: x }\n'
    const lines = refusal(text).split('\n')
    expect(lines.map(line => /^node\.yaml: (\S+) = /.exec(line)?.[1])).toEqual([
      'name',
      'mesh.maxPeers',
      'ocpp.heartbeatS',
      'api.listen',
    ])
  })

  it('shows a value in at most a line of it', () => {
    expect(refusal(GOOD.replace('pole-07', 'x'.repeat(5000))).length).toBeLessThan(250)
  })
})

describe('host:port', () => {
  it.each([
    ['192.168.7.21:4001', { host: '192.168.7.21', port: 4001 }],
    ['pole-07.local:1', { host: 'pole-07.local', port: 1 }],
    ['[::1]:4001', { host: '::1', port: 4001 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['localhost:65535', { host: 'localhost', port: 65_535 }],
    ['localhost:65536', undefined],
    ['localhost:', undefined],
    ['localhost', undefined],
    [':4001', undefined],
    ['::1:4001', undefined],
    ['[::1:4001', undefined],
    ['a b:1', undefined],
    ['http://a:1', undefined],
    ['a:1\n', undefined],
    ['a:-1', undefined],
    ['a:1e3', undefined],
  ])('of %j is %j', (text, wanted) => {
    expect(parseHostPort(text)).toEqual(wanted)
  })
})

describe('a value from outside', () => {
  it.each([
    ['it is wrong itself', { idTag: 'CARD-7' }, 'idTag'],
    ['what holds it is wrong', { idTag: 'CARD', siteKey: 'SECRET-7', more: 1 }, 'more'],
  ])('that is secret is not repeated when %s', (_, value, named) => {
    const schema = z.strictObject({ idTag: z.string().max(4), siteKey: z.string().optional() })
    expect(() => check('command', schema, value)).toThrow(named)
    expect(() => check('command', schema, value)).not.toThrow(/CARD|-7/)
  })

  it('is named whole when it is wrong as a whole, and stops at twenty faults', () => {
    expect(() => check('x.json', z.string(), 7)).toThrow('x.json: (whole file) = 7')
    const many = Array.from({ length: 100 }, () => 'no number')
    expect(() => check('x.json', z.array(z.number()), many)).toThrow(/^(x\.json: \d+ = .*\n?){20}$/)
  })
})
