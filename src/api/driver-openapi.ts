// The description of the driver's plane, OpenAPI 3.1, printed from the very schemas that check the requests.
import { z } from 'zod'
import {
  ENABLE_SOC,
  PROBLEM,
  RECEIPT,
  RECEIPT_FORMS,
  REQUEST,
  SESSION,
  SOC,
  SOC_ENABLED,
  START,
  STATIONS,
  STOP,
} from './driver-words.ts'

const SCHEMAS = {
  Start: { schema: START, io: 'input' },
  Stop: { schema: STOP, io: 'input' },
  EnableSoc: { schema: ENABLE_SOC, io: 'input' },
  Session: { schema: SESSION, io: 'output' },
  Receipt: { schema: RECEIPT, io: 'output' },
  Request: { schema: REQUEST, io: 'output' },
  Stations: { schema: STATIONS, io: 'output' },
  Soc: { schema: SOC, io: 'output' },
  SocEnabled: { schema: SOC_ENABLED, io: 'output' },
  Problem: { schema: PROBLEM, io: 'output' },
} as const
type SchemaName = keyof typeof SCHEMAS

export type Method = 'get' | 'post'
type Route = {
  readonly method: Method
  readonly path: string
  readonly summary: string
  readonly body?: SchemaName
  readonly answer: SchemaName
  /** What else it is answered as, where Accept or ?form= ask for it. */
  readonly forms?: readonly string[]
  /** A second status with the same answer. */
  readonly later?: string
  readonly problems: readonly number[]
}

/** Every route of the plane but this description itself; a test asks the server for each. */
export const ROUTES: readonly Route[] = [
  {
    ...{ method: 'post', path: '/start_session', body: 'Start', answer: 'Session' },
    summary: 'Starts charging with a card, now or when the charger is connected again',
    later:
      'not begun yet: queued, or accepted by the charger, which waits for the cable; follow /request/{id}',
    problems: [400, 403, 404, 409, 410, 422, 429, 503],
  },
  {
    ...{ method: 'post', path: '/stop_session', body: 'Stop', answer: 'Session' },
    summary: 'Ends a session of the card, or of a card of its group; the answer is the receipt',
    later: 'not ended yet; follow /request/{id}',
    problems: [400, 403, 404, 409, 410, 422, 429, 503],
  },
  {
    ...{ method: 'get', path: '/session/{id}', answer: 'Session' },
    summary: 'Live energy, cost and state of charge, or the receipt; whoever knows the id may look',
    problems: [404, 429],
  },
  {
    ...{ method: 'get', path: '/session/{id}/receipt', answer: 'Receipt' },
    summary:
      'The receipt, signed by this node: text unless Accept or ?form= ask for another form; whoever knows the id may have it',
    forms: ['text/plain', 'application/octet-stream'],
    problems: [400, 404, 429],
  },
  {
    ...{ method: 'get', path: '/request/{id}', answer: 'Session' },
    summary: 'What became of a start or a stop; its `request` says how far it is',
    problems: [404, 429],
  },
  {
    ...{ method: 'get', path: '/stations', answer: 'Stations' },
    summary: 'All stations with the age of what is known; to be kept by an app that goes offline',
    problems: [429],
  },
  {
    ...{ method: 'get', path: '/station/{id}/check-soc', answer: 'Soc' },
    summary: 'The last state of charge that was told, with its age, or why there is none',
    problems: [404, 429],
  },
  {
    ...{ method: 'post', path: '/station/{id}/enable-soc', body: 'EnableSoc', answer: 'SocEnabled' },
    summary:
      'Adds SoC to what the charger samples; takes nothing away. Asks for a card that may charge there',
    problems: [400, 403, 404, 409, 429, 503],
  },
]

const MEANINGS: Readonly<Record<number, string>> = {
  400: 'the request cannot be read; nothing was done',
  403: 'the card may not',
  404: 'there is no such station, session or request',
  409: 'not now: busy, out of service, elsewhere or refused by the charger; `alternatives` says where else',
  410: 'the request under this key expired, was cancelled or was lost',
  422: 'the idempotency key was used for another request',
  429: 'too often; wait for Retry-After seconds',
  503: 'the node cannot do it now',
}

const IDEMPOTENCY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    '1 to 64 printable characters of the app’s choice, a new one for each wish. The same key with the same body is the same wish, for a day: it is never done twice.',
  schema: { type: 'string', minLength: 1, maxLength: 64, pattern: '^[!-~]+$' },
}
const PREFER = {
  name: 'Prefer',
  in: 'header',
  required: false,
  description:
    '`wait=n`: so many seconds, 0 to 30, for the charger to begin or end before 202 is answered; 5 otherwise.',
  schema: { type: 'string', pattern: '^wait=[0-9]{1,2}$' },
}

const FORM = {
  name: 'form',
  in: 'query',
  required: false,
  description: 'text to read, the line of a QR code, the signed file, or all of them as JSON',
  schema: { type: 'string', enum: RECEIPT_FORMS },
}

export function openApiDocument(version: string): Readonly<Record<string, unknown>> {
  const schemas = Object.fromEntries(
    Object.entries(SCHEMAS).map(([name, { schema, io }]) => {
      const { $schema: _, ...rest } = z.toJSONSchema(schema, { io })
      return [name, rest]
    }),
  )
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of ROUTES) paths[route.path] = { ...paths[route.path], [route.method]: operation(route) }
  return {
    openapi: '3.1.0',
    info: {
      title: 'chargemesh, the driver’s plane of a node',
      version,
      description:
        'For apps and pages of drivers, served by any node on the site’s own network. What is not known is null, never 0. The card stands in bodies only, never in an address.',
    },
    paths,
    components: { schemas },
  }
}

function operation(route: Route): Readonly<Record<string, unknown>> {
  const content = (name: SchemaName) => ({
    'application/json': { schema: { $ref: `#/components/schemas/${name}` } },
  })
  const hasId = route.path.includes('{id}')
  const isWish = route.later !== undefined
  const parameters = [
    ...(hasId ? [{ name: 'id', in: 'path', required: true, schema: { type: 'string' } }] : []),
    ...(isWish ? [IDEMPOTENCY, PREFER] : []),
    ...(route.forms ? [FORM] : []),
  ]
  const problems = route.problems.map(status => [
    status,
    { description: MEANINGS[status] ?? '', content: content('Problem') },
  ])
  return {
    operationId: `${route.method} ${route.path}`.replace(/[^a-z]+/gi, '_').replace(/_$/, ''),
    summary: route.summary,
    ...(parameters.length > 0 && { parameters }),
    ...(route.body && { requestBody: { required: true, content: content(route.body) } }),
    responses: {
      200: {
        description: 'done, or as it is now',
        content: {
          ...Object.fromEntries((route.forms ?? []).map(type => [type, { schema: { type: 'string' } }])),
          ...content(route.answer),
        },
      },
      ...(isWish && { 202: { description: route.later, content: content(route.answer) } }),
      ...Object.fromEntries(problems),
    },
  }
}
