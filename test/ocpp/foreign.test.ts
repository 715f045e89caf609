// Frames as charge points sent them that are not ours (src/ocpp/README.md), byte for byte: what became of each.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { dialectOf } from '../../src/ocpp/dialect.ts'

type Case = {
  readonly name: string
  readonly source: string
  readonly protocol: string
  readonly frame: string
  /** Cards that this node asked the station to charge, by request. */
  readonly asked?: Readonly<Record<string, string>>
  /** The last register heard of the transaction. */
  readonly last?: number
  readonly drafts: readonly object[]
  readonly repairs: readonly string[]
}

const CASES: readonly Case[] = JSON.parse(
  readFileSync(new URL('../fixtures/ocpp/foreign.json', import.meta.url), 'utf8'),
)

describe('a frame of a charge point that is not ours', () => {
  it.each(CASES)('$source: $name', ({ protocol, frame, asked, last, drafts, repairs }) => {
    const [, , action, params] = JSON.parse(frame)
    const { translate } = dialectOf(protocol)
    const translation = translate(
      action,
      params,
      () => last,
      id => asked?.[id],
    )
    expect(translation).toMatchObject({ kind: 'message', drafts })
    expect(translation.kind === 'message' && translation.repairs).toEqual(repairs)
  })
})
