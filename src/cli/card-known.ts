// What running nodes know of a card, and this folder may not: references under keys of the site that it was not given, and
// revocations by others, such as a revoker.
import { z } from 'zod'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import type { EventHash, TokenRef } from '../units.ts'
import { clientIn } from './operator.ts'

const KNOWN = z.object({ tokenRefs: z.array(z.string()), revocations: z.array(z.string()) })

const NOTHING = { tokenRefs: [], revocations: [] }

export type Known = { readonly tokenRefs: readonly TokenRef[]; readonly revocations: readonly EventHash[] }

export async function knownAt(via: readonly string[], card: string): Promise<Known> {
  const all = await Promise.all(
    via.map(async dir => {
      try {
        return check('card', KNOWN, await (await clientIn(dir)).post('/v1/tokens/references', { card }))
      } catch (error) {
        // A node that does not answer, or is none, is named by whoever hands it the news, at the end of the command.
        if (error instanceof MeshError) return NOTHING
        throw error
      }
    }),
  )
  return {
    tokenRefs: [...new Set(all.flatMap(one => one.tokenRefs as TokenRef[]))],
    revocations: [...new Set(all.flatMap(one => one.revocations as EventHash[]))],
  }
}
