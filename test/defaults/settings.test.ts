// What a setting should be, and what is tried next after each answer: every rule ends.
import { describe, expect, it } from 'vitest'
import { isMet, MAX_TRIES, nextTry, type Rule, wishesFor } from '../../src/defaults/settings.ts'

const rule = (key: string, stopsRefused = true): Rule => {
  const wish = wishesFor(stopsRefused).find(one => one.key === key)
  if (!wish) throw new Error(key)
  return wish.rule
}
const ENERGY = 'Energy.Active.Import.Register'
const POWER = 'Power.Active.Import'

/** Asks until nothing is left to try; the charger takes what `takes` says. */
function settle(asked: Rule, has: string | undefined, takes: (value: string) => boolean) {
  const refused: string[] = []
  const tried: string[] = []
  let value = has
  for (let next = nextTry(asked, value, refused); next !== undefined; next = nextTry(asked, value, refused)) {
    tried.push(next)
    if (tried.length > 20) throw new Error('a loop')
    if (takes(next)) value = next
    else refused.push(next)
  }
  return { value, tried }
}

describe('a setting', () => {
  it.each([
    ['TransactionMessageAttempts', '1000', true],
    ['TransactionMessageAttempts', '3', false],
    ['TransactionMessageAttempts', 'many', false],
    ['TransactionMessageRetryInterval', '30', true],
    ['TransactionMessageRetryInterval', '0', false],
    ['TransactionMessageRetryInterval', '60', false],
    ['LocalAuthorizeOffline', 'TRUE', true],
    ['LocalAuthorizeOffline', '1', true],
    ['LocalAuthorizeOffline', '0', false],
    ['MeterValueSampleInterval', '0', false],
    ['MeterValueSampleInterval', '60', true],
    ['WebSocketPingInterval', '0', false],
    ['WebSocketPingInterval', '15', true],
    ['WebSocketPingInterval', '300', false],
    ['MeterValuesSampledData', `soc, ${POWER.toLowerCase()},${ENERGY},Voltage`, true],
    ['MeterValuesSampledData', ENERGY, false],
  ])('%s of %s is right: %s', (key, value, isRight) => {
    expect(isMet(rule(key), value)).toBe(isRight)
    expect(nextTry(rule(key), value, []) === undefined).toBe(isRight)
  })

  it('of refused cards follows what the site does with revoked ones', () => {
    expect(nextTry(rule('StopTransactionOnInvalidId', false), 'true', [])).toBe('false')
    expect(nextTry(rule('StopTransactionOnInvalidId'), 'true', [])).toBeUndefined()
  })

  it('that is too small is raised to the most that the charger takes, and never lowered', () => {
    const attempts = rule('TransactionMessageAttempts')
    expect(settle(attempts, '3', value => Number(value) <= 100)).toMatchObject({
      tried: ['1000', '255', '99'],
    })
    expect(settle(attempts, '120', () => false).tried).toEqual(['1000', '255'])
  })

  it('of measurands keeps what stands there, and takes what the charger knows, one by one where it must', () => {
    const sampled = rule('MeterValuesSampledData')
    expect(settle(sampled, 'Voltage', () => true).tried).toEqual([`Voltage,${ENERGY},SoC,${POWER}`])
    const noCar = settle(sampled, ' Voltage , Current.Import', value => !value.includes('SoC'))
    expect(noCar.value).toBe(`Voltage,Current.Import,${ENERGY},${POWER}`)
    expect(noCar.tried.length).toBeLessThanOrEqual(MAX_TRIES)
    expect(settle(sampled, 'Voltage', () => false).value).toBe('Voltage')
    expect(settle(sampled, '', () => true).value).toBe(`${ENERGY},SoC,${POWER}`)
  })

  it('that nobody could read is set where that can lose nothing, and left alone where it can', () => {
    expect(nextTry(rule('TransactionMessageAttempts'), undefined, [])).toBe('1000')
    expect(nextTry(rule('LocalAuthorizeOffline'), undefined, [])).toBe('true')
    expect(nextTry(rule('MeterValuesSampledData'), undefined, [])).toBeUndefined()
  })
})
