/** A remedy as doctor says it; where it is a command, the command can be copied. */

import { useEffect, useState } from 'react';

const COMMAND = /^(?<before>.*?\b[Rr]un:? )(?<command>'[^']+'|[^,(]+?)(?<after>(?:, .*| \(.*)?\.)$/;
const SHOWN_MS = 1500;

export function Remedy({ text }: { text: string }) {
  const found = COMMAND.exec(text)?.groups;
  const command = found?.['command'];
  if (found === undefined || command === undefined) return <p className="remedy">{text}</p>;
  const bare = command.replace(/^'|'$/g, '');
  return (
    <p className="remedy">
      {found['before']}
      <code>{bare}</code>
      <Copy text={bare} />
      {found['after'] === '.' ? '' : found['after']}
    </p>
  );
}

function Copy({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);
  if (!('clipboard' in navigator)) return null; // only where the page came over TLS, or from this machine
  return (
    <button type="button" className="copy" onClick={() => void navigator.clipboard.writeText(text).then(() => setCopied(true))}>
      {copied ? 'Copied' : 'Copy'}
    </button>
  );
}
