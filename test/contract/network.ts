// What every Network promises (src/ports.ts), run on the real and on the simulated one. Nothing is asked of order or
// of delivery, which nobody promises; on a link without faults a message that is sent again and again arrives.
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InvariantBroken } from '../../src/errors.ts'
import { MAX_MESSAGE_BYTES, type Network } from '../../src/ports.ts'
import { type DeviceId, hex, sameBytes } from '../../src/units.ts'

export type ContractNode = {
  readonly network: Network
  readonly deviceId: DeviceId
  readonly heard: readonly { readonly from: DeviceId; readonly bytes: Uint8Array }[]
  /** `+` and `-` with the device's id, in order. */
  readonly comings: readonly string[]
  readonly close: () => Promise<void>
}

export type NetworkUnderTest = {
  /** Two members of one site that can reach one another. */
  readonly a: ContractNode
  readonly b: ContractNode
  /** Lets time pass until it is so; rejects when it never becomes so. */
  readonly until: (condition: () => boolean, what: string) => Promise<void>
  /** Lets so much time pass. */
  readonly pass: (ms: number) => Promise<void>
  readonly dispose: () => Promise<void>
}

export function networkContract(name: string, make: () => Promise<NetworkUnderTest>): void {
  describe(name, () => {
    let made: NetworkUnderTest
    let a: ContractNode
    let b: ContractNode
    beforeEach(async () => {
      made = await make()
      ;({ a, b } = made)
      await made.until(() => a.network.peers().length === 1 && b.network.peers().length === 1, 'the two meet')
    })
    afterEach(() => made.dispose())

    /** Sends until it arrives, since any one message may be lost. */
    async function deliver(from: ContractNode, to: ContractNode, message: Uint8Array): Promise<void> {
      const arrived = (): boolean =>
        to.heard.some(({ from: sender, bytes }) => sender === from.deviceId && sameBytes(bytes, message))
      for (let i = 0; i < 20 && !arrived(); i++) {
        from.network.send(to.deviceId, message)
        await made.pass(20)
      }
      await made.until(arrived, `a message of ${message.length} bytes arrives`)
    }

    it('tells each of the other once, by its proven id', async () => {
      expect(a.network.peers()).toEqual([b.deviceId])
      expect(b.network.peers()).toEqual([a.deviceId])
      await made.pass(500)
      expect([a.comings, b.comings]).toEqual([[`+${b.deviceId}`], [`+${a.deviceId}`]])
    })

    it.each([1, 2, 1_000, MAX_MESSAGE_BYTES])(
      'carries a message of %i bytes both ways, whole',
      async length => {
        const message = new Uint8Array(randomBytes(length))
        await deliver(a, b, message)
        await deliver(b, a, message)
      },
    )

    it('does not care what the sender does with its bytes afterwards', async () => {
      const message = Uint8Array.of(1, 2, 3)
      a.network.send(b.deviceId, message)
      message.fill(9)
      await deliver(a, b, Uint8Array.of(7))
      expect(b.heard.filter(({ bytes }) => bytes.includes(9))).toEqual([])
    })

    it('refuses messages that are empty or above the bound', () => {
      for (const length of [0, MAX_MESSAGE_BYTES + 1])
        expect(() => a.network.send(b.deviceId, new Uint8Array(length))).toThrow(InvariantBroken)
    })

    it('drops what is sent to somebody who is no peer', async () => {
      a.network.send(hex<DeviceId>(new Uint8Array(16)), Uint8Array.of(1))
      await deliver(a, b, Uint8Array.of(2))
      expect(b.heard.filter(({ bytes }) => bytes[0] === 1)).toEqual([])
    })

    it('counts the bytes of both directions', async () => {
      const before = [a.network.traffic(), b.network.traffic()] as const
      await deliver(a, b, new Uint8Array(10_000).fill(1))
      expect(a.network.traffic().sentBytes - before[0].sentBytes).toBeGreaterThanOrEqual(10_000)
      expect(b.network.traffic().receivedBytes - before[1].receivedBytes).toBeGreaterThanOrEqual(10_000)
    })

    it('drops a banned peer on both sides, keeps it out, and lets it back when the ban ends', async () => {
      a.network.ban(b.deviceId, 1_500, 'the contract')
      await made.until(
        () => a.comings.length === 2 && b.comings.length === 2,
        'both hear that the other is gone',
      )
      await made.pass(700)
      expect([a.network.peers(), b.network.peers()]).toEqual([[], []])
      await made.until(() => b.network.peers().length === 1, 'they meet again')
      expect(a.comings).toEqual([`+${b.deviceId}`, `-${b.deviceId}`, `+${b.deviceId}`])
      await deliver(b, a, Uint8Array.of(5))
    })

    it('says nothing and hears nothing once it is closed, and its peer learns that it is gone', async () => {
      a.network.send(b.deviceId, Uint8Array.of(1))
      b.network.send(a.deviceId, Uint8Array.of(1))
      await a.close()
      const heard = [a.heard.length, a.comings.length]
      b.network.send(a.deviceId, Uint8Array.of(2))
      expect(() => a.network.send(b.deviceId, Uint8Array.of(3))).not.toThrow()
      await made.until(() => b.network.peers().length === 0, 'the other learns of it')
      await made.pass(100)
      expect(b.comings.at(-1)).toBe(`-${a.deviceId}`)
      expect([a.heard.length, a.comings.length]).toEqual(heard)
      expect(a.network.peers()).toEqual([])
    })
  })
}
