// Which session a person means: the first digits of its id are enough, where no other begins like it.
import type { SessionReport } from '../api/report.ts'
import { MeshError } from '../errors.ts'
import { clientIn } from './operator.ts'

const LEAST_DIGITS = 4

export async function sessionsAt(via: string): Promise<readonly SessionReport[]> {
  return (await (await clientIn(via)).get('/v1/sessions')) as readonly SessionReport[]
}

export function named<T extends Pick<SessionReport, 'sessionId'>>(sessions: readonly T[], id: string): T {
  const wanted = digitsOf(id)
  const found = sessions.filter(({ sessionId }) => sessionId.startsWith(wanted))
  const [one] = found
  if (!one)
    throw new MeshError(
      'CONFIG_INVALID',
      `session ${id}: this node knows none; \`session list\` names them. What it let go of (\`retention show\`) is in the cloud: \`trace ${wanted} --cloud <dir>\``,
    )
  if (found.length > 1)
    throw new MeshError(
      'CONFIG_INVALID',
      `session ${id}: ${found.length} begin so; say more digits: ${found.map(({ sessionId }) => sessionId.slice(0, 12)).join(', ')}`,
    )
  return one
}

export function digitsOf(id: string): string {
  const wanted = id.trim().toLowerCase()
  if (/^[0-9a-f]{1,32}$/.test(wanted) && wanted.length >= LEAST_DIGITS) return wanted
  throw new MeshError(
    'CONFIG_INVALID',
    `session ${id}: wanted at least ${LEAST_DIGITS} hex digits, as \`session list\` shows them`,
  )
}
