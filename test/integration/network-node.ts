// A mesh node on loopback for tests: real libp2p on an ephemeral port, short times, everything it hears written down.
import { randomBytes } from 'node:crypto'
import type { HostNetwork } from '../../src/host/network.ts'
import { openNetwork } from '../../src/host/network.ts'
import type { NetworkLimits } from '../../src/host/network-limits.ts'
import type { NetworkOptions } from '../../src/host/network-options.ts'
import type { KnownAddress, StaticPeer } from '../../src/host/peers.ts'
import type { Roster } from '../../src/identity/roster.ts'
import type { DeviceId } from '../../src/units.ts'
import { SITE_OPENED_AT, type TestDevice, type TestSite } from '../site.ts'

/** Ten times faster than in the field, where a time is waited for at all. */
export const SHORT: Partial<NetworkLimits> = {
  keepAliveMs: 200,
  answerMs: 1_000,
  idleMs: 200,
  silenceMs: 1_000,
  stallMs: 800,
  doubleMs: 300,
  refusalMs: 500,
  redialFirstMs: 50,
  redialMaxMs: 400,
  hintDialMs: 100,
  exchangeMs: 50,
  multicastMs: 200,
  dialMs: 1_000,
}

export type MeshNode = {
  readonly network: HostNetwork
  readonly deviceId: DeviceId
  readonly roster: Roster
  readonly port: number
  readonly heard: { from: DeviceId; text: string; bytes: Uint8Array }[]
  /** `+name` and `-name` of devices that came and went, in order. */
  readonly comings: string[]
  readonly saved: (readonly KnownAddress[])[]
  readonly warnings: { event: string; reason: unknown; saidByPeer: unknown }[]
}

export type MeshNodeOptions = Partial<
  Pick<
    NetworkOptions,
    'maxPeers' | 'limits' | 'keys' | 'clock' | 'onPeer' | 'onMessage' | 'listen' | 'finding'
  >
> & {
  readonly site: TestSite
  readonly device: TestDevice
  readonly peers?: readonly (number | StaticPeer)[]
  readonly known?: readonly KnownAddress[]
  readonly certificates?: readonly Uint8Array[]
  /** Other devices that its roster knows already. */
  readonly enrolled?: readonly TestDevice[]
}

const opened: HostNetwork[] = []

/** Closes every node that a test has opened. */
export async function closeNodes(): Promise<void> {
  await Promise.all(opened.splice(0).map(network => network.close()))
}

export function at(port: number): StaticPeer {
  return { host: '127.0.0.1', port }
}

export async function openNode(options: MeshNodeOptions): Promise<MeshNode> {
  const { site, device } = options
  const roster = site.roster([device, ...(options.enrolled ?? [])])
  const heard: MeshNode['heard'] = []
  const comings: string[] = []
  const saved: MeshNode['saved'] = []
  const warnings: MeshNode['warnings'] = []
  const network = await openNetwork({
    keys: options.keys ?? device.keys,
    certificates: () => options.certificates ?? [site.issuer.certificate.encoded, device.certificate.encoded],
    roster,
    signatures: site.signatures,
    clock: options.clock ?? siteClock(),
    random: { bytes: length => new Uint8Array(randomBytes(length)) },
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: (event, fields) =>
        warnings.push({ event, reason: fields?.reason, saidByPeer: fields?.saidByPeer }),
      error: (event, fields) => warnings.push({ event, reason: fields?.reason, saidByPeer: undefined }),
    },
    listen: options.listen ?? { host: '127.0.0.1', port: 0 },
    staticPeers: (options.peers ?? []).map(peer => (typeof peer === 'number' ? at(peer) : peer)),
    lastKnown: {
      load: async () => options.known ?? [],
      save: async list => {
        saved.push(list)
      },
    },
    limits: { ...SHORT, ...options.limits },
    ...(options.finding && { finding: options.finding }),
    ...(options.maxPeers !== undefined && { maxPeers: options.maxPeers }),
    onPeer: (deviceId, certificate) => {
      comings.push(`+${certificate.name}`)
      options.onPeer?.(deviceId, certificate)
    },
    onPeerGone: deviceId => comings.push(`-${roster.byDevice(deviceId)?.name}`),
    onMessage: (from, bytes) => {
      heard.push({ from, text: Buffer.from(bytes.subarray(0, 64)).toString(), bytes })
      options.onMessage?.(from, bytes)
    },
  })
  opened.push(network)
  const port = Number(network.addresses()[0]?.split(':').at(-1))
  return { network, deviceId: device.certificate.deviceId, roster, port, heard, comings, saved, warnings }
}

/** The day on which the test site's certificates are in force, and a clock that runs. */
export function siteClock(aheadMs = 0): NetworkOptions['clock'] {
  return { wallMs: () => SITE_OPENED_AT + aheadMs, monotonicMs: () => performance.now() }
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}
