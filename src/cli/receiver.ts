// What commands read from a cloud: the receiver whose data folder is named, with the operator's token that lies in it.
// Where it serves several sites, one of them is named like a folder in it: `./cloud-data/Stadium`.
import { access } from 'node:fs/promises'
import { request as httpsRequest } from 'node:https'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { MeshError } from '../errors.ts'
import { readJson, readText } from '../host/identity-files.ts'

const SITE = z.object({ siteId: z.string(), name: z.string() })
const RECEIVER = z.object({ url: z.string(), token: z.string(), sites: z.array(SITE).default([]) })
export const RECEIVER_FILE = 'receiver.json'
/** The token of those who may set something: another file, so that whoever is given the first may only look. */
export const ADMIN_FILE = 'admin.token'
/** The one list that is not of a site. */
export const SITES_PATH = '/v1/sites'
const MAX_ANSWER_BYTES = 64 * 1024 * 1024
/** Sites that an error names. */
const MAX_NAMED = 5

export type JsonRow = Readonly<Record<string, unknown>>
export type JsonPage = { readonly items: readonly JsonRow[]; readonly next?: string }
/** Answers to GETs of one site at its receiver; the path is the one that a receiver of a single site has. */
export type CloudReader = (path: string, query?: Readonly<Record<string, string>>) => Promise<unknown>

export async function cloudReader(dir: string): Promise<CloudReader> {
  const { url, token, ca, pathOf } = await cloudPlace(dir)
  return async (path, query = {}) => {
    const asked = new URLSearchParams(query).toString()
    return JSON.parse(await getText(`${url}${pathOf(path)}${asked === '' ? '' : `?${asked}`}`, { ca, token }))
  }
}

/** Sets something of one site at its receiver; answers what that says. */
export type CloudWriter = (method: 'POST' | 'DELETE', path: string, body?: object) => Promise<unknown>

export async function cloudWriter(dir: string): Promise<CloudWriter> {
  const { home, url, ca, pathOf } = await cloudPlace(dir)
  const token = (await readText(join(home, ADMIN_FILE), 'the token of those who may set something')).trim()
  return async (method, path, body) => {
    const sent = body && { body: JSON.stringify(body) }
    return JSON.parse(await getText(`${url}${pathOf(path)}`, { ca, token, method, ...sent }))
  }
}

export type CloudPlace = {
  /** The receiver's own folder. */
  readonly home: string
  readonly url: string
  readonly token: string
  /** PEM. */
  readonly ca: string
  /** Where a site's path, such as /v1/bills, is at this receiver. */
  readonly pathOf: (path: string) => string
}

/** Rejects with CONFIG_INVALID when nothing runs there; `pathOf` throws it when it is not clear which site is meant. */
export async function cloudPlace(dir: string): Promise<CloudPlace> {
  const { home, site } = await homeOf(dir)
  const hint = 'is the cloud running, and is this its data folder?'
  const { url, token, sites } = await readJson(join(home, RECEIVER_FILE), RECEIVER, hint)
  const ca = await readText(join(home, 'ca.pem'), 'the receiver’s certificate')
  return {
    ...{ home, url, token, ca },
    pathOf: path => (path === SITES_PATH ? path : path.replace(/^\/v1(?=\/)/, baseOf(sites, home, site))),
  }
}

/** The receiver's own folder, and the site that was named behind it. */
async function homeOf(dir: string): Promise<{ readonly home: string; readonly site?: string }> {
  if ((await isThere(join(dir, RECEIVER_FILE))) || !(await isThere(join(dirname(dir), RECEIVER_FILE))))
    return { home: dir }
  return { home: dirname(dir), site: basename(dir) }
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

function baseOf(sites: z.infer<typeof RECEIVER>['sites'], home: string, named: string | undefined): string {
  if (named === undefined && sites.length < 2) return '/v1'
  const found = sites.filter(({ siteId, name }) => name === named || siteId === named)
  const [one] = found
  if (one && found.length === 1) return `/v1/sites/${one.siteId}`
  const known = sites.slice(0, MAX_NAMED).map(({ name, siteId }) => `${join(home, name)} (${siteId})`)
  const wanted = found.length > 1 ? 'this name more than once: give the id' : 'several sites: name one'
  throw new MeshError('CONFIG_INVALID', `${home}: the cloud has ${wanted}, such as ${known.join(', ')}`)
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
    const page = (await read(path, query)) as JsonPage
    rows.push(...page.items)
    cursor = page.next
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
  const type = body === undefined ? {} : { 'content-type': 'application/json' }
  const headers = { authorization: `Bearer ${token}`, ...type }
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
      else reject(refusalOf(response.statusCode ?? 0, text))
    })
  })
  request.on('error', error =>
    reject(new MeshError('UPLINK_FAILED', `the cloud does not answer at ${url}: ${error.message}`, error)),
  )
  request.end(body)
  return promise
}

/** What was wrong with what was asked, in the cloud's words; anything else as it came. */
function refusalOf(status: number, text: string): MeshError {
  const said = status === 400 ? /"message":("(?:[^"\\]|\\.){1,300}")/.exec(text)?.[1] : undefined
  if (said !== undefined) return new MeshError('CONFIG_INVALID', String(JSON.parse(said)))
  return new MeshError('UPLINK_FAILED', `the cloud answered ${status}: ${text.slice(0, 200)}`)
}
