// The cards of the benchmark, by number: whoever taps draws the same references as whoever grants.
import { sha256, utf8Bytes } from '../../src/identity/hash.ts'
import { type ChargerId, hex, type TokenRef } from '../../src/units.ts'

export const CHARGER = 'CP01' as ChargerId

export function refOf(number: number): TokenRef {
  return hex<TokenRef>(sha256(utf8Bytes(`card ${number}`)).subarray(0, 16))
}
