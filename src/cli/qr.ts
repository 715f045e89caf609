// A code that a telephone or a hand-held reader can take from the screen.
import { renderUnicodeCompact } from 'uqr'

/** Two rows of modules a line, for terminals. */
export function drawQr(text: string): string {
  return renderUnicodeCompact(text)
}
