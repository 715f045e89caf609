import { generateKeyPair, privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { ConnectionGater, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, it } from 'vitest'
import { createGate, type Gate } from '../../src/host/network-gate.ts'
import {
  counter,
  type GateRefusal,
  MAX_CONNECTIONS_PER_PEER,
  NETWORK_LIMITS,
} from '../../src/host/network-limits.ts'
import { publicKeys } from '../../src/identity/keys.ts'
import { concatBytes, type DeviceId, hex } from '../../src/units.ts'
import { type TestDevice, testSite } from '../site.ts'

const site = testSite('gate')
const [alice, bob] = [site.device('alice'), site.device('bob')]

function peerIdOf(device: TestDevice): PeerId {
  return peerIdFromPrivateKey(
    privateKeyFromRaw(concatBytes([device.keys.peerKey, publicKeys(device.keys).peerKey])),
  )
}

type World = {
  readonly gate: Gate
  readonly refused: () => Readonly<Record<string, number>>
  /** Whether this peer id is denied, asked for both directions. */
  readonly denies: (peerId: PeerId) => boolean
  nowMs: number
  connections: number
  isOpen: boolean
}

function world(): World {
  const refusals = counter<GateRefusal>()
  const made: World = {
    gate: createGate({
      roster: site.roster([alice, bob]),
      clock: { wallMs: () => 0, monotonicMs: () => made.nowMs },
      limits: NETWORK_LIMITS,
      refusals,
      connectionsOf: () => made.connections,
      isOpen: () => made.isOpen,
    }),
    refused: refusals.read,
    denies: peerId => {
      const { gater } = made.gate
      // The gate reads nothing of the socket in these two questions.
      const socket = {} as Parameters<NonNullable<ConnectionGater['denyInboundConnection']>>[0]
      const answers = [
        gater.denyInboundEncryptedConnection?.(peerId, socket),
        gater.denyOutboundEncryptedConnection?.(peerId, socket),
      ]
      expect(answers[0]).toBe(answers[1])
      return answers[0] === true
    },
    nowMs: 0,
    connections: 0,
    isOpen: true,
  }
  return made
}

describe('gate', () => {
  it('lets an Ed25519 key pass, and no other kind of key', async () => {
    const made = world()
    expect(made.denies(peerIdOf(alice))).toBe(false)
    expect(made.denies(peerIdFromPrivateKey(await generateKeyPair('secp256k1')))).toBe(true)
    expect(made.refused()).toEqual({ 'not-ed25519': 2 })
  })

  it('denies a banned device by each of its keys until the ban ends; a shorter ban does not end it earlier', () => {
    const made = world()
    made.gate.ban(alice.certificate.deviceId, 1_000)
    made.gate.ban(alice.certificate.deviceId, 10)
    made.nowMs = 999
    expect([made.denies(peerIdOf(alice)), made.denies(peerIdOf(bob))]).toEqual([true, false])
    expect(made.gate.isBanned(alice.certificate.deviceId)).toBe(true)
    made.nowMs = 1_000
    expect([made.denies(peerIdOf(alice)), made.gate.isBanned(alice.certificate.deviceId)]).toEqual([
      false,
      false,
    ])
  })

  it('remembers a bounded number of bans and forgets the one that ends first', () => {
    const made = world()
    const ids = Array.from({ length: 1_100 }, (_, i) => hex<DeviceId>(Uint8Array.of(i >> 8, i & 255)))
    for (const [i, id] of ids.entries()) made.gate.ban(id, 10_000 + i)
    const kept = ids.filter(id => made.gate.isBanned(id))
    expect(kept).toEqual(ids.slice(-1_024))
  })

  it('does not listen to a key whose hello was refused, for a while', () => {
    const made = world()
    made.gate.refuseForAWhile(publicKeys(alice.keys).peerKey)
    expect(made.denies(peerIdOf(alice))).toBe(true)
    made.nowMs = NETWORK_LIMITS.refusalMs
    expect(made.denies(peerIdOf(alice))).toBe(false)
  })

  it('denies one connection too many to one peer', () => {
    const made = world()
    made.connections = MAX_CONNECTIONS_PER_PEER - 1
    expect(made.denies(peerIdOf(alice))).toBe(false)
    made.connections++
    expect(made.denies(peerIdOf(alice))).toBe(true)
  })

  it('dials only what it was told, and accepts nobody before it is open', () => {
    const made = world()
    made.isOpen = false
    const { gater } = made.gate
    made.gate.allowDial('/ip4/10.0.0.1/tcp/4000')
    expect(gater.denyDialMultiaddr?.(multiaddr('/ip4/10.0.0.1/tcp/4000'))).toBe(false)
    expect(gater.denyDialMultiaddr?.(multiaddr('/ip4/10.0.0.1/tcp/4001'))).toBe(true)
    made.gate.forbidDial('/ip4/10.0.0.1/tcp/4000')
    expect(gater.denyDialMultiaddr?.(multiaddr('/ip4/10.0.0.1/tcp/4000'))).toBe(true)
    const socket = {} as Parameters<NonNullable<ConnectionGater['denyInboundConnection']>>[0]
    expect(gater.denyInboundConnection?.(socket)).toBe(true)
    made.isOpen = true
    expect(gater.denyInboundConnection?.(socket)).toBe(false)
  })
})
