// @openai/agents uses tools of servers, in its own words: hostedMcpTool, approve and reject.

import { hostedMcpTool } from '@openai/agents';
import * as sdk from '@openai/agents/realtime';
import { parseArgs } from 'node:util';
import { saw } from './order.mjs';

const DEADLINE_MS = 20_000;

/** As hostedMcpTool takes what the protocol calls otherwise. */
function hosted({ server_label, server_url, allowed_tools, require_approval }) {
  const filter = require_approval?.never && { never: { toolNames: require_approval.never.tool_names } };
  return hostedMcpTool({
    serverLabel: server_label,
    serverUrl: server_url,
    allowedTools: allowed_tools,
    requireApproval: filter ?? require_approval,
  });
}

async function until(holds, what) {
  const end = Date.now() + DEADLINE_MS;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`${what} did not come`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

try {
  const options = Object.fromEntries(['url', 'key', 'tools', 'orders'].map((name) => [name, { type: 'string' }]));
  const { url, key, tools, orders } = parseArgs({ options }).values;
  const agent = new sdk.RealtimeAgent({ name: 'helper', instructions: 'You help.', tools: JSON.parse(tools).map(hosted) });
  const session = new sdk.RealtimeSession(agent, { transport: 'websocket', config: { outputModalities: ['text'] } });
  const seen = [];
  const requests = [];
  session.transport.on('*', (event) => seen.push(event));
  session.on('tool_approval_requested', (_context, _agent, request) => requests.push(request));
  session.on('mcp_tool_call_completed', (_context, _agent, call) => saw('completed', { name: call.name, output: call.output }));
  session.on('error', ({ error }) => saw('error', { error: JSON.stringify(error) }));
  await session.connect({ apiKey: key, url: `${url.replace('http://', 'ws://')}/v1/realtime` });

  const lists = () => seen.filter((event) => event.type === 'conversation.item.done' && event.item.type === 'mcp_list_tools');
  await until(() => lists().length === JSON.parse(tools).length, 'what the servers offer');
  for (const { item } of lists()) saw('listed', { server: item.server_label, tools: item.tools.map((tool) => tool.name) });
  const answers = () => seen.filter((event) => event.type === 'response.output_text.done');
  for (const [text, approve] of JSON.parse(orders)) {
    const before = answers().length;
    session.sendMessage(text);
    if (approve !== null) {
      await until(() => requests.length, 'a request');
      const { approvalItem } = requests.shift();
      const { name, arguments: given, providerData } = approvalItem.rawItem;
      const args = typeof given === 'string' ? JSON.parse(given) : given;
      saw('asked', { name, server: providerData?.serverLabel ?? providerData?.server_label, arguments: args });
      await (approve ? session.approve(approvalItem) : session.reject(approvalItem));
    }
    await until(() => answers().length > before, `an answer to ${text}`);
    saw('answer', { text: answers().at(-1).text });
    // What the SDK asks for at the end of a call is on its way; nothing may come of it.
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (answers().length > before + 1) saw('error', { error: 'two answers' });
  }
  saw('available', { tools: session.availableMcpTools.map((tool) => tool.name) });
  saw('finished');
  process.exit(0);
} catch (error) {
  saw('failed', { error: `${error.name}: ${error.message}` });
  process.exit(1);
}
