// Cards from a CSV, on a real site folder: each bad line is named, and nothing of a file with one is imported.
import { mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { runProgram } from '../../src/cli/program.ts'
import { createSite } from '../../src/host/site-birth.ts'

let dir: string
let site: string

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'chargemesh-token-'))
})

afterAll(async () => {
  await rm(dir, { recursive: true, force: true })
})

let said = { out: '', error: '' }

beforeEach(async () => {
  said = { out: '', error: '' }
  await freshSite()
  vi.spyOn(process.stdout, 'write').mockImplementation(text => {
    said.out += String(text)
    return true
  })
  vi.spyOn(process.stderr, 'write').mockImplementation(text => {
    said.error += String(text)
    return true
  })
})

afterEach(() => {
  vi.restoreAllMocks()
})

async function freshSite(): Promise<void> {
  site = await mkdtemp(join(dir, 'site-'))
  await createSite(site, { name: 'North Stand', currency: 'EUR', nowAt: Date.now() })
}

async function token(...words: readonly string[]): Promise<number> {
  return await runProgram(['node', 'chargemesh', 'token', ...words, '--site', site])
}

async function imported(csv: string, ...options: readonly string[]): Promise<number> {
  const file = join(site, 'cards.csv')
  await writeFile(file, csv)
  return await token('import', file, '--json', ...options)
}

async function cards(): Promise<readonly { card: string; state: string; until: string }[]> {
  said.out = ''
  expect(await token('list', '--json')).toBe(0)
  return JSON.parse(said.out)
}

describe('an import of cards', () => {
  it('lets each card charge, with its own label and times or those of the command', async () => {
    const csv = 'card,label,until\n04A2B3C4,Van 12,\n04A2B3C5,,2026-12-31\n'
    expect(await imported(csv, '--until', '2027-01-01', '--from', '2026-01-01')).toBe(0)
    expect(JSON.parse(said.out)).toEqual({ imported: 2, unchanged: 0, refused: 0 })
    const held = await cards()
    expect(held.map(({ card, until }) => [card.length === 8 ? 'reference' : card, until])).toEqual([
      ['Van 12', '2027-01-01T00:00:00.000Z'],
      ['reference', '2026-12-31T00:00:00.000Z'],
    ])
  })

  it('takes files as spreadsheets write them: byte order mark, CRLF, blanks, empty lines', async () => {
    expect(await imported('\uFEFFcard , label\r\n\r\n 04a2 , "Smith, J" \r\n')).toBe(0)
    expect((await cards()).map(one => one.card)).toEqual(['Smith, J'])
  })

  it.each([
    ['a first line without the column', 'uid,label\n04A2,x\n', ['must name a column `card`', 'uid, label']],
    ['a first line alone, without the column', 'uid,label\n', ['must name a column `card`']],
    ['no card at all', 'card,label\n', ['names no card']],
    ['an empty file', '', ['names no card']],
    ['a card twice', 'card\n04A2\n04B2\n04A2\n', ['line 4: the same card as line 2']],
    ['a card twice in other letters', 'card\n04a2\n04A2\n', ['line 3: the same card as line 2']],
    ['a bad date', 'card,until\n04A2,tomorrow\n', ['line 2: --until tomorrow: wanted a time']],
    ['a day that is in no calendar', 'card,until\n04A2,2026-06-31\n', ['line 2: --until 2026-06-31']],
    [
      'an end before its start',
      'card,from,until\n04A2,2026-07-02,2026-07-01\n',
      ['line 2: ', 'until later than from'],
    ],
    [
      'no card in a line',
      'card,label\n04A2,a\n,b\n',
      ['line 3: a card id has 1 to 20 characters', 'this one has 0'],
    ],
    [
      'a card that is too long',
      `card\n${'4'.repeat(21)}\n`,
      ['line 2: a card id has 1 to 20', 'this one has 21'],
    ],
    ['too many fields', 'card,label\n04A2,a,b\n', ['line 2']],
    ['a quote that never ends', 'card,label\n04A2,"a\n', ['cards.csv']],
  ])('is refused with %s, and nothing is imported', async (_, csv, words) => {
    expect(await imported(csv)).toBe(1)
    expect(said.error).toContain('CONFIG_INVALID')
    for (const word of words) expect(said.error).toContain(word)
    expect(await cards()).toEqual([])
  })

  it('names every bad line, by its number in the file, although empty lines and wide fields lie before it', async () => {
    const csv = 'card,label,until\n\n04A1,"two\nlines",\n04A2,,never\n\n04A1,,\n04A3,,2026-02-30\n'
    expect(await imported(csv)).toBe(1)
    const lines = said.error.split('\n').filter(line => line.startsWith('line '))
    expect(lines.map(line => Number.parseInt(line.slice(5), 10))).toEqual([5, 7, 8])
    expect(lines[1]).toContain('the same card as line 4')
    expect(await cards()).toEqual([])
  })

  it('repeats no card id in what it says about a bad line', async () => {
    expect(await imported('card,until\n04A2B3C4D5E6,never\n04A2B3C4D5E6,\n')).toBe(1)
    expect(said.error).not.toContain('04A2B3C4D5E6')
  })
})

describe('a card', () => {
  it('is granted, revoked, and granted again only by who says so', async () => {
    expect(await token('add', '04A2', '--label', 'Van', '--json')).toBe(0)
    expect(await cards()).toMatchObject([{ card: 'Van', state: 'granted' }])
    expect(await token('revoke', ' 04a2 ', '--json')).toBe(0)
    expect(await cards()).toMatchObject([{ state: 'revoked' }])
    expect(await token('add', '04A2', '--json')).toBe(1)
    expect(said.error).toContain('the card was revoked (revoked by the operator)')
    expect(await imported('card\n04B2\n04A2\n')).toBe(1)
    expect(said.error).toContain('line 3: the card was revoked')
    expect(await cards()).toMatchObject([{ state: 'revoked' }])
    expect(await token('add', '04A2', '--again', '--json')).toBe(0)
    expect(await cards()).toMatchObject([{ state: 'granted' }])
  })
  it('may be revoked and granted again as often as a grant can cite, and the command says what is so', async () => {
    await token('add', '04A2', '--label', 'Van', '--json')
    for (let i = 0; i < 2; i++) {
      expect(await token('revoke', '04A2', '--json')).toBe(0)
      expect(await cards()).toMatchObject([{ state: 'revoked' }])
      said.out = ''
      expect(await token('add', '04A2', '--again', '--label', 'Van')).toBe(0)
      expect(said.out).toMatch(/card Van may charge from \S+ until \S+/)
      expect(await cards()).toMatchObject([{ state: 'granted' }])
    }
    // A renewal undoes nothing, but counts only when it cites what came before.
    expect(await token('add', '04A2', '--label', 'Van', '--until', '2126-01-01', '--json')).toBe(0)
    expect(await cards()).toMatchObject([{ state: 'granted', until: '2126-01-01T00:00:00.000Z' }])
  })

  it('that was revoked more often than a grant can cite is refused, not called granted', async () => {
    for (let i = 0; i < 17; i++) await token('revoke', '04A2', '--json')
    expect(await token('add', '04A2', '--again', '--json')).toBe(1)
    expect(said.error).toContain('revoked 17 times')
    expect(await cards()).toMatchObject([{ state: 'revoked' }])
  })
})

describe('an import that is given again', () => {
  const lines = (count: number): string =>
    `card,label\n${Array.from({ length: count }, (_, i) => `04A2${i},Guest ${i}`).join('\n')}\n`
  const valid = ['--valid', '2026-07-04T08:00Z/2027-07-05T02:00Z', '--zone', 'A', '--cap-kwh', '20']

  it('adds nothing that is in force already, also where it is valid from now', async () => {
    for (const options of [valid, [], ['--days', '10']]) {
      expect(await imported(lines(3), ...options)).toBe(0)
      const size = await journalBytes()
      said.out = ''
      expect(await imported(lines(5), ...options)).toBe(0)
      expect(JSON.parse(said.out)).toEqual({ imported: 2, unchanged: 3, refused: 0 })
      said.out = ''
      expect(await imported(lines(5), ...options)).toBe(0)
      expect(JSON.parse(said.out)).toEqual({ imported: 0, unchanged: 5, refused: 0 })
      expect(await journalBytes()).toBeGreaterThan(size)
      await freshSite()
    }
  })

  it.each([[['--cap-kwh', '21']], [['--zone', 'B']], [['--until', '2027-07-06']], [['--label', 'x']]])(
    'writes a grant anew with %s',
    async change => {
      const times = ['--from', '2026-07-04', '--until', '2027-07-05', '--cap-kwh', '20', '--zone', 'A']
      expect(await imported('card\n04A2\n', ...times)).toBe(0)
      said.out = ''
      expect(await imported('card\n04A2\n', ...times, ...change)).toBe(0)
      expect(JSON.parse(said.out)).toEqual({ imported: 1, unchanged: 0, refused: 0 })
    },
  )

  it('after a power cut that tore what was written, makes the rest and nothing twice', async () => {
    expect(await imported(lines(40), ...valid)).toBe(0)
    await tearJournal()
    const kept = (await cards()).length
    expect(kept).toBeLessThan(40)
    said.out = ''
    expect(await imported(lines(40), ...valid)).toBe(0)
    expect(JSON.parse(said.out)).toEqual({ imported: 40 - kept, unchanged: kept, refused: 0 })
    expect(await cards()).toHaveLength(40)
  })
})

describe('an import of which some lines are bad', () => {
  const csv = 'card,label,until\n04A1,a,\n04A2,b,never\n04A1,c,\n,d,\n04A3,e,2027-01-01\n'

  it('imports the good ones with --partial, and writes every bad line into a report', async () => {
    const report = join(site, 'bad.txt')
    expect(await imported(csv, '--partial', '--report', report)).toBe(0)
    expect(JSON.parse(said.out)).toEqual({ imported: 2, unchanged: 0, refused: 3 })
    const lines = (await readFile(report, 'utf8')).trimEnd().split('\n')
    expect(lines.map(line => line.slice(0, 6))).toEqual(['line 3', 'line 4', 'line 5'])
    expect((await cards()).map(one => one.card).sort()).toEqual(['a', 'e'])
  })

  it('leaves out a revoked card with --partial, and imports nothing without', async () => {
    await token('revoke', '04B2')
    expect(await imported('card\n04B1\n04B2\n')).toBe(1)
    expect((await cards()).filter(one => one.state === 'granted')).toEqual([])
    said.out = ''
    expect(await imported('card\n04B1\n04B2\n', '--partial')).toBe(0)
    expect(JSON.parse(said.out)).toEqual({ imported: 1, unchanged: 0, refused: 1 })
    expect(said.error).toContain('line 3: the card was revoked')
  })

  it('shows the first fifty on the screen, and says where the others are', async () => {
    const many = `card,until\n${Array.from({ length: 60 }, (_, i) => `04A${i},never`).join('\n')}\n`
    expect(await imported(many)).toBe(1)
    expect(said.error.split('\n').filter(line => line.startsWith('line '))).toHaveLength(50)
    expect(said.error).toContain('and 10 more bad lines; --report <file> writes them all')
  })

  it.each([
    ['a report that cannot be written', ['--report', '/nowhere/at/all'], '--report /nowhere/at/all'],
    ['half an interval', ['--valid', '2026-07-04'], 'wanted two times'],
    ['an interval and an end', ['--valid', '2026-07-04/2026-07-05', '--until', '2026-07-06'], 'both ends'],
    ['an interval that ends before it begins', ['--valid', '2026-07-05/2026-07-04'], 'until later than from'],
  ])('is refused with %s, once and not a line', async (_, words, why) => {
    expect(await imported('card\n04A1\n04A2\n', ...words)).toBe(1)
    expect(said.error).toContain(why)
    expect(said.error).not.toContain('line 2')
    expect(await cards()).toEqual([])
  })

  it('is refused for a quote that swallows the rest, with --partial too', async () => {
    const swallowed = `card,label\n04A1,a\n04A2,"b\n${'04A3,c\n'.repeat(4000)}`
    expect(await imported(swallowed, '--partial')).toBe(1)
    expect(said.error).toContain('a quote is not closed')
    expect(await cards()).toEqual([])
  })
})

async function journalFile(): Promise<string> {
  const folder = join(site, 'issuer', 'journal')
  const name = (await readdir(folder)).sort().at(-1)
  return join(folder, name ?? '')
}

async function journalBytes(): Promise<number> {
  return (await stat(await journalFile())).size
}

/** As a power cut leaves it: the end of the last write is not there. */
async function tearJournal(): Promise<void> {
  const file = await journalFile()
  await truncate(file, (await stat(file)).size - 6000)
}
