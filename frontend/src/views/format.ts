/** Times, sizes and counts as people read them, in the words of the page and the calendar of the browser. */

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;

/** "12 min ago", or the date. */
export function ago(unixS: number, nowS: number): string {
  const past = nowS - unixS;
  if (past < MINUTE_S) return 'just now';
  if (past < HOUR_S) return `${Math.floor(past / MINUTE_S)} min ago`;
  if (past < DAY_S) return `${Math.floor(past / HOUR_S)} h ago`;
  return day(unixS, nowS);
}

/** "21 November", with the year where it is another one. */
export function day(unixS: number, nowS: number): string {
  const [date, now] = [new Date(unixS * 1000), new Date(nowS * 1000)];
  const year = date.getFullYear() === now.getFullYear() ? {} : ({ year: 'numeric' } as const);
  return date.toLocaleDateString('en-GB', { day: 'numeric', month: 'long', ...year });
}

/** "21:40". */
export function clock(unixS: number): string {
  return new Date(unixS * 1000).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

/** "4 min", in the two largest units that fit. */
export function duration(seconds: number): string {
  const units = [
    ['d', DAY_S],
    ['h', HOUR_S],
    ['min', MINUTE_S],
    ['s', 1],
  ] as const;
  let rest = Math.round(seconds);
  const parts: string[] = [];
  for (const [name, length] of units) {
    if (rest >= length) parts.push(`${Math.floor(rest / length)} ${name}`);
    rest %= length;
  }
  return parts.slice(0, 2).join(' ') || '0 s';
}

/** "148 MB". */
export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [value, unit] = [count, 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** "1 turn", "3 turns". */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
