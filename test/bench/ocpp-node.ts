// The production node in a process of its own, as `chargemesh node run` opens it, for the charging benchmarks. JSON lines, see
// lines.ts.
import '../../src/runtime.ts'
import { open as openFile } from 'node:fs/promises'
import { apiFileIn, clientOf } from '../../src/api/client.ts'
import { readText } from '../../src/host/identity-files.ts'
import { type RunningNode, runNode } from '../../src/host/runner.ts'
import { type Args, serveLines, text } from './lines.ts'

let running: { readonly dir: string; readonly node: RunningNode } | undefined
const fsyncs = await countFsyncs()

/** Counts what this process flushes through file handles, which is how the journal does it; LevelDB is not seen. */
async function countFsyncs(): Promise<{ count: number }> {
  const counted = { count: 0 }
  const any = await openFile(process.execPath, 'r')
  const handles = Object.getPrototypeOf(any) as Pick<typeof any, 'sync' | 'datasync'>
  await any.close()
  for (const name of ['sync', 'datasync'] as const) {
    const flush = handles[name]
    handles[name] = function (this: typeof any) {
      counted.count += 1
      return flush.call(this)
    }
  }
  return counted
}

async function open(args: Args): Promise<unknown> {
  const dir = text(args, 'dir')
  const node = await runNode(dir)
  running = { dir, node }
  return { url: node.ocppUrl }
}

async function stats(): Promise<unknown> {
  if (!running) throw new RangeError('open comes first')
  const file = apiFileIn(running.dir)
  const client = clientOf(file, await readText(file, 'the node runs'))
  const { sessions } = (await client.get('/v1/status')) as { readonly sessions: { readonly ended: number } }
  return { fsyncs: fsyncs.count, ended: sessions.ended }
}

serveLines({
  open,
  stats,
  close: async () => {
    await running?.node.close()
    return {}
  },
})
