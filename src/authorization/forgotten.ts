// Accounts whose keys the operator has destroyed, and said so: what was sealed to them is bytes that nobody can read.
import type { BodyOf, EventRef } from '../log/body.ts'
import type { Hlc } from '../log/hlc.ts'
import { hex } from '../units.ts'

export type Forgetting = {
  readonly ref: EventRef
  readonly hlc: Hlc
  readonly body: BodyOf<'account_forgotten'>
}

export type Forgotten = {
  readonly add: (said: Forgetting) => void
  /** By the public half, in hex; the first word counts, since a key is destroyed once. */
  readonly of: (sealKey: string) => Forgetting | undefined
}

export function createForgotten(): Forgotten {
  const held = new Map<string, Forgetting>()
  return {
    add: said => {
      const sealKey = hex(said.body.sealKey)
      const before = held.get(sealKey)
      if (!before || said.hlc < before.hlc) held.set(sealKey, said)
    },
    of: sealKey => held.get(sealKey),
  }
}
