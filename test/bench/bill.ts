// The bills of sessions as the cloud writes them once they have ended.
import type { BillSaid } from '../../src/audit/format.ts'
import { NO_CORRECTIONS } from '../../src/billing/corrections.ts'
import { judge } from '../../src/billing/judge.ts'
import type { Session } from '../../src/session/fold.ts'

export function billOf(sessions: readonly Session[], issuedAt: number): readonly BillSaid[] {
  return sessions.flatMap(session => {
    const judging = { billed: [], finalise: false, tariffAt: () => undefined, corrections: NO_CORRECTIONS }
    return judge(session, judging).bills.map(bill => ({ ...bill, sessionId: session.sessionId, issuedAt }))
  })
}
