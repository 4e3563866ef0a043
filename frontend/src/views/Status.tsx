/** Who listens, speaks and answers here, what is wrong, and what to do about it: as 'voicemode doctor' and 'status' tell it. */

import { type ReactNode, useEffect, useState } from 'react';
import { type Check, type CheckState, type Endpoint, type Looked, type ServerFacts, type Setting, type Status as Told, status } from '../adapters/status.ts';
import { Icon } from './Icon.tsx';
import { Remedy } from './Remedy.tsx';
import { useAsked } from './asked.ts';
import { bytes, count, duration } from './format.ts';
import './status.css';

const LOOK_AGAIN_MS = 5000;
/** The answer came before everything was looked at. */
const SOON_MS = 1000;

const TASKS = [
  ['stt', 'Listens', 'speech to text'],
  ['tts', 'Speaks', 'text to speech'],
  ['chat', 'Answers', 'chat'],
] as const;
const ORIGINS: Readonly<Record<string, string>> = { named: 'your settings', found: 'found on this machine', cloud: 'the cloud', builtin: 'built in' };
/** What only a conversation at the server's own sound card needs: this page brings microphone and loudspeaker. */
const SOUND_CARD = new Set(['PortAudio', 'microphone', 'loudspeaker', 'interrupting', 'floor']);
const OF_ENDPOINTS = new Set(['text-to-speech', 'speech-to-text', 'chat']);

export function Status() {
  const { answer, problem, again } = useAsked(status);
  const looking = answer !== undefined && Object.values(answer).some((part: Looked<unknown>) => part.looking);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === 'visible' && again(), looking ? SOON_MS : LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [looking, again]);
  return (
    <section className="status">
      <h1>Status</h1>
      {problem !== '' && (
        <p className="problem" role="alert">
          {problem}
        </p>
      )}
      {answer === undefined ? problem === '' && <p className="note">Looking at every part …</p> : <Parts told={answer} />}
    </section>
  );
}

function Parts({ told }: { told: Told }) {
  const checks = told.checks.seen?.filter(({ name }) => !OF_ENDPOINTS.has(name));
  return (
    <>
      <Verdict told={told} />
      <Part title="Speech and answers" part={told.endpoints}>
        {(endpoints) => (
          <div className="trio">
            {TASKS.map(([task, title, what]) => (
              <Task key={task} title={title} what={what} task={task} endpoints={endpoints.filter((each) => each.task === task)} told={told} />
            ))}
          </div>
        )}
      </Part>
      <Part title="Parts of the server" part={told.checks}>
        {() => <Checks checks={checks?.filter(({ name }) => !SOUND_CARD.has(name)) ?? []} />}
      </Part>
      <Part title="The server’s own sound card" part={told.checks} note="Only for conversations at that machine. This page uses the microphone and the loudspeaker of your device.">
        {() => <Checks checks={checks?.filter(({ name }) => SOUND_CARD.has(name)) ?? []} />}
      </Part>
      <Devices devices={told.devices} />
      <Part title="Services" part={told.services}>
        {(services) => (
          <Table head={['Service', 'State', 'Port', 'Model', 'Memory', 'Up']}>
            {services.map((each) => (
              <tr key={each.name}>
                <th scope="row">
                  <strong>{each.name}</strong>
                  <small>{each.problem || each.title}</small>
                </th>
                <td>
                  <State state={each.healthy ? 'ok' : each.state === 'unhealthy' || each.state === 'crashed' ? 'failed' : undefined}>{each.state}</State>
                </td>
                <td>{each.port}</td>
                <td>{each.model || '–'}</td>
                <td>{each.memory > 0 ? bytes(each.memory) : '–'}</td>
                <td>{each.uptimeS > 0 ? duration(each.uptimeS) : '–'}</td>
              </tr>
            ))}
          </Table>
        )}
      </Part>
      <Part title="Models" part={told.models}>
        {(models) => {
          const here = models.filter(({ state }) => state !== 'absent');
          return (
            <>
              {here.length === 0 && <p className="note">None is on the server’s disk.</p>}
              {here.length > 0 && <Models models={here} />}
              {here.length < models.length && (
                <details className="more">
                  <summary>{count(models.length - here.length, 'model')} that can be downloaded</summary>
                  <Models models={models.filter(({ state }) => state === 'absent')} />
                  <Remedy text="Run: voicemode models pull NAME." />
                </details>
              )}
            </>
          );
        }}
      </Part>
      <Part title="Settings" part={told.settings}>
        {(settings) => <Settings settings={settings} />}
      </Part>
    </>
  );
}

// -- at a glance

function Verdict({ told }: { told: Told }) {
  const verdict = judge(told);
  const server = told.server.seen;
  return (
    <div className={`verdict ${verdict.state}`} role="status">
      <Icon name={verdict.state === 'looking' ? 'again' : verdict.state === 'ok' ? 'ok' : 'warning'} />
      <div>
        <p className="phase">{verdict.title}</p>
        <p>{verdict.detail}</p>
        {server !== undefined && <p className="note">{factsOf(server)}</p>}
      </div>
    </div>
  );
}

function judge(told: Told): { state: CheckState | 'looking'; title: string; detail: string } {
  const { endpoints, checks, server } = told;
  if (endpoints.seen === undefined || checks.seen === undefined || server.seen === undefined) {
    return { state: 'looking', title: 'Looking', detail: 'Endpoints may take a moment to answer.' };
  }
  const upstream = server.seen.upstream !== '';
  const lacks = TASKS.filter(([task]) => (task === 'chat' ? !server.seen?.answers.ready : !endpoints.seen?.some((each) => each.task === task && each.usable)));
  if (lacks.length > 0 && !upstream) {
    return { state: 'failed', title: 'You cannot talk yet', detail: `Nobody ${lacks.map(([, title]) => title.toLowerCase()).join(' and nobody ')} here. Below is what to do.` };
  }
  const warned = checks.seen.filter(({ state, name }) => state !== 'ok' && !SOUND_CARD.has(name)).length;
  if (warned > 0) return { state: 'warning', title: 'You can talk', detail: `${count(warned, 'thing')} could be better; see below.` };
  return { state: 'ok', title: 'You can talk', detail: 'Everything that a conversation through this page needs works.' };
}

function factsOf(server: ServerFacts): string {
  const parts = [
    `voicemode ${server.version}`,
    `up ${duration(Math.max(0, Date.now() / 1000 - server.beganAt))}`,
    `${count(server.conversations, 'conversation')} now`,
    server.memory === 'persistent' ? `keeps conversations in ${server.folder}` : 'keeps nothing unless you ask',
    ...(server.keepsAudio ? ['keeps sound'] : []),
    ...(server.open ? ['open to other machines'] : []),
  ];
  return parts.join(' · ');
}

function Task({ title, what, task, endpoints, told }: { title: string; what: string; task: string; endpoints: readonly Endpoint[]; told: Told }) {
  const answers = task === 'chat' ? told.server.seen?.answers : undefined;
  const elsewhere = answers !== undefined && !endpoints.some(({ name }) => name === answers.by);
  return (
    <div className="card">
      <h3>
        {title} <small>{what}</small>
      </h3>
      {elsewhere && answers.by !== '' && (
        <div className="endpoint">
          <State state={answers.ready ? 'ok' : 'failed'}>{answers.by}</State>
          <small>{answers.remark}</small>
        </div>
      )}
      {endpoints.length === 0 && !elsewhere && <p className="note">Nobody.</p>}
      {endpoints.map((each) => (
        <div key={each.name} className="endpoint">
          <State state={each.usable ? 'ok' : each.origin === 'builtin' ? 'warning' : 'failed'}>{each.name.replace(/^builtin:/, '')}</State>
          <small>
            {[each.words, ORIGINS[each.origin] ?? each.origin, ...(each.place === 0 ? each.reasons : []), ...figures(each)].join(' · ')}
            {each.remote && ' · what is said leaves this machine'}
          </small>
          {each.remedy !== '' && <Remedy text={each.remedy} />}
          {!each.usable && each.lastError !== '' && <small>{each.lastError}</small>}
        </div>
      ))}
    </div>
  );
}

function figures({ requests, successRate, firstByteMs }: Endpoint): readonly string[] {
  if (requests === 0) return [];
  const served = `served ${Math.round(successRate * 100)} % of ${requests}`;
  return firstByteMs > 0 ? [served, `first byte after ${Math.round(firstByteMs)} ms`] : [served];
}

// -- one by one

function Part<Seen>({ title, part, note, children }: { title: string; part: Looked<Seen>; note?: string; children: (seen: Seen) => ReactNode }) {
  return (
    <section className="part" aria-busy={part.looking}>
      <h2>{title}</h2>
      {note !== undefined && <p className="note">{note}</p>}
      {part.problem !== '' && <p className="problem">{part.problem}</p>}
      {part.seen === undefined ? part.problem === '' && <p className="note">Looking …</p> : children(part.seen)}
    </section>
  );
}

function State({ state, children }: { state: CheckState | undefined; children: ReactNode }) {
  const words = { ok: 'works: ', warning: 'could be better: ', failed: 'does not work: ' } as const;
  return (
    <span className={`mark-of ${state ?? 'idle'}`}>
      {state === undefined ? <i className="dot" aria-hidden="true" /> : <Icon name={state === 'ok' ? 'ok' : 'warning'} />}
      <span>
        {state !== undefined && <span className="hidden">{words[state]}</span>}
        {children}
      </span>
    </span>
  );
}

function Checks({ checks }: { checks: readonly Check[] }) {
  return (
    <ul className="checks">
      {checks.map((check, i) => (
        <li key={`${check.name} ${i}`}>
          <State state={check.state}>
            <strong>{check.name}</strong>
          </State>
          <div>
            {check.detail}
            {check.remedy !== '' && <Remedy text={check.remedy} />}
          </div>
        </li>
      ))}
    </ul>
  );
}

function Devices({ devices }: { devices: Told['devices'] }) {
  if (devices.seen === undefined || devices.seen.length === 0) return null;
  return (
    <details className="more">
      <summary>{count(devices.seen.length, 'sound device')} of the server</summary>
      <Table head={['Device', 'Microphone', 'Loudspeaker']}>
        {devices.seen.map((each, i) => (
          <tr key={`${each.name} ${i}`}>
            <th scope="row">
              {each.name}
              {each.usual && ' (default)'}
            </th>
            <td>{each.input ? 'yes' : '–'}</td>
            <td>{each.output ? 'yes' : '–'}</td>
          </tr>
        ))}
      </Table>
    </details>
  );
}

function Models({ models }: { models: NonNullable<Told['models']['seen']> }) {
  return (
    <Table head={['Model', 'State', 'Size', 'Languages']}>
      {models.map((each) => (
        <tr key={each.name}>
          <th scope="row">
            <strong>{each.name}</strong>
            <small>{each.title}</small>
          </th>
          <td>
            <State state={each.state === 'installed' ? 'ok' : each.state === 'absent' ? undefined : 'warning'}>{each.state === 'absent' ? 'not here' : each.state}</State>
          </td>
          <td>{bytes(each.size)}</td>
          <td>{each.languages}</td>
        </tr>
      ))}
    </Table>
  );
}

function Settings({ settings }: { settings: readonly Setting[] }) {
  const [wanted, setWanted] = useState('');
  const word = wanted.trim().toLowerCase();
  const shown = settings.filter(({ changed, name, description }) => (word === '' ? changed : `${name} ${description}`.toLowerCase().includes(word)));
  return (
    <>
      <div className="filters">
        <label>
          Find among all {settings.length}
          <input type="search" value={wanted} onChange={(event) => setWanted(event.target.value)} placeholder="voice, model, memory …" />
        </label>
      </div>
      {word === '' && <p className="note">{shown.length === 0 ? 'None is changed from its default.' : 'Those that are not their default:'}</p>}
      {word !== '' && shown.length === 0 && <p className="note">There is none like that.</p>}
      <ul className="settings-list">
        {shown.map((each) => (
          <li key={each.name}>
            <p>
              <code>{each.name}</code>
              <code className="value">{each.value || '(empty)'}</code>
            </p>
            <small>
              {each.description} {each.changed ? `From ${each.source}; default: ${each.fallback || 'empty'}.` : 'This is the default.'}
            </small>
          </li>
        ))}
      </ul>
      <Remedy text="To change one, run: voicemode config set NAME VALUE." />
    </>
  );
}

function Table({ head, children }: { head: readonly string[]; children: ReactNode }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={head[0]}>
      <table>
        <thead>
          <tr>
            {head.map((each) => (
              <th key={each} scope="col">
                {each}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
