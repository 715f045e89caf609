// A long answer as it comes: from a node's operator's plane or from a cloud, with the token that lies in its folder.
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { type ErrorCode, MeshError, reasonOf } from '../errors.ts'

/** Silence for so long is the end. */
const SILENCE_MS = 60_000
const MAX_COMPLAINT_BYTES = 2_000

export type Source = {
  readonly url: string
  readonly token: string
  /** PEM; for a cloud. */
  readonly ca?: string
  /** How it is called when it does not answer, and under which code. */
  readonly name: string
  readonly code: ErrorCode
}

export async function* download(source: Source, path: string): AsyncGenerator<Uint8Array, void, void> {
  const { name, code } = source
  let response: IncomingMessage
  try {
    response = await ask(source, path)
  } catch (error) {
    throw new MeshError(code, `${name} does not answer at ${source.url}: ${reasonOf(error)}`, error)
  }
  if (response.statusCode !== 200) {
    throw new MeshError(code, `${name} answered ${response.statusCode}: ${await complaintIn(response)}`)
  }
  try {
    for await (const piece of response) yield piece as Uint8Array
  } catch (error) {
    throw new MeshError(code, `${name} broke off: ${reasonOf(error)}`, error)
  }
}

function ask({ url, token, ca }: Source, path: string): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const headers = { authorization: `Bearer ${token}` }
  const target = new URL(path, url)
  const request =
    target.protocol === 'https:'
      ? httpsRequest(target, { headers, ...(ca !== undefined && { ca }) }, resolve)
      : httpRequest(target, { headers }, resolve)
  request.setTimeout(SILENCE_MS, () => request.destroy(new Error(`silent for ${SILENCE_MS / 1000} s`)))
  request.on('error', reject)
  request.end()
  return promise
}

async function complaintIn(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response) {
    parts.push(part as Buffer)
    bytes += (part as Buffer).length
    if (bytes > MAX_COMPLAINT_BYTES) break
  }
  return Buffer.concat(parts).toString('utf8').slice(0, 300)
}
