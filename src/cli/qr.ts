// A code that a telephone or a hand-held reader can take from the screen.
import { renderSVG, renderUnicodeCompact } from 'uqr'

/** What version 25 holds in capitals, at the lowest correction: 117 modules a side, which phones read from 4 cm of paper. */
export const MOST_CAPITALS = 1853

/** Two rows of modules a line, for terminals. */
export function drawQr(text: string): string {
  return renderUnicodeCompact(text)
}

/** The same as a picture. Four modules of white all around, as ISO 18004 asks. */
export function pictureOfQr(text: string): string {
  return renderSVG(text, { border: 4 })
}
