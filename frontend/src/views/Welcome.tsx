/** What somebody sees who came without a link. */

export function Welcome({ admission }: { admission: 'out' | 'unreachable' }) {
  if (admission === 'unreachable') {
    return (
      <section className="welcome">
        <h1>The server does not answer</h1>
        <p>
          Start it with <code>voicemode serve</code>, then load this page again.
        </p>
        <button type="button" className="primary" onClick={() => location.reload()}>
          Try again
        </button>
      </section>
    );
  }
  return (
    <section className="welcome">
      <h1>This page needs its link</h1>
      <p>
        A link lets one browser in, once, until the server ends. A page that anyone could open would let anyone talk with your agent.
      </p>
      <ol>
        <li>
          Go to a terminal on the machine where <code>voicemode serve</code> runs.
        </li>
        <li>
          Run <code>voicemode page</code> and open the link that it prints. It ends in <code>#key=…</code>.
        </li>
      </ol>
    </section>
  );
}
