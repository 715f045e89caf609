// A charge point that talks to the cloud by itself, over the site's network and whatever modem has a way out at that moment.
// In its favour: any uplink of the site serves every charge point that has a path to it, and loss only ever costs an answer.
import type { Rules } from './floor.ts'
import type { Ground } from './ground.ts'

export type Uplinked = Required<Pick<Rules, 'hears' | 'records' | 'accepts' | 'unansweredRate' | 'destroyed'>>

/**
 * The cloud keeps no key for a start: each draws a new transaction (OCPP.md, section 4, CitrineOS). A start that was heard and
 * not answered is sent again, so there are two; the one without a stop is closed at the connector's next register, as clean-up
 * jobs do, and the same energy is billed twice. With a key, as SteVe has, there would be no double bills and all else as here.
 */
export function uplinked(ground: Ground): Uplinked {
  const { plan } = ground
  const waysOf = (charger: number, atMs: number): readonly number[] => {
    if (!ground.isWired(charger, atMs)) return []
    const own = plan.chargers[charger - 1]?.nodes ?? []
    return ground.uplinkNodes.filter(
      node => ground.hasUplink(node, atMs) && own.some(one => ground.reaches(one, node, atMs)),
    )
  }
  const hears = (charger: number, atMs: number): boolean => waysOf(charger, atMs).length > 0
  return {
    hears,
    // The operator talks to the cloud, so it knows at once; nothing that it holds is ever lost.
    ...{ records: hears, accepts: ground.isGood, destroyed: () => false },
    unansweredRate: (charger, atMs) => {
      const rates = waysOf(charger, atMs).map(node => ground.uplinkLoss(node, atMs))
      // Half of what is lost on the way are answers; the best way is taken.
      return rates.length > 0 ? Math.min(...rates) / 2 : 0
    },
  }
}
