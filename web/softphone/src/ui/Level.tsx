/** Five bars that move with the agent's voice: the microphone works. Decorative; the state is said in words. */
import { useEffect, useRef } from "preact/hooks";

const BARS = [0.02, 0.06, 0.12, 0.22, 0.36];
const LOOK_EVERY_MS = 120;

export function Level({ levels }: { levels: () => Promise<{ own: number } | null> }) {
  const bars = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    const look = async () => {
      const own = (await levels())?.own ?? 0;
      Array.from(bars.current?.children ?? []).forEach((bar, at) => {
        bar.classList.toggle("on", own > (BARS[at] ?? 1));
      });
    };
    const timer = setInterval(() => void look(), LOOK_EVERY_MS);
    return () => clearInterval(timer);
  }, [levels]);
  return (
    <span class="level" ref={bars} aria-hidden="true" data-testid="level">
      {BARS.map((threshold) => (
        <span key={threshold} />
      ))}
    </span>
  );
}
