// The rules of the house, as data; tidy.test.ts enforces them. The first prefix that fits a file decides.

/** From the bottom up: a file imports from its own layer and from those before it. The first prefix that fits decides. */
export const LAYERS: readonly { readonly name: string; readonly holds: readonly string[] }[] = [
  {
    name: 'vocabulary',
    holds: [
      'src/log/',
      'src/identity/',
      'src/units.ts',
      'src/errors.ts',
      'src/ports.ts',
      'src/upstream.ts',
      'src/charging-profile.ts',
      'src/care.ts',
      'src/cbor.ts',
      'src/version.ts',
      'src/remember.ts',
    ],
  },
  {
    name: 'decisions',
    holds: [
      'src/replica/',
      'src/session/',
      'src/authorization/',
      'src/tariff/',
      'src/energy/',
      'src/defaults/',
      'src/forwarding/',
      'src/uplink/outbox.ts',
      'src/uplink/terms.ts',
    ],
  },
  { name: 'money', holds: ['src/billing/', 'src/audit/'] },
  {
    name: 'wiring',
    holds: [
      ...[
        'src/cli/',
        'src/main.ts',
        'src/runtime.ts',
        'src/node.ts',
        'src/node-shape.ts',
        'src/chains.ts',
        'src/acting.ts',
        'src/chargers.ts',
        'src/heard.ts',
        'src/ledger.ts',
        'src/own-log.ts',
        'src/personal.ts',
        'src/pruning.ts',
      ],
      ...[
        'src/mesh.ts',
        'src/marks.ts',
        'src/claims.ts',
        'src/witness.ts',
        'src/serve.ts',
        'src/serve-readings.ts',
        'src/serving.ts',
        'src/recordable.ts',
        'src/card.ts',
      ],
      ...['src/view.ts', 'src/folds.ts', 'src/local-lists.ts', 'src/list-state.ts', 'src/list-talk.ts'],
      ...[
        'src/onboarding.ts',
        'src/onboarding-state.ts',
        'src/onboarding-talk.ts',
        'src/takeover.ts',
        'src/derating.ts',
      ],
      ...[
        'src/uplinks.ts',
        'src/forwarder',
        'src/push.ts',
        'src/ahead.ts',
        'src/spending.ts',
        'src/way.ts',
        'src/stops.ts',
        'src/unsent.ts',
        'src/operators-words.ts',
        'src/persist.ts',
        'src/mailbox.ts',
        'src/input.ts',
        'src/opening.ts',
        'src/host/runner.ts',
        'src/host/self.ts',
        'src/host/doors.ts',
        'src/host/driver-plane.ts',
        'src/host/may-charge.ts',
        'src/host/operator.ts',
        'src/host/commanding.ts',
        'src/host/upstream-commands.ts',
        'src/host/ways-out.ts',
        'src/host/may-charge.ts',
        'src/host/site-birth.ts',
        'src/host/invite.ts',
        'src/host/join.ts',
        'src/host/doctor',
        'src/host/tokens.ts',
        'src/host/cards.ts',
        'src/host/accounts.ts',
        'src/host/upkeep.ts',
        'src/host/reissue.ts',
        'src/host/site-tls.ts',
        'src/host/charger-tls.ts',
        'src/host/charger-doors.ts',
        'src/host/salvage.ts',
      ],
    ],
  },
  {
    name: 'edges',
    holds: [
      ...['src/host/', 'src/store/', 'src/ocpp/', 'src/uplink/', 'src/cloud/', 'src/api/', 'src/dashboard/'],
      'src/config.ts',
    ],
  },
]
export const HEIGHT = ['vocabulary', 'decisions', 'money', 'edges', 'wiring']

/** Upward all the same, with the reason; only `import type`, so that nothing is left of it at run time. */
export const UPWARD_TYPES: readonly { readonly from: string; readonly to: RegExp; readonly why: string }[] = [
  {
    from: 'src/api/',
    to: /^src\/(node|input|chargers|pruning)\.ts$/,
    why: 'the API is handed a running node and reports on it',
  },
  {
    from: 'src/host/document-check.ts',
    to: /^src\/ledger\.ts$/,
    why: 'it is handed the ledger that it compares with',
  },
]

/** Where a library may be named; anywhere else, ask the file behind the door. */
export const DOORS: Readonly<Record<string, readonly string[]>> = {
  libp2p: ['src/host/'],
  '@libp2p/*': ['src/host/'],
  '@chainsafe/*': ['src/host/'],
  '@multiformats/*': ['src/host/'],
  multiformats: ['src/host/'],
  yjs: ['src/replica/', 'src/store/documents.ts'],
  'y-leveldb': ['src/store/'],
  'classic-level': ['src/store/'],
  'memory-level': ['src/store/'],
  'crc-32': ['src/store/'],
  uqr: ['src/cli/'],
  'shamir-secret-sharing': ['src/host/root-shares.ts'],
  'ocpp-rpc': ['src/ocpp/', 'src/uplink/csms'],
  ws: ['src/ocpp/', 'src/uplink/csms'],
  '@noble/ed25519': ['src/identity/'],
  pg: ['src/cloud/'],
  'pg-copy-streams': ['src/cloud/copying.ts'],
  mqtt: ['src/uplink/mqtt', 'src/cloud/mqtt'],
  'prom-client': ['src/cloud/metrics'],
  '@electric-sql/pglite': ['src/cloud/'],
  selfsigned: ['src/cloud/'],
  '@peculiar/*': ['src/host/charger-ca.ts'],
  cborg: ['src/cbor.ts'],
  'big.js': ['src/tariff/'],
  pino: ['src/host/'],
  yaml: ['src/config.ts'],
  zod: [
    'src/config.ts',
    'src/api/',
    'src/cli/',
    'src/host/',
    'src/cloud/payments-http.ts',
    'src/cloud/webhook-routes.ts',
    'src/cloud/webhook-secrets.ts',
    'src/cloud/openapi',
    'src/uplink/setting.ts',
  ],
  fastify: ['src/api/', 'src/cloud/', 'src/host/invite.ts'],
  commander: ['src/cli/'],
  'csv-parse': ['src/cli/'],
  'cli-table3': ['src/cli/'],
  'cli-progress': ['src/cli/'],
  uplot: ['simulations/report/'],
}

/** What runs under virtual time, seeded dice and a simulated disk: all below the edges, and the wiring of a node. */
export const VIRTUAL = ['vocabulary', 'decisions']
export const VIRTUAL_WIRING = [
  ...[
    'node',
    'acting',
    'chargers',
    'heard',
    'ledger',
    'mesh',
    'marks',
    'witness',
    'serve',
    'recordable',
    'card',
    'view',
    'uplinks',
    'push',
    'ahead',
    'spending',
    'way',
  ],
  ...[
    'persist',
    'mailbox',
    'opening',
    'unsent',
    'operators-words',
    'stops',
    'local-lists',
    'list-state',
    'list-talk',
  ],
  ...['onboarding', 'onboarding-state', 'onboarding-talk', 'takeover', 'derating'],
  ...[
    'forwarder',
    'forwarder-agreed',
    'forwarder-line',
    'forwarder-session',
    'forwarder-standing',
    'forwarder-talk',
    'forwarder-call',
  ],
].map(name => `src/${name}.ts`)
export const BANNED_CALLS: readonly { readonly call: RegExp; readonly instead: string }[] = [
  { call: /\bDate\.now\b/, instead: 'take `nowAt` as an argument, or ask the Clock port' },
  { call: /\bnew Date\(\s*\)/, instead: 'take `nowAt` as an argument, or ask the Clock port' },
  { call: /\bperformance\.now\b/, instead: 'take `nowMs` as an argument, or ask the Clock port' },
  { call: /\bMath\.random\b/, instead: 'take dice as an argument, or ask the Random port' },
  { call: /\b(randomBytes|randomUUID|getRandomValues|randomInt)\b/, instead: 'ask the Random port' },
  {
    call: /\b(setTimeout|setInterval|setImmediate)\b/,
    instead: 'act on the tick that node.ts gets each second',
  },
  { call: /\bprocess\.env\b/, instead: 'take a setting as an argument; config.ts reads them' },
]
export const BANNED_MODULES =
  /^node:(fs|fs\/promises|net|http|https|http2|tls|dgram|dns|child_process|worker_threads|timers|timers\/promises)$/

export const MAX_LINES = 300
export const NAMELESS = /(^|\/)(index|utils?|common|helpers?|services?|managers?|types)(\.ts$|\/)/

/** Tests wait for a condition with a deadline, and only where real sockets, files or processes are under them. */
export const WAITING = /\b(setTimeout|sleep)\s*\(/
export const MAY_WAIT = ['test/integration/', 'test/bench/', 'test/deadline.ts']
export const MARKED = /\b(it|test|describe)\s*\.\s*(only|skip|todo|skipIf|runIf)\b/

/** Folders of somebody's machine; what is published names none. */
export const WORKPLACES = /(^|[\s'"`(=:])\/(work|root|tmp|home\/\w+)\//
