/** What the page asks the server besides the conversation. The cookie that lets it in is the browser's business. */

import { object, text } from '../protocol/json.ts';

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** JSON in, JSON out. Rejects with ApiError for an answer that is an error, and with what fetch has for none. */
export async function ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object, signal?: AbortSignal): Promise<unknown> {
  const response = await fetch(path, {
    method,
    credentials: 'same-origin',
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
  const json: unknown = await response.json().catch(() => undefined);
  if (response.ok) return json;
  throw new ApiError(response.status, text(object(object(json)?.['error']), 'message') || `The server answered ${response.status}.`);
}

export type Admission = 'in' | 'out' | 'unreachable';

/**
 * Trade the one-time key of the address for the page's cookie. The address loses the key before anything is asked, so that neither
 * history nor a screenshot has it.
 */
export async function attach(): Promise<Admission> {
  const key = new URLSearchParams(location.hash.slice(1)).get('key');
  if (key !== null) history.replaceState(history.state, '', location.pathname + location.search);
  try {
    if (key !== null) await ask('POST', '/api/page/attach', { key });
    else await ask('GET', '/api/page');
    return 'in';
  } catch (error) {
    if (!(error instanceof ApiError)) return 'unreachable';
    // A link that was used before may still be followed by the one who used it.
    return key === null ? 'out' : await attached();
  }
}

async function attached(): Promise<Admission> {
  return ask('GET', '/api/page').then(
    () => 'in',
    () => 'out',
  );
}

export interface Begun {
  /** Opens this session and nothing else. */
  readonly secret: string;
  readonly thread: string;
}

/** Begin a session, or go on with a thread. */
export async function beginSession(incognito: boolean, thread: string, signal: AbortSignal): Promise<Begun> {
  const body = { memory_mode: incognito ? 'incognito' : 'persistent', ...(thread === '' ? {} : { thread_id: thread }) };
  const begun = object(await ask('POST', '/api/sessions/session', body, signal));
  return { secret: text(begun, 'client_secret'), thread: text(begun, 'thread_id') };
}
