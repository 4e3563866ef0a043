/** Microphones and loudspeakers, and what to tell people when there is none. */

export interface Device {
  readonly id: string;
  readonly label: string;
}

export interface Devices {
  readonly inputs: readonly Device[];
  readonly outputs: readonly Device[];
}

export const NO_DEVICES: Devices = { inputs: [], outputs: [] };

/** Names are there once the microphone was allowed. */
export async function devices(): Promise<Devices> {
  const all = await navigator.mediaDevices.enumerateDevices();
  const of = (kind: MediaDeviceKind) =>
    all.filter((each) => each.kind === kind && each.deviceId !== '').map((each) => ({ id: each.deviceId, label: each.label || 'Unnamed' }));
  return { inputs: of('audioinput'), outputs: of('audiooutput') };
}

/** Ask for a microphone. The browser takes out of it what it plays itself. Rejects with an Error whose message is for people. */
export async function microphone(deviceId: string): Promise<MediaStream> {
  if (navigator.mediaDevices === undefined) {
    throw new Error('Browsers give the microphone to pages on this machine or over HTTPS only. Use a tunnel: ssh -L 8765:127.0.0.1:8765 host');
  }
  const audio: MediaTrackConstraints = {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    channelCount: 1,
    ...(deviceId === '' ? {} : { deviceId: { ideal: deviceId } }), // it may be gone since it was chosen
  };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    throw new Error(reason(error));
  }
}

function reason(error: unknown): string {
  switch (error instanceof DOMException ? error.name : '') {
    case 'NotAllowedError':
      return 'The microphone is not allowed. Allow it in the address bar, or type instead.';
    case 'NotFoundError':
      return 'There is no microphone. Connect one, or type instead.';
    case 'NotReadableError':
      return 'Another program has the microphone, or it does not answer. Close that program, or type instead.';
    default:
      return 'The microphone cannot be opened.';
  }
}
