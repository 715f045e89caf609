// `chargemesh refund`: gives back a part of what a session was billed, as a signed entry that becomes a credit.
import type { Command } from 'commander'
import { inDigitsOf, isMore, isZero } from '../billing/amounts.ts'
import { MeshError } from '../errors.ts'
import { systemRandom } from '../host/system.ts'
import { addAmounts, decimalsIn, isDecimal } from '../tariff/price.ts'
import type { SessionId } from '../units.ts'
import { asOperator, type OperatorOptions, operatorOptions, say } from './operator.ts'
import { cloudRows } from './receiver.ts'

type RefundOptions = OperatorOptions & {
  readonly cloud: string
  readonly amount: string
  readonly currency?: string
  readonly reason: string
}
const MAX_REASON_BYTES = 128

export function addRefundCommand(program: Command): void {
  operatorOptions(program.command('refund <session>'))
    .description('give back a part of what a session was billed; the first digits of its id are enough')
    .requiredOption('--amount <sum>', 'how much, taxes included, in the currency of the bill')
    .requiredOption('--reason <text>', 'why; stands in the log for ever, so no names')
    .requiredOption('--cloud <dir>', 'data folder of `chargemesh cloud run`: it knows what was billed')
    .option('--currency <code>', 'refuse where the bill is in another one')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh refund 4f2a91c0 --amount 2.00 --reason "slow charger" --site ./stadium --cloud ./cloud-data --via ./pole-07',
    )
    .action(refund)
}

type Billed = { readonly sessionId: string; readonly sum: string; readonly currency: string }

async function refund(session: string, options: RefundOptions): Promise<void> {
  const { amount, reason } = options
  const billed = await billedOf(session, options)
  refuse(billed, options)
  const { sessionId, currency } = billed
  const refundId = systemRandom().bytes(16)
  await asOperator(options, async operator => {
    const body = { sessionId: sessionId as SessionId, refundId, amount, currency, reason }
    await operator.record([{ name: 'refund', body }])
    const said = { sessionId, refundId: Buffer.from(refundId).toString('hex'), amount, currency }
    say(
      options,
      said,
      `${amount} ${currency} of ${billed.sum} ${currency} are given back for session ${sessionId.slice(0, 8)}`,
    )
  })
}

async function billedOf(session: string, { cloud }: RefundOptions): Promise<Billed> {
  const wrong = (why: string): never => {
    throw new MeshError('CONFIG_INVALID', `session ${session}: ${why}`)
  }
  const prefix = session.trim().toLowerCase()
  if (!/^[0-9a-f]{4,32}$/.test(prefix)) wrong('wanted at least 4 hex digits of its id')
  const rows = await cloudRows(cloud, '/v1/bills', { session: prefix })
  const ids = [...new Set(rows.map(row => String(row.sessionId)))]
  const [sessionId] = ids
  if (sessionId === undefined) return wrong('nothing was billed for it, so there is nothing to give back')
  if (ids.length > 1)
    wrong(`${ids.length} begin so; say more digits: ${ids.map(id => id.slice(0, 12)).join(', ')}`)
  const amounts = rows.map(row => String(row.amount))
  const sum = inDigitsOf(amounts[0] ?? '0', amounts.reduce(addAmounts, '0'))
  return { sessionId, sum, currency: String(rows[0]?.currency) }
}

function refuse({ sum, currency: own }: Billed, { amount, currency, reason }: RefundOptions): void {
  const wrong = (message: string): never => {
    throw new MeshError('CONFIG_INVALID', `${message}; nothing was written`)
  }
  if (!isDecimal(amount) || isZero(amount))
    wrong(`--amount ${amount}: wanted a number above zero, such as 2.00`)
  if (currency !== undefined && currency !== own) wrong(`--currency ${currency}: the bill is in ${own}`)
  if (decimalsIn(amount) > decimalsIn(sum)) wrong(`--amount ${amount}: cannot be paid in ${own}`)
  if (isMore(amount, sum)) wrong(`--amount ${amount}: only ${sum} ${own} of the bill are left`)
  if (Buffer.byteLength(reason) > MAX_REASON_BYTES) wrong(`--reason: at most ${MAX_REASON_BYTES} bytes`)
}
