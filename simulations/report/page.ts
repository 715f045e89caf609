// The page around a report, in one file that asks the network for nothing: style, plots and their library stand in it, and
// its own policy forbids any script but those two, by their hashes.
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { SW_VERSION } from '../../src/version.ts'
import { type Html, html, type Piece, trusted } from './markup.ts'
import type { Checked } from './promises.ts'
import { SCRIPT } from './script.ts'
import { STYLE } from './style.ts'

/** What was run and where, of which an outcome knows nothing. */
export type Provenance = {
  readonly version: string
  /** As Node names itself. */
  readonly node: string
  /** The invariants that were looked at; undefined when whoever ran it did not say. */
  readonly checked?: readonly Checked[]
}

export function thisMachine(checked?: readonly Checked[]): Provenance {
  return { version: SW_VERSION, node: process.version, ...(checked === undefined ? {} : { checked }) }
}

export type Page = {
  readonly title: string
  /** What was run, in one line. */
  readonly lead: string
  readonly sections: readonly { readonly id: string; readonly name: string; readonly body: Piece }[]
}

export function page({ title, lead, sections }: Page): string {
  const library = uplot()
  const hashes = [library.script, SCRIPT].map(hashOf).join(' ')
  const policy = `default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; script-src ${hashes}`
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${trusted(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
${trusted(`<!--\nuPlot, whose code stands in this page:\n${library.licence.replaceAll('--', '')}-->`)}
<style>${trusted(library.style)}</style>
<style>${trusted(STYLE)}</style>
</head><body><div class="page">
<header><h1>${title}</h1><p class="lead">${lead}</p></header>
${contents(sections.filter(one => one.name !== ''))}
<main>
${sections.map(one => one.body)}
</main></div>
<script>${trusted(library.script)}</script>
<script>${trusted(SCRIPT)}</script>
</body></html>
`.html
}

function hashOf(script: string): string {
  return `'sha256-${createHash('sha256').update(script).digest('base64')}'`
}

function contents(sections: Page['sections']): Html {
  return html`<nav aria-label="On this page"><ul>${sections.map(
    ({ id, name }) => html`<li><a href="#${id}">${name}</a></li>\n`,
  )}</ul></nav>`
}

/** The library as it is installed, so that what the lockfile pins is what a page holds. */
function uplot(): { readonly script: string; readonly style: string; readonly licence: string } {
  const dist = dirname(createRequire(import.meta.url).resolve('uplot'))
  const read = (name: string): string => readFileSync(join(dist, name), 'utf8')
  return {
    script: read('uPlot.iife.min.js'),
    style: read('uPlot.min.css'),
    licence: read(join('..', 'LICENSE')),
  }
}

/** Refuses where the folder is not there. */
export function writeReport(path: string, text: string): void {
  writeFileSync(path, text)
}
