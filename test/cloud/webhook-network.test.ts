// Where webhooks may send a request, and where they may not.
import { describe, expect, it } from 'vitest'
import { refuseAddress, refuseUrl } from '../../src/cloud/webhook-network.ts'
import { signatureOf } from '../../src/cloud/webhook-post.ts'

const PUBLIC = ['93.184.216.34', '2606:4700::1111', '::ffff:93.184.216.34', '64:ff9b::5db8:d822']
const PRIVATE = [
  ...[
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.254',
    '192.168.1.1',
    '100.64.0.1',
    '127.0.0.1',
    '127.9.9.9',
    '0.0.0.0',
  ],
  ...[
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    'fd12::1',
    'fc00::1',
    'ff02::1',
    '::ffff:10.0.0.1',
    '::ffff:127.0.0.1',
  ],
  '64:ff9b::a00:1',
]
const LINK_LOCAL = [
  ...['169.254.169.254', '169.254.0.1', '100.100.100.200', 'fe80::1', 'fe80::1%eth0', 'fd00:ec2::254'],
  ...['::ffff:169.254.169.254', '::ffff:a9fe:a9fe', '0:0:0:0:0:ffff:a9fe:a9fe', '64:ff9b::a9fe:a9fe'],
  ...['2002:a9fe:a9fe::1', '64:ff9b:1::a9fe:a9fe', '::a9fe:a9fe', '2001:0:1:2:3:4:5601:5601'],
]

describe('an address that a webhook connects to', () => {
  it.each(PUBLIC)('is of the internet: %s', address => {
    expect(refuseAddress(address, 'public')).toBeUndefined()
  })

  it.each(PRIVATE)('is of a network of one’s own, which has to be said: %s', address => {
    expect(refuseAddress(address, 'public')).toBeDefined()
    expect(refuseAddress(address, 'private')).toBeUndefined()
  })

  it.each(LINK_LOCAL)('is link-local or may lead to it: %s', address => {
    expect(refuseAddress(address, 'public')).toBeDefined()
    expect(refuseAddress(address, 'private')).toBeDefined()
    expect(refuseAddress(address, 'any')).toBeUndefined()
  })
})

describe('the URL of a webhook', () => {
  it.each([
    'https://shop.example/hooks?a=1',
    'http://127.0.0.1:3000/',
    'http://localhost:3000',
    'https://[::1]:8443/',
  ])('may be %s', url => {
    expect(refuseUrl(url, 'public')).toBeUndefined()
  })

  it.each([
    ['', 'wanted'],
    ['shop.example', 'wanted'],
    ['http://shop.example/', 'wanted'],
    ['ftp://127.0.0.1/', 'wanted'],
    ['http://localhost.shop.example/', 'wanted'],
    ['https://admin:secret@shop.example/', 'password'],
    ['https://169.254.169.254/latest', 'metadata'],
    ['https://[::ffff:a9fe:a9fe]/latest', 'metadata'],
    ['https://2852039166/latest', 'metadata'],
    ['https://10.0.0.1/', 'private'],
    [`https://shop.example/${'a'.repeat(1_000)}`, 'wanted'],
  ])('may not be %s', (url, reason) => {
    expect(refuseUrl(url, 'public')).toContain(reason)
  })
})

it('signs as the standard’s own example is signed', () => {
  const signature = signatureOf({
    ...{ url: '', network: 'public', eventId: 'msg_p5jXN8AQM9LWM0D4loKWxJek' },
    ...{ body: '{"test": 2432232314}', nowAt: 1_614_265_330_999 },
    secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
  })
  expect(signature).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
})
