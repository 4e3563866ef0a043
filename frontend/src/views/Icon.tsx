const PATHS = {
  microphone: 'M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3ZM6 11a6 6 0 0 0 12 0M12 17v4',
  muted: 'M9 9v3a3 3 0 0 0 5 2.2M15 11V6a3 3 0 0 0-5.8-1M6 11a6 6 0 0 0 9.5 4.9M17.6 13A6 6 0 0 0 18 11M12 17v4M4 4l16 16',
  wave: 'M4 10v4M8 7v10M12 4v16M16 7v10M20 10v4',
  hold: 'M12 4v9M8 9l4 4 4-4M5 19h14',
  end: 'M6 6l12 12M18 6L6 18',
  new: 'M12 5v14M5 12h14',
  send: 'M5 12h13M13 6l6 6-6 6',
  settings: 'M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4',
  search: 'M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12ZM15.5 15.5 20 20',
  back: 'M19 12H6M11 6l-6 6 6 6',
  download: 'M12 4v11M8 11l4 4 4-4M5 20h14',
  forget: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5',
  play: 'M8 5l11 7-11 7V5Z',
  stop: 'M7 7h10v10H7Z',
  incognito: 'M3 11h18M6 11l2-6h8l2 6M7.5 14.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5ZM16.5 14.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5ZM10 16.5c1.3-.8 2.7-.8 4 0',
  kept: 'M5 4h11l3 3v13H5V4ZM8 4v5h7V4M8 20v-7h8v7',
  ok: 'M5 12.5l4.5 4.5L19 7.5',
  warning: 'M12 4 21 20H3L12 4ZM12 10v4.5M12 17.2v.1',
  again: 'M19 12a7 7 0 1 1-2-5M19 4v4h-4',
} as const;

export function Icon({ name }: { name: keyof typeof PATHS }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
