/** Reading JSON that somebody else wrote: what is not of the expected type is as if it were not there. */

export type Json = Readonly<Record<string, unknown>>;

export function object(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

export function parsed(text: string): Json | undefined {
  try {
    return object(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function text(json: Json | undefined, name: string): string {
  const value = json?.[name];
  return typeof value === 'string' ? value : '';
}

export function number(json: Json | undefined, name: string): number {
  const value = json?.[name];
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

export function list(json: Json | undefined, name: string): readonly Json[] {
  const value = json?.[name];
  return Array.isArray(value) ? value.map(object).filter((each) => each !== undefined) : [];
}
