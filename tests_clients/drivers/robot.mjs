// The agent of both @openai/agents drivers. `sdk` is the module, which Node and the page load from different files.

import { INSTRUCTIONS } from './person.mjs';

export function robot(sdk, saw) {
  const move = sdk.tool({
    name: 'move',
    description: 'Drive.',
    strict: true,
    parameters: {
      type: 'object',
      properties: { direction: { type: 'string' }, meters: { type: 'number' } },
      required: ['direction', 'meters'],
      additionalProperties: false,
    },
    execute: ({ direction, meters }) => {
      saw('function', { name: 'move', arguments: { direction, meters } });
      return `moved ${meters} meters ${direction}`;
    },
  });
  return new sdk.RealtimeAgent({ name: 'robot', instructions: INSTRUCTIONS, tools: [move] });
}
