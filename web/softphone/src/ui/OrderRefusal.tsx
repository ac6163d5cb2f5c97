/** Why the last order was not carried out: beside its control, and said at once (role=alert). */
import { say } from "../language/language";
import type { OrderName } from "../protocol";
import type { Softphone } from "../softphone";
import type { View } from "../view";
import { orderWord, refusalRemedy, refusalTitle } from "../words";

interface Props {
  view: View;
  softphone: Softphone;
  /** Only these orders' refusals are shown here. */
  of: (order: OrderName) => boolean;
}

export function OrderRefusal({ view, softphone, of }: Props) {
  const { refused } = view.orders;
  const shown = refused !== null && of(refused.order) ? refused : null;
  return (
    <div role="alert" class="refusal-slot">
      {shown !== null && (
        <div class="refusal-note" data-testid="order-refusal" data-code={shown.refusal.code} data-order={shown.order}>
          <p>
            <strong>{say("whatDidNotWork", { what: orderWord(shown.order), why: refusalTitle(shown.refusal) })}</strong>{" "}
            {refusalRemedy(shown.refusal)}
          </p>
          <button type="button" class="quiet" onClick={() => softphone.dismissOrderRefusal()}>
            {say("ok")}
          </button>
        </div>
      )}
    </div>
  );
}
