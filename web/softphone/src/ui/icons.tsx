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
