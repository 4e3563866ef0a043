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
        <code>voicemode serve</code> prints a link when it starts. It works once, and lets this browser in until the server ends. A page
        that anyone could open would let anyone talk with your agent.
      </p>
      <ol>
        <li>
          Go to the terminal where <code>voicemode serve</code> runs.
        </li>
        <li>
          Open the link that ends in <code>#key=…</code>. If it was used before, start the server again for a new one.
        </li>
      </ol>
    </section>
  );
}
