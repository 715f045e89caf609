// A session is found by its id without looking through what was looked through before.
import { expect, it } from 'vitest'
import { sessionFinder } from '../../src/api/driver-site.ts'
import type { Node } from '../../src/node.ts'

type One = { readonly sessionId: string; readonly step: number }

it('finds what is new, and looks again only through chargers that said something since', () => {
  let looks = 0
  const list = (...sessions: readonly One[]): readonly One[] => {
    const made = [...sessions]
    Object.defineProperty(made, Symbol.iterator, {
      value: () => {
        looks += 1
        return sessions.values()
      },
    })
    return made
  }
  const lists: Record<string, readonly One[]> = {
    CP1: list({ sessionId: 'a', step: 1 }),
    CP2: list({ sessionId: 'b', step: 1 }),
  }
  const view = {
    policy: { chargePoints: () => Object.keys(lists).map(chargerId => ({ chargerId })) },
    ofCharger: (chargerId: string) => ({ sessions: lists[chargerId] }),
  }
  const find = sessionFinder({ ledger: () => ({ view: () => view }) } as unknown as Node)
  expect([find('a'), looks]).toMatchObject([{ step: 1 }, 2])
  lists.CP1 = list({ sessionId: 'a', step: 2 })
  expect([find('a'), find('b'), looks]).toMatchObject([{ step: 2 }, { step: 1 }, 2])
  lists.CP2 = list({ sessionId: 'b', step: 1 }, { sessionId: 'c', step: 1 })
  expect([find('c'), find('none'), find('none'), looks]).toMatchObject([{ step: 1 }, undefined, undefined, 4])
})
