// Talks to the operator's plane of a node, found by the node's folder or by address and token.
import { join } from 'node:path'
import { z } from 'zod'
import { check } from '../config.ts'
import { MeshError } from '../errors.ts'
import type { Submission, SubmissionReport } from '../input.ts'
import type { Segment } from '../ports.ts'
import type { LogId } from '../units.ts'

const API = z.object({ url: z.url(), token: z.string() })
const TIMEOUT_MS = 20_000
/** Bytes of one request; larger submissions go in parts. A node checks each signature of a part before it serves a charger again:
 * some 750 grants, a tenth of a second. */
const PART_BYTES = 256 * 1024

export type Client = {
  readonly get: (path: string) => Promise<unknown>
  readonly post: (path: string, body: unknown) => Promise<unknown>
  readonly delete: (path: string) => Promise<unknown>
}

/** `text` is the content of a node's api.json. */
export function clientOf(file: string, text: string): Client {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (error) {
    throw new MeshError('CONFIG_INVALID', `${file}: not JSON`, error)
  }
  const { url, token } = check(file, API, parsed)
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    let response: Response
    try {
      response = await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      })
    } catch (error) {
      const isLate = error instanceof Error && error.name === 'TimeoutError'
      const why = isLate
        ? `the node at ${url} has not answered within ${TIMEOUT_MS / 1000} s; what was asked may still be done`
        : `no node answers at ${url}; is \`chargemesh node run\` running?`
      throw new MeshError('NODE_UNREACHABLE', why, error)
    }
    const answer = (await response.json()) as unknown
    if (response.ok) return answer
    const message = (answer as { error?: unknown }).error
    throw new MeshError(
      'NODE_UNREACHABLE',
      typeof message === 'string' ? message : `the node answered ${response.status}`,
    )
  }
  return {
    get: path => call('GET', path),
    post: (path, body) => call('POST', path, body),
    delete: path => call('DELETE', path),
  }
}

const LOGS = z.array(
  z.object({
    ...{ logId: z.string(), deviceId: z.string(), seq: z.int(), hash: z.string() },
    forkedAt: z.int().optional(),
  }),
)
/** One log as a node holds it: its newest event, and where it has two branches, if it has. */
export type HeldLog = z.infer<typeof LOGS>[number]

export async function logsOf(client: Client): Promise<readonly HeldLog[]> {
  return check('logs', LOGS, await client.get('/v1/logs'))
}

/** What an operator hands over, the log that it has just written into, and its own hashes. */
export type Handover = Submission & {
  readonly written: LogId | undefined
  readonly hashAt: (logId: LogId, seq: number) => string | undefined
}

/**
 * What is not held yet of an operator's logs. A log that is frozen there, or of which something else is held than we have,
 * is left out: to show a second branch would freeze the log, and with it what the site knows.
 */
export function missingAt(
  { segments, written, hashAt }: Handover,
  there: readonly HeldLog[],
): { readonly missing: readonly Segment[]; readonly refused: readonly string[] } {
  const held = new Map(there.map(log => [log.logId, log]))
  const takes = (logId: LogId): boolean => {
    const log = held.get(logId)
    return !log || (log.forkedAt === undefined && hashAt(logId, log.seq) === log.hash)
  }
  const missing = segments.filter(({ logId, fromSeq }) => {
    const seq = held.get(logId)?.seq ?? -1
    const next = segments.find(one => one.logId === logId && one.fromSeq > fromSeq)
    return takes(logId) && (next ? next.fromSeq - 1 > seq : hashAt(logId, seq + 1) !== undefined)
  })
  const isLost = written !== undefined && !takes(written)
  return {
    missing,
    refused: isLost ? [`log ${written} has two branches: what was written counts nowhere`] : [],
  }
}

/** Hands a node what it does not hold yet of an operator's logs. */
export async function submitTo(client: Client, submission: Handover): Promise<SubmissionReport> {
  const { missing, refused: frozen } = missingAt(submission, await logsOf(client))
  let admitted = 0
  const refused = [...frozen]
  for (const segments of inParts(missing)) {
    const report = (await client.post('/v1/submissions', {
      certificates: submission.certificates.map(toBase64),
      segments: segments.map(({ logId, fromSeq, update }) => ({ logId, fromSeq, update: toBase64(update) })),
      objects: submission.objects.map(toBase64),
    })) as SubmissionReport
    admitted += report.admitted
    refused.push(...report.refused)
  }
  return { admitted, refused }
}

function inParts(segments: Submission['segments']): readonly Submission['segments'][] {
  const parts: Submission['segments'][number][][] = [[]]
  let bytes = 0
  for (const segment of segments) {
    if (bytes + segment.update.length > PART_BYTES) {
      parts.push([])
      bytes = 0
    }
    bytes += segment.update.length
    parts.at(-1)?.push(segment)
  }
  return parts
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

export function apiFileIn(dir: string): string {
  return join(dir, 'api.json')
}
