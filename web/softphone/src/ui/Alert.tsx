/** What is wrong right now, said at once to everybody (role=alert), with the button that helps where there is one. */
import { say } from "../language/language";
import { Sound, Warning } from "./icons";

export function Alert({ alert, onHear }: { alert: { kind: string; text: string } | null; onHear: () => void }) {
  return (
    <div role="alert" class="alert-slot">
      {alert !== null && (
        <div class="alert" data-testid="alert" data-kind={alert.kind}>
          {alert.kind === "sound" ? <Sound /> : <Warning />}
          <p>{alert.text}</p>
          {alert.kind === "sound" && (
            <button type="button" class="button" data-testid="hear" onClick={onHear}>
              {say("clickToHear")}
            </button>
          )}
        </div>
      )}
    </div>
  );
}
