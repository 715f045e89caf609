// What commands read from a cloud: the receiver whose data folder is named, with the operator's token that lies in it.
import { request as httpsRequest } from 'node:https'
import { join } from 'node:path'
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import { readJson, readText } from '../host/identity-files.ts'

const RECEIVER = z.object({ url: z.string(), token: z.string() })
export const RECEIVER_FILE = 'receiver.json'
const MAX_ANSWER_BYTES = 64 * 1024 * 1024

type JsonRow = Readonly<Record<string, unknown>>
/** Answers to GETs of one receiver. */
export type CloudReader = (path: string, query?: Readonly<Record<string, string>>) => Promise<unknown>

export async function cloudReader(dir: string): Promise<CloudReader> {
  const receiver = await readJson(
    join(dir, RECEIVER_FILE),
    RECEIVER,
    'is the cloud running, and is this its data folder?',
  )
  const ca = await readText(join(dir, 'ca.pem'), 'the receiver’s certificate')
  return async (path, query = {}) => {
    const asked = new URLSearchParams(query).toString()
    const url = `${receiver.url}${path}${asked === '' ? '' : `?${asked}`}`
    return JSON.parse(await getText(url, { ca, token: receiver.token }))
  }
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

function getText(
  url: string,
  { ca, token }: { readonly ca: string; readonly token: string },
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const request = httpsRequest(url, { ca, headers: { authorization: `Bearer ${token}` } }, response => {
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
  request.end()
  return promise
}
