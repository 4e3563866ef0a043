const PATHS = {
  microphone: 'M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM6 11a6 6 0 0 0 12 0M12 17v4',
  muted: 'M9 9v3a3 3 0 0 0 5 2.2M15 11V6a3 3 0 0 0-5.8-1M6 11a6 6 0 0 0 9.5 4.9M17.6 13A6 6 0 0 0 18 11M12 17v4M4 4l16 16',
  wave: 'M4 10v4M8 7v10M12 4v16M16 7v10M20 10v4',
  hold: 'M12 4v9M8 9l4 4 4-4M5 19h14',
  end: 'M6 6l12 12M18 6L6 18',
  new: 'M12 5v14M5 12h14',
  send: 'M5 12h13M13 6l6 6-6 6',
  settings: 'M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4',
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
