"""The beginning of the API's description: what it is for and what holds for all of it."""

TITLE = "Intellicall"

ABOUT = """\
Click-to-call: your CRM or backend starts a call, the platform rings the agent, then the customer, bridges the two, and pushes the
result to your callback URL.

**Keys.** Requests carry the account's server key: `Authorization: Bearer KEY`. It stays in your backend. Launch links carry the
other, the browser key. An account may be restricted to your servers' addresses.

**Sending again.** `POST /calls` is made once by its `uuid`. Orders on a live call are carried out once by their
`Idempotency-Key`; the answer to a repetition has `Idempotent-Replayed: true` and shows the call as it is now. `PATCH` sets what it
says, as often as it is sent.

**Errors** are `application/problem+json` (RFC 9457): branch on `code`; `title`, `detail` and `remedy` are for people; `field`
names the input at fault. An order that makes no sense now is `409 not_possible_now`, with the call's `state` and the orders that
are `allowed`.

**Strictness.** Unknown members, parameters and repeated ones are refused, so that a misspelt name cannot be overlooked. Answers may
get further members; ignore what you do not know.

**Privacy.** Recording links are unguessable and private. Digits that are pressed appear nowhere.
"""

TAGS = (
    ("calls", "Start calls, find them, say what they were about."),
    ("live calls", "Orders on a call that lives: hold, transfer, three-way, recording."),
    ("agents", "Whether an agent can be called now."),
    ("events", "What happens to calls, live."),
    ("results", "Every result, for those who pull, and to reconcile with."),
    ("callbacks", "The endpoint that results are pushed to, and the log of what was pushed."),
    ("recordings", "The link that a result carries. The link is the permission."),
    ("launch", "The link behind a CRM's Dial button."),
    ("operation", "For supervisors and load balancers."),
    ("webhooks", "What is pushed to the account's callback URL."),
)
