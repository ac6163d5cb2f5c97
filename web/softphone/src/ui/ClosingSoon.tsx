/**
 * A tab that only brought a click to the softphone closes itself, so that a day of calls does not leave a hundred tabs behind. It
 * says so, and any sign of life stops it. Browsers let a page close a tab that has no history, as this one's.
 */
import { useEffect, useState } from "preact/hooks";
import { say } from "../language/language";

/** Longer than the softphone in the other tab has to take up the call (docs/softphone-protocol.md, `launch`). */
const SECONDS = 6;
const SIGNS_OF_LIFE = ["pointerdown", "keydown", "touchstart"] as const;

export function ClosingSoon() {
  const [left, setLeft] = useState<number | null>(SECONDS);
  useEffect(() => {
    if (left === null) return;
    const stay = () => setLeft(null);
    const timer = setTimeout(() => {
      if (left > 1) return setLeft(left - 1);
      setLeft(null);
      window.close();
    }, 1000);
    for (const sign of SIGNS_OF_LIFE) document.addEventListener(sign, stay);
    return () => {
      clearTimeout(timer);
      for (const sign of SIGNS_OF_LIFE) document.removeEventListener(sign, stay);
    };
  }, [left]);
  return (
    <p class="small digits" data-testid="closing">
      {left === null ? say("canClose") : say("tabCloses", { n: left })}
    </p>
  );
}
