// I12, of ways out: a node keeps to the terms that it was told (PROTOCOL 3.3, 3.4). It begins no push once the bytes of the day are
// spent, over crashes too, and none outside the hours. Looked at where the bytes pass, so a budget may be overrun by what nobody
// can know before: the answer to the last push, and certificates that go with it.
import type { Ways } from '../cloud/ways.ts'
import type { Observer, Shown } from '../world/observer.ts'

const SLACK_BYTES = 16_000
const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

export function termsChecker(shown: Shown, ways: Ways): Observer {
  const lost = new Set<number>()
  return {
    name: 'terms',
    // What was spent stood on its disk.
    gone: (member, how) => {
      if (how === 'wiped' || how === 'restored') lost.add(member.number)
    },
    pushing: (member, _push, name) => {
      const terms = ways.of(member.number).find(way => way.name === name)?.terms
      if (!terms || lost.has(member.number) || member.clockErrorMs() !== 0) return
      const spent = ways.spentBytes(member.number, name)
      if (terms.budgetBytes !== undefined && spent > terms.budgetBytes + SLACK_BYTES)
        shown.object(
          'I12',
          `node ${member.name} pushes by ${name}, which has carried ${spent} of ${terms.budgetBytes} bytes today`,
        )
      const minute = Math.floor(((shown.plan.startsAt + shown.nowMs()) % DAY_MS) / MINUTE_MS)
      const isOpen = terms.windows.some(({ fromMinute, untilMinute }) =>
        fromMinute <= untilMinute
          ? minute >= fromMinute && minute < untilMinute
          : minute >= fromMinute || minute < untilMinute,
      )
      if (terms.windows.length > 0 && !isOpen)
        shown.object('I12', `node ${member.name} pushes by ${name} outside its hours`)
    },
  }
}
