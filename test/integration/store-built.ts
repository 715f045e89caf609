// Child processes run the compiled store. An old build would test code that is no longer there.
import { readdir, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Throws when a file of the store was changed after it was compiled. */
export async function requireFreshBuild(): Promise<void> {
  const names = (await readdir(`${root}src/store`)).filter(
    name => name.endsWith('.ts') && !name.endsWith('.d.ts'),
  )
  for (const name of ['host/disk.ts', ...names.map(each => `store/${each}`)]) {
    const source = await stat(`${root}src/${name}`)
    const built = await stat(`${root}dist/src/${name.replace(/ts$/, 'js')}`).catch(() => undefined)
    if (built === undefined || built.mtimeMs < source.mtimeMs)
      throw new Error(`dist/ is older than src/${name}: npm run build`)
  }
}
