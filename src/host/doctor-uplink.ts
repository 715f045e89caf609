// Layer uplink: does the cloud answer. A site without it goes on for as long as it must, so nothing here fails.
import http from 'node:http'
import https from 'node:https'
import { reasonOf } from '../errors.ts'
import { type Finding, type Patient, trouble, type UplinkProbe } from './doctor-patient.ts'
import { rememberedUplinks } from './uplink-book.ts'

const ANSWER_MS = 5_000

/** One request to each uplink that the folder remembers; words when the file cannot be read. */
export async function probeUplinks(dir: string): Promise<Patient['uplinks']> {
  const settings = await rememberedUplinks(dir).catch(reasonOf)
  if (typeof settings === 'string') return settings
  return await Promise.all(
    (settings ?? []).map(async ({ name, url, caPem }) => ({
      ...{ name, url },
      // A central system's WebSocket begins as HTTP.
      ...(await probe(url.replace(/^ws/, 'http'), caPem)),
    })),
  )
}

export async function examineUplink({ uplinks }: Patient): Promise<Finding> {
  if (typeof uplinks === 'string')
    return {
      fine: '',
      troubles: [trouble('warn', `${uplinks}: the node starts without; add its uplinks again`)],
    }
  if (uplinks.length === 0)
    return { fine: 'none here: what this node records leaves by the uplinks of others', troubles: [] }
  const troubles = uplinks.flatMap(({ name, url, fault }) =>
    fault === undefined ? [] : [trouble('warn', `${name} does not answer at ${url}: ${fault}`)],
  )
  return { fine: `${uplinks.map(one => one.name).join(', ')} answers`, troubles }
}

const WHY_NOT: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; is `chargemesh cloud run` running?',
  ENOTFOUND: 'nobody knows this name; check the way to the internet and the address',
  EAI_AGAIN: 'no name server answers; check the way to the internet',
  CERT_HAS_EXPIRED: 'its TLS certificate has ended, or the clock here is wrong',
  CERT_NOT_YET_VALID: 'its TLS certificate has not begun, or the clock here is wrong',
  SELF_SIGNED_CERT_IN_CHAIN:
    'it shows another authority than the ca.pem that was given; add the uplink again',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'it shows another authority than the ca.pem that was given; add the uplink again',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'it shows another authority than the ca.pem that was given; add the uplink again',
}

/** Any answer will do: whether it takes pushes is said by `chargemesh status`. */
function probe(url: string, caPem: string | undefined): Promise<Pick<UplinkProbe, 'fault' | 'dateAt'>> {
  return new Promise(resolve => {
    const options = { method: 'HEAD', timeout: ANSWER_MS, agent: false as const, ...(caPem && { ca: caPem }) }
    const request = (url.startsWith('https:') ? https : http).request(url, options, response => {
      response.resume()
      const dateAt = Date.parse(response.headers.date ?? '')
      resolve(Number.isNaN(dateAt) ? {} : { dateAt })
      request.destroy()
    })
    request.once('timeout', () => request.destroy(new Error(`no answer within ${ANSWER_MS / 1000} s`)))
    request.once('error', (error: NodeJS.ErrnoException) =>
      resolve({ fault: WHY_NOT[error.code ?? ''] ?? error.message }),
    )
    request.end()
  })
}
