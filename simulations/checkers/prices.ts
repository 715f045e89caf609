// I20: the revisions of a session add up to the price of what it took. A price of energy is worked out here by other
// arithmetic than the product's; what hangs on the hour and on parking is compared with what a node makes of its own logs,
// and held between the least and the most that those tariffs could ask for what the charger's meter counted.
import { judge } from '../../src/billing/judge.ts'
import { sumOf } from '../../src/billing/revisions.ts'
import type { CloudBill, CloudSession } from '../cloud/cloud.ts'
import type { Shown } from '../world/observer.ts'
import { boundsOf } from '../world/tariff.ts'

/** One invoice, numbered without holes, and a sum that is the price of the newest energy. */
export function checkSum(shown: Shown, session: CloudSession, bills: readonly CloudBill[]): void {
  if (bills.length === 0) return
  const what = `session ${session.sessionId} of ${session.chargerId}`
  const invoices = bills.filter(bill => bill.kind === 'invoice')
  if (invoices.length !== 1 || bills.some((bill, i) => bill.revision !== i))
    shown.object(
      'I20',
      `${what} has ${invoices.length} invoices and revisions ${bills.map(bill => bill.revision).join()}`,
    )
  if (session.state !== 'complete') return
  const sum = bills.reduce((total, bill) => total + Math.round(Number(bill.amount) * 1e6), 0)
  const energyWh = bills.at(-1)?.energyWh ?? 0
  const billed = { sum, energyWh, what }
  checkAtNodes(shown, session, billed)
  if (session.flags.some(flag => BY_PEOPLE.includes(flag)) || bills.some(one => one.reason === 'refunded'))
    return
  if (shown.plan.byTerms) checkBounds(shown, billed)
  else if (!pricesOf(shown).some(pricePerKwh => centsOf(energyWh, pricePerKwh) * 10_000 === sum))
    shown.object('I20', `${what}: bills of ${sum / 1e6} for ${energyWh} Wh`)
}

/** Whose sum is not one of a price alone. */
const BY_PEOPLE: readonly string[] = ['resolved', 'resolved-on-other-evidence', 'resolution-limited']

type Billed = { readonly sum: number; readonly energyWh: number; readonly what: string }

function checkBounds(shown: Shown, { sum, energyWh, what }: Billed): void {
  if (sum === 0 && energyWh === 0) return
  const [least, most] = boundsOf(shown.plan, pricesOf(shown), {
    energyWh,
    lastedMs: shown.plan.durationMs + shown.plan.quietMs,
  })
  if (sum / 1e6 < least || sum / 1e6 > most)
    shown.object('I20', `${what}: ${sum / 1e6} for ${energyWh} Wh is not between ${least} and ${most}`)
}

/** A node that holds all of it comes to the same from its own logs, whatever was billed in between. */
function checkAtNodes(shown: Shown, { sessionId }: CloudSession, { sum, energyWh, what }: Billed): void {
  for (const member of shown.members()) {
    const view = member.isHonest ? member.node()?.ledger().view() : undefined
    const session = view?.sessions().find(one => one.sessionId === sessionId)
    if (!view || !session?.end || !session.pricing) continue
    const corrections = view.corrections.of(sessionId)
    const { bills } = judge(session, { billed: [], finalise: false, tariffAt: view.tariffs.at, corrections })
    const owed = Math.round(Number(sumOf(bills)) * 1e6)
    if (bills.length > 0 && owed !== sum)
      shown.object(
        'I20',
        `${what}: bills of ${sum / 1e6} for ${energyWh} Wh, and node ${member.name} makes it ${owed / 1e6} for ${session.energyWh} Wh`,
      )
    return
  }
}

/** By its own arithmetic, not by the code that it checks: whole numbers, rounded half-up once, at the bill. */
function centsOf(energyWh: number, pricePerKwh: string): number {
  const [units = '0', fraction = ''] = pricePerKwh.split('.')
  const scale = 10n ** BigInt(fraction.length)
  // Price times 100 cents times Wh, over 1,000 Wh in a kWh.
  const numerator = BigInt(units + fraction) * 100n * BigInt(energyWh)
  const denominator = scale * 1000n
  return Number((2n * numerator + denominator) / (2n * denominator))
}

function pricesOf(shown: Shown): readonly string[] {
  const later = shown.plan.operator.flatMap(step => (step.kind === 'tariff' ? [step.pricePerKwh] : []))
  return [shown.plan.pricePerKwh, ...later]
}
