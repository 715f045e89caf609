// The figures that a buyer asks for first: sessions in a bad network, how soon data is through after it, and how many chargers
// are served as they are.
import type { Share } from '../outcome.ts'
import { type Html, type Tile, tiles } from './markup.ts'
import { count, share } from './measure.ts'

export type Buyer = {
  readonly badNetwork: Share
  readonly ordinary: Share
  readonly quirky: Share
  readonly sync: { readonly value: string; readonly note: string }
}

export function buyerTiles({ badNetwork, ordinary, quirky, sync }: Buyer): Html {
  const tile = (name: string, of: Share, means: string): Tile => ({
    name,
    value: share(of),
    note: `${count(of.good)} of ${count(of.of)}`,
    means,
  })
  return tiles([
    tile(
      'Sessions kept in a bad network',
      badNetwork,
      'Began and ended while cut off from part of the site, and kept to the watt-hour.',
    ),
    {
      name: 'Sync after reconnect',
      ...sync,
      means: 'From the return of an uplink until nothing is unsent at that node; the middle case.',
    },
    tile('Ordinary chargers served', ordinary, 'All their sessions recorded, with no change to the charger.'),
    tile(
      'Quirky chargers served',
      quirky,
      'The same for firmware that repeats itself, forgets or has no clock.',
    ),
  ])
}
