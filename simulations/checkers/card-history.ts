// What the operator has said of each card, in its order, as a checker reads it: who is asked how much it holds is then told
// what that means.
import { decodeBody } from '../../src/log/body.ts'
import type { TokenRef } from '../../src/units.ts'
import type { Shown } from '../world/observer.ts'

export type CardHistory = {
  readonly wasGranted: (tokenRef: TokenRef, heldSeq: number) => boolean
  /** A revocation among the entries held that no grant among them undoes. */
  readonly isRevoked: (tokenRef: TokenRef, heldSeq: number) => boolean
}

type Entry = {
  readonly seq: number
  readonly kind: 'grant' | 'revoke'
  readonly hash: string
  readonly supersedes: readonly string[]
}

export function watchCards(shown: Shown): CardHistory {
  const history = new Map<TokenRef, Entry[]>()
  let read = 0

  const readOperator = (): void => {
    const events = shown.operator.events()
    for (; read < events.length; read++) {
      const event = events[read]
      const said = event && decodeBody(event.type, event.body)
      if (!event || (said?.name !== 'grant' && said?.name !== 'revoke')) continue
      const of = history.get(said.body.tokenRef) ?? []
      const supersedes = said.name === 'grant' ? said.body.supersedes : []
      of.push({ seq: event.seq, kind: said.name, hash: event.hash, supersedes })
      history.set(said.body.tokenRef, of)
    }
  }
  const held = (tokenRef: TokenRef, heldSeq: number): readonly Entry[] => {
    readOperator()
    return (history.get(tokenRef) ?? []).filter(one => one.seq <= heldSeq)
  }

  return {
    wasGranted: (tokenRef, heldSeq) => held(tokenRef, heldSeq).some(one => one.kind === 'grant'),
    isRevoked: (tokenRef, heldSeq) => {
      const entries = held(tokenRef, heldSeq)
      const undone = new Set(entries.flatMap(one => one.supersedes))
      return entries.some(one => one.kind === 'revoke' && !undone.has(one.hash))
    },
  }
}
