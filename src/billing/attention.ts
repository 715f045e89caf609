// Why a person should look at a session's money, in codes that commands filter by and in words.
import type { CloudState } from './judge.ts'

export const REASONS = {
  'conflicting-ends': 'stops that contradict one another; billed at the smaller',
  'meter-reset': 'the meter began anew; billed at the least that its readings prove',
  'meter-went-back': 'the meter went back, and no reading says how that came',
  'debit-review': 'more is owed than was billed; the debit waits to be allowed',
  'price-disagreement': 'different prices were shown; the cheapest is billed',
  unpriced: 'no price was fixed at the start',
  'tariff-unknown': 'no tariff that counts says the price that was shown, or it is not here yet',
  'tariff-unreadable': 'the tariff that was shown cannot be computed with',
  'too-long': 'longer than anybody charges: a clock was wrong, and its hours are not billed',
  provisional: 'no stop came; billed up to the last reading',
  'other-currency': 'billed in another currency than the price has now',
  'evidence-withdrawn': 'billed on words that count no longer; the bill stands',
  merged: 'billed twice before it was known for one session; this bill was given back',
  'resolved-on-other-evidence': 'something came in since a person decided; what was decided stands',
  'resolution-limited': 'more was decided than anything speaks for; billed at the most that does',
  'resolution-unusable': 'a decision that cannot be understood or applied; it does not count',
  'refund-limited': 'more was refunded than is billed; only that was given back',
  'refund-refused': 'a refund in another currency, or of a sum that cannot be paid; it was not given',
  disputed: 'its registers prove nothing that can be billed',
} as const
export type Reason = keyof typeof REASONS

/** What a person settled by a decision, while the evidence is what it was. */
const LEFT_WHEN_RESOLVED: readonly string[] = [
  'debit-review',
  'other-currency',
  'refund-limited',
  'refund-refused',
]

/** Empty: nobody needs to look. */
export function reasonsOf(
  state: CloudState,
  flags: readonly string[],
  { isBilled }: { readonly isBilled: boolean },
): readonly Reason[] {
  const known = flags.filter((flag): flag is Reason => flag in REASONS)
  if (flags.includes('resolved')) return known.filter(flag => LEFT_WHEN_RESOLVED.includes(flag))
  // A session that was never billed under this id, or is not over, concerns nobody's money.
  if (flags.includes('merged') && !isBilled) return []
  if (state === 'open') return known.filter(flag => flag.startsWith('res') || flag.startsWith('refund'))
  if (state === 'provisional') return [...new Set([...known, 'provisional' as const])].sort()
  return state === 'disputed' && known.length === 0 ? ['disputed'] : known
}
