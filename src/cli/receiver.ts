// What commands read from a cloud: the receiver whose data folder is named, with the operator's token that lies in it. What they
// set there they set with another one, so that whoever is given the first may only look.
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import { readJson, readText } from '../host/identity-files.ts'

const RECEIVER = z.object({ url: z.string(), token: z.string() })
export const RECEIVER_FILE = 'receiver.json'
export const ADMIN_FILE = 'admin.json'
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

type JsonRow = Readonly<Record<string, unknown>>
/** Answers to GETs of one receiver. */
export type CloudReader = (path: string, query?: Readonly<Record<string, string>>) => Promise<unknown>

export async function cloudReader(dir: string): Promise<CloudReader> {
  const { receiver, ca } = await receiverIn(dir, RECEIVER_FILE)
  return async (path, query = {}) => {
    const asked = new URLSearchParams(query).toString()
    const url = `${receiver.url}${path}${asked === '' ? '' : `?${asked}`}`
    return JSON.parse(await getText(url, { ca, token: receiver.token }))
  }
}

/** Sets something at one receiver; answers what it says. */
export type CloudWriter = (method: 'POST' | 'DELETE', path: string, body?: object) => Promise<unknown>

export async function cloudWriter(dir: string): Promise<CloudWriter> {
  const { receiver, ca } = await receiverIn(dir, ADMIN_FILE)
  return async (method, path, body) => {
    const sent = body && JSON.stringify(body)
    return JSON.parse(
      await getText(`${receiver.url}${path}`, {
        ca,
        token: receiver.token,
        method,
        ...(sent && { body: sent }),
      }),
    )
  }
}

async function receiverIn(
  dir: string,
  file: string,
): Promise<{ readonly receiver: z.output<typeof RECEIVER>; readonly ca: string }> {
  const where = 'is the cloud running, and is this its data folder?'
  const receiver = await readJson(join(dir, file), RECEIVER, where)
  return { receiver, ca: await readText(join(dir, 'ca.pem'), 'the receiver’s certificate') }
}

/** Rows of a list at the cloud, all pages. */
export async function cloudRows(
  dir: string,
  path: string,
  asked: Readonly<Record<string, string>> = {},
): Promise<readonly JsonRow[]> {
  const read = await cloudReader(dir)
  const rows: JsonRow[] = []
  let cursor: string | undefined
  do {
    const query = { limit: '1000', ...asked, ...(cursor !== undefined && { cursor }) }
    const page = (await read(path, query)) as {
      readonly items: readonly JsonRow[]
      readonly next?: string | null
    }
    rows.push(...page.items)
    cursor = page.next ?? undefined
  } while (cursor !== undefined)
  return rows
}

type Asking = {
  readonly ca: string
  readonly token: string
  readonly method?: string
  /** As JSON. */
  readonly body?: string
}

function getText(url: string, { ca, token, method = 'GET', body }: Asking): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body !== undefined && {
      ...{ 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    }),
  }
  const request = httpsRequest(url, { ca, method, headers }, response => {
    const parts: Buffer[] = []
    let bytes = 0
    response.on('data', (part: Buffer) => {
      bytes += part.length
      if (bytes > MAX_ANSWER_BYTES) request.destroy(new Error('the answer is too long'))
      parts.push(part)
    })
    response.on('end', () => {
      const text = Buffer.concat(parts).toString('utf8')
      if (response.statusCode === 200) resolve(text)
      else
        reject(
          new MeshError('UPLINK_FAILED', `the cloud answered ${response.statusCode}: ${text.slice(0, 200)}`),
        )
    })
  })
  request.on('error', error =>
    reject(new MeshError('UPLINK_FAILED', `the cloud does not answer at ${url}: ${error.message}`, error)),
  )
  request.end(body)
  return promise
}
