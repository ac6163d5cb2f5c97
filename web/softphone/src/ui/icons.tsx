/** Line icons, drawn for this page; decorative, the words beside them carry the meaning. */
import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

const HANDSET =
  "M6.6 3.5h2.2a1 1 0 0 1 1 .8l.8 3.6a1 1 0 0 1-.5 1.1L8.2 10a12 12 0 0 0 5.8 5.8l1-1.9a1 1 0 0 1 1.1-.5l3.6.8a1 1 0 0 1 .8 1v2.2a3 3 0 0 1-3.2 3A16 16 0 0 1 3.6 6.7a3 3 0 0 1 3-3.2z";

export const Handset = () => (
  <Icon>
    <path d={HANDSET} />
  </Icon>
);

export const HandsetDown = () => (
  <Icon>
    <g transform="rotate(135 12 12)">
      <path d={HANDSET} />
    </g>
  </Icon>
);

export const Mic = () => (
  <Icon>
    <rect x="9" y="2.8" width="6" height="11.4" rx="3" />
    <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3.2" />
  </Icon>
);

export const MicOff = () => (
  <Icon>
    <path d="M15 9.5V5.8a3 3 0 0 0-5.7-1.3M9 9v2.2a3 3 0 0 0 4.6 2.6M5.5 11.5a6.5 6.5 0 0 0 10 5.5M18.2 13.6c.2-.7.3-1.4.3-2.1M12 18v3.2M3.5 3.5l17 17" />
  </Icon>
);

export const Person = () => (
  <Icon>
    <circle cx="12" cy="8" r="4" />
    <path d="M4.5 20.5a7.5 7.5 0 0 1 15 0" />
  </Icon>
);

export const Check = () => (
  <Icon>
    <path d="M4.5 12.5l5 5 10-11" />
  </Icon>
);

export const Warning = () => (
  <Icon>
    <path d="M12 3.6 2.6 20h18.8zM12 10v4.6M12 17.2v.2" />
  </Icon>
);

export const Tabs = () => (
  <Icon>
    <rect x="7.5" y="7.5" width="13" height="13" rx="2.5" />
    <path d="M16.5 4.5a2 2 0 0 0-2-1H5.5a2 2 0 0 0-2 2v9a2 2 0 0 0 1 2" />
  </Icon>
);

export const Lock = () => (
  <Icon>
    <rect x="4.5" y="10.5" width="15" height="10" rx="2.5" />
    <path d="M8 10.5V7.4a4 4 0 0 1 8 0v3.1" />
  </Icon>
);

export const Sound = () => (
  <Icon>
    <path d="M4 9.5v5h3.5l5 4v-13l-5 4zM16 9a4.2 4.2 0 0 1 0 6M18.6 6.4a8 8 0 0 1 0 11.2" />
  </Icon>
);

function drawn(d: string) {
  return () => (
    <Icon>
      <path d={d} />
    </Icon>
  );
}

export const Cross = drawn("M6 6l12 12M18 6L6 18");
export const Pause = drawn("M8.5 5v14M15.5 5v14");
export const Play = drawn("M8 5.2v13.6l11-6.8z");
export const Swap = drawn("M4 8.5h14l-3.6-3.6M20 15.5H6l3.6 3.6");
export const Merge = drawn("M5 4.5v3.2a5 5 0 0 0 2 4l5 3.8 5-3.8a5 5 0 0 0 2-4V4.5M12 15.5V21M9 18.2l3 2.8 3-2.8");
export const Transfer = drawn("M4 17.5v-3a5 5 0 0 1 5-5h11M15.5 5l4.5 4.5-4.5 4.5");
export const Leave = drawn("M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M10 12h10.5M16.5 8l4 4-4 4");
export const Note = drawn(
  "M6 3.5h8.5L19 8v10.5a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2v-13a2 2 0 0 1 2-2zM8 10h6M8 14h8M8 17.5h5",
);
export const Search = drawn("M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13zM15.3 15.3 20.5 20.5");
export const Clock = drawn("M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 7.5V12l3.2 2");
export const Globe = drawn(
  "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM3.5 12h17M12 3.5c2.6 2.4 3.8 5.2 3.8 8.5s-1.2 6.1-3.8 8.5c-2.6-2.4-3.8-5.2-3.8-8.5s1.2-6.1 3.8-8.5z",
);
export const Keyboard = drawn(
  "M4.5 6h15a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-15a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2zM7 10h.1M12 10h.1M17 10h.1M8 14.2h8",
);
export const Headset = drawn(
  "M4.5 14v-2a7.5 7.5 0 0 1 15 0v2M4.5 13.5h2a1 1 0 0 1 1 1v3a1 1 0 0 1-1 1h-1a1 1 0 0 1-1-1zM19.5 13.5h-2a1 1 0 0 0-1 1v3a1 1 0 0 0 1 1h2zM19.5 18.5c0 1.4-1.6 2.5-4 2.5h-1.5",
);

export const PersonPlus = () => (
  <Icon>
    <circle cx="10" cy="8" r="4" />
    <path d="M3 20.5a7 7 0 0 1 14 0M19.5 5v6M16.5 8h6" />
  </Icon>
);

export const Record = () => (
  <Icon>
    <circle cx="12" cy="12" r="8.5" />
    <circle class="filled" cx="12" cy="12" r="3.5" />
  </Icon>
);

/** Twelve dots, as on a phone. */
export const Keypad = () => (
  <Icon>
    {[5, 12, 19].flatMap((x) => [4.5, 9.5, 14.5, 19.5].map((y) => <circle key={`${x} ${y}`} cx={x} cy={y} r="0.7" />))}
  </Icon>
);

export const PauseRecord = () => (
  <Icon>
    <circle cx="12" cy="12" r="8.5" />
    <path d="M9.8 9v6M14.2 9v6" />
  </Icon>
);
