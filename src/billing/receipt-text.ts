// A receipt as a person reads it: 40 columns, which a till's printer has, plain signs, amounts in one column. All of it is
// made from the signed words, and says nothing that they do not.
import type { NO_PRICE, Receipt, ReceiptCost, ReceiptState } from './receipt.ts'
import { numberOf } from './receipt.ts'

const WIDTH = 40

const STATES: Readonly<Record<ReceiptState, string>> = {
  final: 'FINAL',
  provisional: 'PROVISIONAL: the session has not ended; this is what it cost so far.',
  disputed:
    'DISPUTED: its records contradict one another. An amount here is the smaller one; the operator looks at it.',
  unpriced: 'UNPRICED: no amount can be computed; nothing is owed by this receipt.',
  'nothing-due': 'NOTHING DUE.',
}
const WITHOUT_PRICE: Readonly<Record<(typeof NO_PRICE)[number], string>> = {
  'no-tariff': 'no tariff was in force when it began',
  'tariff-unknown': 'its tariff has not reached this node',
  'tariff-unreadable': 'its tariff cannot be computed with',
  'too-long': 'it seems to have lasted for more than a month',
}
const FLAGS: Readonly<Record<string, string>> = {
  'conflicting-ends': 'two different ends were recorded; the one with less energy counts',
  'refused-card': 'the card was refused, and energy flowed all the same',
  'joined-by-fit': 'the end named no session; it fits this one alone',
  unpriced: 'no price was fixed at the start',
  'restarted-clock': 'the start was told twice, with a corrected clock',
  'shared-words': 'another session began with the very same words',
  'meter-went-back': 'the meter went back, and its readings do not say why',
  'meter-rolled-over': 'the meter ran over and went on from 0; what flowed is known',
  'meter-reset': 'the meter began anew; the least that flowed is counted',
  'meter-jumped': 'one reading that contradicts start and end was left out',
  'start-from-readings': 'the start named no register; a reading stands in for it',
  'price-disagreement': 'two prices were shown at the start; the cheaper one counts',
  'tariff-unknown': 'a tariff that was shown has not reached this node',
  'tariff-unreadable': 'a tariff that was shown cannot be computed with',
  'too-long': 'it lasted longer than anybody charges: a clock was wrong',
  resolved: 'a person of the operator decided',
  'resolved-on-other-evidence': 'the operator decided before all this was known',
  'resolution-limited': 'the operator decided on more than anything speaks for: less counts',
  'resolution-unusable': 'a decision of the operator cannot be applied',
  'refund-limited': 'more was refunded than is owed: no more than that is given back',
  'refund-refused': 'a refund in another currency was not given',
}
const BY: Readonly<Record<Receipt['startedAt']['by'], string>> = {
  charger: "by the charger's clock",
  node: "when the site heard of it; the charger's clock was wrong",
  counted: "counted by the charger's clock, which was wrong, from when the site heard",
}
const QUALITY: Readonly<Record<Receipt['startedAt']['quality'], string>> = {
  none: "the site's clock was set by nothing",
  rtc: "the site's clock ran on its battery",
  peerMedian: "the site's clock was set by its neighbours",
  cloud: "the site's clock was set by the cloud",
  ntp: "the site's clock was set by the network",
  gnss: "the site's clock was set by satellite",
}
const PARTS: Readonly<Record<ReceiptCost['parts'][number]['type'], string>> = {
  ENERGY: 'energy',
  FLAT: 'once',
  PARKING_TIME: 'parking',
  TIME: 'time',
  MINIMUM: 'up to the least price',
  MAXIMUM: 'down to the highest price',
}
/** A start that named no register (session/registers.ts). */
const NO_REGISTER_WH = 2 ** 31 - 1

export function receiptText(receipt: Receipt, signedBy: string): string {
  const { siteName, siteId, chargerId, connectorId, card, meterStartWh, meterStopWh } = receipt
  const lines = [
    ...row('RECEIPT', numberOf(receipt)),
    ...wrapped(plain(siteName)),
    ...wrapped(`site ${siteId}`),
    RULE,
    ...wrapped(STATES[receipt.state]),
    ...(receipt.state === 'nothing-due' && !receipt.settled
      ? wrapped('The card was refused, and no energy flowed.')
      : []),
    ...(receipt.noPrice ? wrapped(`No price: ${WITHOUT_PRICE[receipt.noPrice]}.`) : []),
    RULE,
    ...row('session', receipt.sessionId),
    ...row('charger', `${plain(chargerId)}, connector ${connectorId}`),
    ...row('card', card === undefined ? 'not numbered' : `...${plain(card)}`),
    ...momentLines('began', receipt.startedAt),
    ...(receipt.stoppedAt ? momentLines('ended', receipt.stoppedAt) : []),
    ...row('register at start', registerText(meterStartWh)),
    ...(meterStopWh === undefined ? [] : row('register at end', registerText(meterStopWh))),
    ...row('energy', receipt.energyWh === undefined ? 'not known' : `${kWh(receipt.energyWh)} kWh`),
    ...(receipt.cost ? [RULE, ...costLines(receipt.cost)] : []),
    ...(receipt.settled ? settledLines(receipt.settled, receipt.cost?.currency ?? '') : []),
    RULE,
    ...receipt.flags.flatMap(flag => wrapped(`! ${FLAGS[flag] ?? plain(flag)}`)),
    ...signedLines(receipt),
    ...wrapped(
      receipt.isConfirmed
        ? "The operator's cloud has confirmed it."
        : "The operator's cloud has not confirmed it yet.",
    ),
    ...row('issued', instant(receipt.issuedAt)),
    ...row('signed by', plain(signedBy)),
    ...wrapped('Of several receipts for one session the one issued last counts; one number, one content.'),
  ]
  return lines.join('\n')
}

/** What a signature shows, and what it does not. */
export const PROVES =
  "This node of the site said so, by the word of the site's root. What its charger told it stands in the site's logs, at the places that the receipt names."

const RULE = '-'.repeat(WIDTH)

function signedLines({ signedValues }: Receipt): readonly string[] {
  if (!signedValues || signedValues.count === 0) return []
  const hash = Buffer.from(signedValues.hash).toString('hex').slice(0, 16)
  return wrapped(`Signed meter values: ${signedValues.count}, kept by the operator (${hash}).`)
}

function momentLines(title: string, { at, by, quality }: Receipt['startedAt']): readonly string[] {
  const weak = by === 'charger' ? '' : `; ${QUALITY[quality]}`
  return [...row(title, instant(at)), ...wrapped(`${BY[by]}${weak}`, '  ')]
}

function costLines({ currency, total, beforeTaxes, taxes, parts }: ReceiptCost): readonly string[] {
  return [
    ...parts.flatMap(part => {
      const { type, price, vat, afterTaxes } = part
      const how = quantityText(part)
      const tax = vat === undefined ? '' : `, tax ${vat} %`
      return [
        ...row(PARTS[type], afterTaxes),
        ...(how === '' ? [] : wrapped(`${how} at ${price}${tax}`, '  ')),
      ]
    }),
    ...(taxes.length === 0
      ? []
      : [
          ...row('before taxes', beforeTaxes),
          ...taxes.flatMap(({ vat, amount }) => row(`tax ${vat} %`, amount)),
        ]),
    ...row(`TOTAL ${currency}`, total),
  ]
}

function settledLines(
  { owed, refunded, toPay, decidedBy }: NonNullable<Receipt['settled']>,
  currency: string,
): readonly string[] {
  return [
    ...(decidedBy ? row('decided by the operator', owed) : []),
    ...(/[1-9]/.test(refunded) ? row('given back', `-${refunded}`) : []),
    ...row(`TO PAY ${currency}`.trim(), toPay),
  ]
}

function quantityText({ type, measured, quantity }: ReceiptCost['parts'][number]): string {
  const amount = type === 'ENERGY' ? kWh : type === 'TIME' || type === 'PARKING_TIME' ? duration : undefined
  if (!amount) return ''
  const unit = type === 'ENERGY' ? ' kWh' : ''
  const used = measured === quantity ? '' : ` (${amount(measured)}${unit} used)`
  return `${amount(quantity)}${unit}${used}`
}

function kWh(wh: number): string {
  return `${Math.floor(wh / 1000)}.${String(wh % 1000).padStart(3, '0')}`
}

function duration(seconds: number): string {
  const two = (n: number): string => String(n).padStart(2, '0')
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)} h`
}

function registerText(wh: number): string {
  return wh === NO_REGISTER_WH ? 'not readable' : `${wh} Wh`
}

export function instant(at: number): string {
  // Dates outside what JavaScript can say come from broken clocks.
  if (at > 8.64e15) return String(at)
  return `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

/** Names come from elsewhere, and a terminal obeys some signs. */
function plain(text: string): string {
  return text.replace(/\p{C}/gu, '?')
}

/** Two columns; what does not fit in one line has two. */
function row(title: string, value: string): readonly string[] {
  const room = WIDTH - title.length - 1
  if (value.length <= room) return [`${title} ${value.padStart(room)}`]
  return [title, ...wrapped(value, '  ')]
}

/** Broken at blanks into lines of 40 columns. */
export function wrapped(text: string, indent = ''): readonly string[] {
  const room = WIDTH - indent.length
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ').flatMap(word => cut(word, room))) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(indent + line)
      line = ''
    }
    line = line === '' ? word : `${line} ${word}`
  }
  return line === '' ? lines : [...lines, indent + line]
}

function cut(word: string, room: number): readonly string[] {
  return word.match(new RegExp(`.{1,${room}}`, 'gu')) ?? []
}
