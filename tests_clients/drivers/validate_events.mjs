// The same as validate_events.py, by the schemas of @openai/agents. Types that it knows nothing of are none of its business.

import { createInterface } from 'node:readline';
import { realtimeServerEventSchema } from '../node_modules/@openai/agents-realtime/dist/openaiRealtimeEvents.mjs';

const known = new Set(realtimeServerEventSchema.options.map((option) => option.shape.type.value));
let line = 0;
for await (const text of createInterface({ input: process.stdin })) {
  line += 1;
  const event = JSON.parse(text);
  const { success, error } = realtimeServerEventSchema.safeParse(event);
  if (success || !known.has(event.type)) continue;
  console.log(JSON.stringify({ line, by: '@openai/agents', type: event.type, error: error.message }));
}
