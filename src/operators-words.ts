// What operators said that came down by an uplink: judged by the gate, as anybody's, and bounded, because a cloud may lie.
import type { Acting } from './acting.ts'
import type { Logger, PushAnswer } from './ports.ts'
import type { Send } from './replica/sends.ts'
import type { LogId } from './units.ts'

/** Of one answer; a forgery costs the check of a signature, and a charger may be waiting. */
const MAX_REFUSALS = 16

const NOTHING = { segments: [], certificates: [], objects: [] }

export type WordsDeps = {
  readonly logger: Logger
  readonly count: (name: string, by?: number) => void
}
type Words = { readonly way: string; readonly answer: PushAnswer }
export type Heard = { readonly sends: readonly Send[]; readonly admitted: number }

/** Of a log no more than the first refusal is looked at. */
export function takeWords(deps: WordsDeps, act: Acting, { way, answer }: Words): Heard {
  const { segments = [], certificates = [] } = answer
  const refused = certificates.length > 0 ? [...act.submit({ ...NOTHING, certificates }).report.refused] : []
  const bad = new Set<LogId>()
  const sends: Send[] = []
  let admitted = 0
  for (const segment of segments) {
    if (bad.has(segment.logId) || refused.length >= MAX_REFUSALS) continue
    const taken = act.submit({ ...NOTHING, segments: [segment] })
    sends.push(...taken.sends)
    admitted += taken.report.admitted
    refused.push(...taken.report.refused)
    if (taken.report.refused.length > 0) bad.add(segment.logId)
  }
  if (admitted > 0) deps.count('uplink.heard', admitted)
  for (const reason of refused.slice(0, MAX_REFUSALS)) {
    deps.count('uplink.unheard')
    deps.logger.warn('words that came by an uplink were refused', { uplink: way, reason })
  }
  return { sends, admitted }
}
