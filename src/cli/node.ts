// `chargemesh node`: make one, run one.
import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import { writeNodeConfig } from '../config.ts'
import { MeshError } from '../errors.ts'
import { API_FILE, NODE_FILE } from '../host/node-files.ts'
import { createNode } from '../host/site-birth.ts'
import { addNodeRevoke } from './node-revoke.ts'
import { asOperator, collect, say } from './operator.ts'
import { print, untilStopped } from './output.ts'

type JoinOptions = {
  readonly site: string
  readonly dir: string
  readonly name: string
  readonly mesh: string
  readonly ocpp: string
  readonly api: string
  readonly peer: readonly string[]
  readonly insecureOcpp?: boolean
  readonly via: readonly string[]
  readonly json?: boolean
}

export function addNodeCommands(program: Command): void {
  const node = program
    .command('node')
    .description('make and run nodes: one beside each charger, or beside a few')
  node
    .command('join')
    .description('make a node: its keys, its certificate, its settings, and all cards known so far')
    .requiredOption('--site <dir>', "the site's folder")
    .requiredOption('--dir <dir>', 'the new node’s folder; copy it to the machine that will run it')
    .requiredOption('--name <name>', 'name of the node, for people')
    .option('--mesh <host:port>', 'where other nodes reach it', '0.0.0.0:4001')
    .option('--ocpp <host:port>', 'where chargers reach it', '127.0.0.1:8887')
    .option('--api <host:port>', 'operator plane', '127.0.0.1:0')
    .option('--peer <host:port>', 'address of another node; repeat for more', collect, [])
    .option(
      '--insecure-ocpp',
      'let chargers connect without TLS from other machines (isolated charger VLAN only)',
    )
    .option('--via <dir>', 'folder of a running node that learns of the new certificate at once', collect, [])
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExample:\n  chargemesh node join --site ./stadium --name pole-07 --dir ./pole-07 --peer 192.168.7.21:4001',
    )
    .action(join_)
  addNodeRevoke(node)
  node
    .command('run')
    .description('run the node in a folder until it is stopped')
    .requiredOption('--dir <dir>', 'the node’s folder')
    .option('--json', 'print its addresses as JSON when it is ready')
    .addHelpText('after', '\nExample:\n  chargemesh node run --dir ./pole-07')
    .action(async (options: { dir: string; json?: boolean }) => {
      // Loaded only here: libp2p and the OCPP server would slow down every other command.
      const { runNode } = await import('../host/runner.ts')
      const running = await runNode(options.dir)
      const { name, apiUrl, ocppUrl, meshAddresses } = running
      if (options.json) print(JSON.stringify({ ready: true, name, apiUrl, ocppUrl, meshAddresses }))
      else
        print(
          `${name} runs\n  chargers: ${ocppUrl}/<identity>\n  mesh:     ${meshAddresses.join(' ')}\n  operator: ${apiUrl} (token in ${join(options.dir, API_FILE)})`,
        )
      const signal = await untilStopped()
      process.stderr.write(`${signal}: stopping\n`)
      await running.close()
    })
}

async function join_(options: JoinOptions): Promise<void> {
  // Settings are checked before anything is written.
  const config = writeNodeConfig({
    name: options.name,
    mesh: { listen: options.mesh, peers: [...options.peer] },
    ocpp: { listen: options.ocpp, allowInsecure: options.insecureOcpp ?? false },
    api: { listen: options.api },
  })
  const file = join(options.dir, NODE_FILE)
  if (await exists(file))
    throw new MeshError('CONFIG_INVALID', `${file} exists: this folder holds a node already`)
  await asOperator({ ...options, json: true }, async operator => {
    const certificate = await createNode(operator, options.dir, { name: options.name, nowAt: Date.now() })
    await writeFile(file, config)
    say(
      options,
      { name: options.name, deviceId: certificate.deviceId, dir: options.dir },
      `node ${options.name} is ready in ${options.dir}; its settings are in ${file}\n  start it: chargemesh node run --dir ${options.dir}`,
    )
  })
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path)
    return true
  } catch {
    return false
  }
}
