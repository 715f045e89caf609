// HTML that cannot be injected into: whatever a template is handed is text and is escaped, unless a template made it.
// Names and reasons come from files that strangers wrote, so nothing here takes a bare string for markup.
declare const written: unique symbol
export type Html = { readonly html: string; readonly [written]: true }
export type Piece = string | number | undefined | Html | readonly Piece[]

const NAMED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
}

/** Control characters, and those that turn the direction of a line around, so that a name reads as something else. */
const UNSEEN = /[\p{Cc}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu

export function escaped(text: string): string {
  return text
    .replace(UNSEEN, mark => (mark === '\n' || mark === '\t' ? ' ' : '\ufffd'))
    .replace(/[&<>"'`]/g, mark => NAMED[mark] ?? '')
}

/** Markup of our own or of a library that we keep; never of a plan. */
export function trusted(text: string): Html {
  return { html: text } as Html
}

export function html(parts: TemplateStringsArray, ...pieces: readonly Piece[]): Html {
  return trusted(parts.map((part, at) => part + printed(pieces[at])).join(''))
}

function printed(piece: Piece): string {
  if (piece === undefined) return ''
  if (typeof piece === 'string') return escaped(piece)
  if (typeof piece === 'number') return String(piece)
  if ('html' in piece) return piece.html
  return piece.map(printed).join('')
}

/** JSON in a script block that is data: no `<` is left that could end the block or open another. */
export function dataBlock(id: string, value: unknown): Html {
  const text = JSON.stringify(value)
    .replace(/</g, '\\u003c')
    .replace(/>/g, '\\u003e')
    .replace(/&/g, '\\u0026')
    .replace(/[\u2028\u2029]/g, mark => `\\u${mark.charCodeAt(0).toString(16)}`)
  return html`<script type="application/json" id="${id}">${trusted(text)}</script>`
}

export type Table = {
  readonly caption: string
  /** The first is of the row's name. */
  readonly heads: readonly string[]
  readonly rows: readonly (readonly Piece[])[]
  /** Columns from the left that hold words, not figures; the row's name is one. */
  readonly words?: number
}

/** Scrolls by itself where the page is narrow, also with the keyboard. */
export function table(of: Table): Html {
  const words = of.words ?? 1
  const kind = (column: number): Html => (column < words ? html`` : html` class="figure"`)
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${of.caption}"><table>
<caption><span>${of.caption}</span></caption>
<thead><tr>${of.heads.map((head, at) => html`<th scope="col"${kind(at)}>${head}</th>`)}</tr></thead>
<tbody>${of.rows.map(
    ([name, ...cells]) =>
      html`<tr><th scope="row">${name}</th>${cells.map((cell, at) => html`<td${kind(at + 1)}>${cell}</td>`)}</tr>\n`,
  )}</tbody></table></div>`
}

export type Section = {
  readonly id: string
  readonly title: string
  /** One sentence for somebody who has never seen such a figure. */
  readonly means: string
}

export function section(of: Section, ...body: readonly Piece[]): Html {
  return html`<section id="${of.id}" aria-labelledby="${of.id}-title">
<h2 id="${of.id}-title">${of.title}</h2>
<p class="means">${of.means}</p>
${body}</section>`
}

export type Tile = {
  readonly name: string
  readonly value: string
  readonly means: string
  readonly note?: string
}

/** Figures that stand for themselves. */
export function tiles(all: readonly Tile[]): Html {
  return html`<dl class="tiles">${all.map(
    one =>
      html`<div><dt>${one.name}</dt><dd class="value">${one.value}</dd>${
        one.note === undefined ? undefined : html`<dd class="note">${one.note}</dd>`
      }<dd class="means">${one.means}</dd></div>\n`,
  )}</dl>`
}

/** A list that could be a thousand long is cut, and says so. */
export function firstOf<T>(
  all: readonly T[],
  limit: number,
): { readonly shown: readonly T[]; readonly more: Html } {
  const left = all.length - limit
  const more = left > 0 ? html`<p class="means">And ${left} more, in the run’s JSON.</p>` : html``
  return { shown: all.slice(0, limit), more }
}
