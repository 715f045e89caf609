// A seeded bug: a patch of one production file, what it breaks, and which invariants may show it. Read from the YAML files
// beside this one; a patch must fit its file exactly once, so that no bug is quietly left out when the code moves on.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'

export const MUTANTS_FOLDER = 'simulations/mutants'

const count = (prefix: string, most: number): readonly string[] =>
  Array.from({ length: most }, (_, i) => `${prefix}${i + 1}`)
/** PROTOCOL 6.5, I33 of our own, and the program's: an exception or a broken invariant ended the run. */
export const INVARIANTS: readonly string[] = [...count('I', 33), ...count('L', 5), 'crash']

const MUTANT = z.strictObject({
  name: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'words with hyphens'),
  /** A sentence: what is wrong now, and where it shows when that is not everywhere. */
  breaks: z.string().min(10),
  file: z.string().regex(/^src\/[a-z0-9-]+(\/[a-z0-9-]+)*\.ts$/, 'a file in src/'),
  find: z.string().min(1),
  replace: z.string(),
  /** Any of these counts. */
  caught: z
    .array(z.string().refine(name => INVARIANTS.includes(name), 'an invariant of PROTOCOL 6.5, or crash'))
    .min(1),
  scenario: z.string().default('smoke'),
  /** It must be seen within so many. */
  seeds: z.int().positive().default(20),
})
export type Mutant = Readonly<z.infer<typeof MUTANT>>

/** All mutants of a project, by file and in their order there. Throws on the first that cannot be read, or a name used twice. */
export async function readMutants(root: string): Promise<readonly Mutant[]> {
  const folder = join(root, MUTANTS_FOLDER)
  const names = (await readdir(folder)).filter(name => name.endsWith('.yaml')).sort()
  const mutants: Mutant[] = []
  for (const name of names) {
    const read = z.array(MUTANT).safeParse(parse(await readFile(join(folder, name), 'utf8')))
    if (!read.success) throw new Error(`${MUTANTS_FOLDER}/${name}: ${z.prettifyError(read.error)}`)
    for (const mutant of read.data) {
      const twice = mutants.some(other => other.name === mutant.name)
      if (twice) throw new Error(`${MUTANTS_FOLDER}/${name}: two mutants are called ${mutant.name}`)
      mutants.push(mutant)
    }
  }
  return mutants
}

/** The text with the bug in it. Throws when the place is not there, or there more than once. */
export function patched({ name, file, find, replace }: Mutant, text: string): string {
  const [before, after, ...more] = text.split(find)
  if (before === undefined || after === undefined || more.length > 0) {
    const places = text.split(find).length - 1
    throw new Error(`mutant ${name}: its place is in ${file} ${places} times, and must be once`)
  }
  if (find === replace) throw new Error(`mutant ${name} changes nothing`)
  return `${before}${replace}${after}`
}
