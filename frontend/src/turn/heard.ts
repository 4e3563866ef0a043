/** How much of the assistant's words was heard, while they are spoken. Once they are cut off, the server says so exactly. */

/** Of English at a usual pace: some 150 words a minute of six letters, with pauses. */
const MS_PER_CHARACTER = 62;
/** Of the old value that a new one leaves: after three answers the pace is this voice's. */
const KEEP = 0.5;

/** Learns how fast the voice speaks from answers that were heard whole. */
export function learned(pace: number, characters: number, ms: number): number {
  if (characters < 10 || ms < 300) return pace; // too short to tell
  const seen = ms / characters;
  return seen < 20 || seen > 250 ? pace : KEEP * pace + (1 - KEEP) * seen;
}

export const USUAL_PACE = MS_PER_CHARACTER;

/**
 * Characters of `text` that were heard after `playedMs`, up to the end of a word.
 *
 * `totalMs` is how long all of it takes, if that is known: then the voice's pace is exact.
 */
export function heardCharacters(text: string, playedMs: number, pace: number, totalMs?: number): number {
  if (playedMs <= 0) return 0;
  if (totalMs !== undefined && playedMs >= totalMs) return text.length;
  const perCharacter = totalMs !== undefined && text.length > 0 ? totalMs / text.length : pace;
  return wordEnd(text, Math.floor(playedMs / perCharacter));
}

/** The end of the last word that ends at `at` or before. */
function wordEnd(text: string, at: number): number {
  if (at >= text.length) return text.length;
  let end = at;
  while (end > 0 && !/\s/.test(text[end] ?? ' ')) end -= 1;
  while (end > 0 && /\s/.test(text[end - 1] ?? '')) end -= 1;
  return end;
}

/** Where the server's words for what was heard end in the whole text; it may have other blanks. */
export function heardPrefix(whole: string, heard: string): number {
  let at = 0;
  for (const letter of heard) {
    if (/\s/.test(letter)) continue;
    while (at < whole.length && /\s/.test(whole[at] ?? '')) at += 1;
    if (whole[at] !== letter && !whole.startsWith(letter, at)) return at;
    at += letter.length;
  }
  return at;
}
