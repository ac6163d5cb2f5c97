import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

/**
 * When what had focus is gone after a change of state, focus goes to `place`, not to the top of the page. `state` names what is shown.
 */
export function useKeptFocus(place: RefObject<HTMLElement | null>, state: string): void {
  const last = useRef<Element | null>(null);
  useEffect(() => {
    const note = () => {
      last.current = document.activeElement;
    };
    document.addEventListener("focusin", note);
    return () => document.removeEventListener("focusin", note);
  }, []);
  useLayoutEffect(() => {
    const gone = state !== "" && last.current !== null && !last.current.isConnected;
    if (!gone || document.activeElement !== document.body) return;
    last.current = null;
    place.current?.focus();
  }, [place, state]);
}
