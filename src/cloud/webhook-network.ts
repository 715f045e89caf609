// Where a webhook's requests may go. Whoever names an address could have the receiver ask for what only it can reach: the
// cloud machine's own metadata, its neighbours. So every address that is connected to is looked at, after the name was
// resolved, and a name that means another address the next time gains nothing.
import { lookup as resolve } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'

/** `public`: the internet, and this machine where the URL says so in words; `private`: networks of one's own, too; `any`. */
export const NETWORKS = ['public', 'private', 'any'] as const
export type WebhookNetwork = (typeof NETWORKS)[number]

type Range = readonly [from: string, bits: number, family: 'ipv4' | 'ipv6']

/** Link-local, which is where clouds keep their machines' credentials, and their metadata under other addresses. */
const LINK_LOCAL: readonly Range[] = [
  ['169.254.0.0', 16, 'ipv4'],
  ['100.100.100.200', 32, 'ipv4'],
  ['168.63.129.16', 32, 'ipv4'],
  ['fe80::', 10, 'ipv6'],
  ['fd00:ec2::', 32, 'ipv6'],
  ['fd20:ce::', 32, 'ipv6'],
]
/** IANA's special-purpose registries: this machine, private networks, what is nobody's. */
const PRIVATE: readonly Range[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 127, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fec0::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
]
/** IPv6 addresses that stand for IPv4 ones which some gateway would find in them: local NAT64, 6to4, Teredo, IPv4-compatible. */
const TRANSLATED: readonly Range[] = [
  ['64:ff9b:1::', 48, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['2001::', 32, 'ipv6'],
  ['::', 96, 'ipv6'],
]
/** IPv4-mapped ones, and those of a NAT64 with the well-known prefix, are judged as what they stand for. */
const EMBEDDED = /^(?:64:ff9b::|::ffff:)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/

const privateOnes = listOf(PRIVATE)
const neverPublic = listOf([...LINK_LOCAL, ...TRANSLATED])

function listOf(ranges: readonly Range[]): BlockList {
  const list = new BlockList()
  for (const [from, bits, family] of ranges) list.addSubnet(from, bits, family)
  return list
}

/** What keeps requests from an address, or undefined. */
export function refuseAddress(address: string, network: WebhookNetwork): string | undefined {
  const family = isIP(address)
  if (family === 0) return `${address} is no address`
  if (network === 'any') return undefined
  const plain = family === 4 ? address : shortest(address)
  const [, high, low] = EMBEDDED.exec(plain) ?? []
  if (high !== undefined && low !== undefined) return refuseAddress(ipv4Of(high, low), network)
  const kind = family === 4 ? 'ipv4' : 'ipv6'
  if (network === 'public' && privateOnes.check(plain, kind))
    return `${address} is of a private network; --network private allows that`
  return neverPublic.check(plain, kind) && !isLoopback(plain)
    ? `${address} is link-local, or a cloud's metadata may be reached by it`
    : undefined
}

/** One spelling for each address, without the zone. */
function shortest(address: string): string {
  return new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname.slice(1, -1)
}

function isLoopback(address: string): boolean {
  return address === '::1'
}

function ipv4Of(high: string, low: string): string {
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
  return [a >> 8, a & 255, b >> 8, b & 255].join('.')
}

/** What is wrong with a webhook's URL, or undefined. In the clear only to this machine. */
export function refuseUrl(text: string, network: WebhookNetwork): string | undefined {
  if (text.length > MAX_URL_LENGTH || !URL.canParse(text)) return 'wanted https://...'
  const url = new URL(text)
  const isHere = isThisMachine(url)
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isHere))
    return 'wanted https://..., or http:// on this machine'
  if (url.username !== '' || url.password !== '') return 'name and password do not belong into the address'
  const host = hostOf(url)
  return isHere || isIP(host) === 0 ? undefined : refuseAddress(host, network)
}

const MAX_URL_LENGTH = 1_000

/** The URL parser has made 0x7f.1 and 2130706433 what they mean. */
function isThisMachine(url: URL): boolean {
  const host = hostOf(url)
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

/** Resolves a name for a connection, and refuses it when any of its addresses is out of bounds. */
export function guardedLookup(url: URL, network: WebhookNetwork): LookupFunction {
  const isHere = isThisMachine(url)
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, found) => {
      if (error) return callback(error, [])
      const reason = isHere
        ? undefined
        : found.flatMap(({ address }) => refuseAddress(address, network) ?? [])[0]
      if (reason !== undefined) return callback(new Error(reason), [])
      const [first] = found
      if (options.all || !first) callback(null, found)
      else callback(null, first.address, first.family)
    })
  }
}
