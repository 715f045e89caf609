// What a charger's settings should be, and what to try next where one is not: a rule for each key, asked again after each
// answer of the charger. Firmware knows half of the keys, shows some that it lets nobody change, writes numbers where the
// standard has text, and takes less than was asked for: each of these ends with a word in the report, none with a loop.
export type Setting = { readonly value: string; readonly isReadOnly: boolean }
/** By key in small letters. */
export type Settings = ReadonlyMap<string, Setting>

/** What a charger answered when it was asked for settings. */
export type Shown = {
  readonly configurationKey: readonly {
    readonly key: string
    readonly readonly: boolean
    readonly value?: string
  }[]
  readonly unknownKey: readonly string[]
}

/** The door has parsed it; it is unknown only because each command has a detail of its own. */
export function shownIn(detail: unknown): Shown {
  const { configurationKey = [], unknownKey = [] } = (detail ?? {}) as Partial<Shown>
  return { configurationKey, unknownKey }
}

export type Rule =
  | { readonly kind: 'exactly'; readonly value: 'true' | 'false' }
  /** The first of these that the charger takes. */
  | { readonly kind: 'atLeast'; readonly least: number; readonly tries: readonly number[] }
  | {
      readonly kind: 'within'
      readonly least: number
      readonly most: number
      readonly otherwise: number
    }
  /** A list with commas; what stands there stays. */
  | { readonly kind: 'contains'; readonly words: readonly string[] }

/** Where nobody but one version of OCPP has the key, it is no fault of the others to lack it. */
export type Wish = { readonly key: string; readonly rule: Rule; readonly mayLack?: true }

/** More answers than this are not waited for, whatever the rule. */
export const MAX_TRIES = 6

const MEASURANDS = ['Energy.Active.Import.Register', 'SoC', 'Power.Active.Import']
/** So often that a lost answer never loses a session: three are the default, and have lost some. */
const ATTEMPTS: Rule = { kind: 'atLeast', least: 1000, tries: [1000, 255, 99, 10] }
/** The charger waits this times the number of tries so far: a thousand of them last for weeks. */
const RETRY_S: Rule = { kind: 'within', least: 1, most: 30, otherwise: 10 }
/** A dead line is noticed in seconds, and the next node is tried. */
const PING_S: Rule = { kind: 'within', least: 10, most: 20, otherwise: 15 }
/** 0 is off: without samples a lost stop leaves nothing to bill. */
const SAMPLE_S: Rule = { kind: 'within', least: 1, most: 300, otherwise: 60 }
const TRUE: Rule = { kind: 'exactly', value: 'true' }
const REGISTER: Rule = { kind: 'contains', words: MEASURANDS.slice(0, 1) }
const SAMPLED: Rule = { kind: 'contains', words: MEASURANDS }

/** The keys of OCPP 1.6 (chapter 9), by which the others are known too. What is not named here is not touched. */
export function wishesFor(stopsRefused: boolean): readonly Wish[] {
  return [
    { key: 'TransactionMessageAttempts', rule: ATTEMPTS },
    { key: 'TransactionMessageRetryInterval', rule: RETRY_S },
    { key: 'LocalAuthorizeOffline', rule: TRUE },
    { key: 'StopTransactionOnInvalidId', rule: { kind: 'exactly', value: stopsRefused ? 'true' : 'false' } },
    { key: 'MeterValuesSampledData', rule: SAMPLED },
    { key: 'MeterValueSampleInterval', rule: SAMPLE_S },
    { key: 'WebSocketPingInterval', rule: PING_S },
    // OCPP 2.0.1 tells the registers of start and stop only where they are wanted; 1.6 has no choice.
    { key: 'SampledDataCtrlr.TxStartedMeasurands', rule: REGISTER, mayLack: true },
    { key: 'SampledDataCtrlr.TxEndedMeasurands', rule: REGISTER, mayLack: true },
  ]
}

export function isMet(rule: Rule, value: string | undefined): boolean {
  if (value === undefined) return false
  switch (rule.kind) {
    case 'exactly':
      return truthOf(value) === rule.value
    case 'atLeast':
      return (wholeOf(value) ?? -1) >= rule.least
    case 'within': {
      const number = wholeOf(value)
      return number !== undefined && number >= rule.least && number <= rule.most
    }
    case 'contains':
      return missing(rule.words, wordsOf(value)).length === 0
  }
}

/**
 * The value to ask for now, of a charger that has `value` and refused those; undefined when nothing is left to try. Without a
 * value nobody knows what a list would lose, so it is left alone.
 */
export function nextTry(
  rule: Rule,
  value: string | undefined,
  refused: readonly string[],
): string | undefined {
  if (isMet(rule, value) || refused.length >= MAX_TRIES) return undefined
  const candidates = candidatesOf(rule, value)
  return candidates.find(candidate => !refused.some(other => isSame(other, candidate)))
}

function candidatesOf(rule: Rule, value: string | undefined): readonly string[] {
  switch (rule.kind) {
    case 'exactly':
      return [rule.value]
    case 'within':
      return [String(rule.otherwise)]
    case 'atLeast': {
      const held = wholeOf(value ?? '') ?? -1
      return rule.tries.filter(tried => tried > held).map(String)
    }
    case 'contains': {
      if (value === undefined) return []
      const held = wordsOf(value)
      const wanted = missing(rule.words, held)
      // All at once; where one of them is not known to the charger it refuses the whole list, so then one by one.
      return [[...held, ...wanted], ...wanted.map(word => [...held, word])].map(words => words.join(','))
    }
  }
}

function isSame(a: string, b: string): boolean {
  return a === b || wordsOf(a).sort().join() === wordsOf(b).sort().join()
}

function missing(wanted: readonly string[], held: readonly string[]): readonly string[] {
  const names = new Set(held.map(word => word.toLowerCase()))
  return wanted.filter(word => !names.has(word.toLowerCase()))
}

function wordsOf(value: string): string[] {
  return value
    .split(',')
    .map(word => word.trim())
    .filter(word => word !== '')
}

/** Some firmware has 1 and 0 for true and false. */
function truthOf(value: string): string {
  const word = value.trim().toLowerCase()
  return word === '1' ? 'true' : word === '0' ? 'false' : word
}

export function wholeOf(value: string): number | undefined {
  return /^\d{1,9}$/.test(value.trim()) ? Number(value) : undefined
}

/** In short words, for people: what was wanted. */
export function wantedOf(rule: Rule): string {
  switch (rule.kind) {
    case 'exactly':
      return rule.value
    case 'atLeast':
      return `${rule.least} or more`
    case 'within':
      return `${rule.least} to ${rule.most}`
    case 'contains':
      return `with ${rule.words.join(', ')}`
  }
}
