/** What the page and the loudspeaker's worklet tell each other. */

export type ToPlayer =
  | { readonly kind: 'sound'; readonly item: string; readonly samples: Int16Array }
  | { readonly kind: 'end'; readonly item: string }
  | { readonly kind: 'cut'; readonly number: number }
  | { readonly kind: 'close' };

export type FromPlayer =
  | { readonly kind: 'played' | 'finished'; readonly item: string; readonly ms: number }
  | { readonly kind: 'cut'; readonly item: string; readonly ms: number; readonly number: number };
