"""`intellicall trunk`: SIP trunks to carriers. A running platform takes changes up within seconds."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from intellicall.accounts import changes, store
from intellicall.accounts.account import SANDBOX_TRUNK
from intellicall.accounts.trunks import CODECS
from intellicall.cli.storage import read, write
from intellicall.cli.terminal import Fault, Json, Record, answer, secret_from
from intellicall.telephony.engine import CallerIdStyle, Transport, Trunk

app = typer.Typer(no_args_is_help=True, help="SIP trunks to carriers.")

Name = Annotated[str, typer.Argument(metavar="TRUNK", help="The trunk's name: small letters, digits, dashes.")]
Port = Annotated[int | None, typer.Option("--port", help="The carrier's port; 5060, or 5061 for TLS, when not given.")]
Over = Annotated[Transport | None, typer.Option("--transport", help="How SIP travels.")]
Register = Annotated[
    bool | None, typer.Option("--register/--by-address", help="Register with user name and password, or be known by our address.")
]
Username = Annotated[str | None, typer.Option("--username", help="The account at the carrier.")]
Password = Annotated[
    str | None,
    typer.Option(
        "--password",
        envvar="INTELLICALL_TRUNK_PASSWORD",
        show_envvar=True,
        help="Its password. The environment or standard input keep it out of the process list.",
    ),
]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]
Codecs = Annotated[list[str] | None, typer.Option("--codec", help=f"Codec, repeat in order of preference: {', '.join(CODECS)}.")]
Srtp = Annotated[bool | None, typer.Option("--srtp/--no-srtp", help="Encrypt the media (SDES).")]
Style = Annotated[CallerIdStyle | None, typer.Option("--caller-id", help="Header in which the carrier wants the caller ID.")]
StripPlus = Annotated[
    bool | None, typer.Option("--strip-plus/--keep-plus", help="Whether the carrier wants numbers without their plus.")
]


@app.command()
def add(
    name: Name,
    *,
    host: Annotated[str, typer.Option("--host", help="The carrier's SIP server.")],
    port: Port = None,
    transport: Over = None,
    register: Register = None,
    username: Username = None,
    password: Password = None,
    password_stdin: PasswordStdin = False,
    codec: Codecs = None,
    srtp: Srtp = None,
    caller_id: Style = None,
    strip_plus: StripPlus = None,
    as_json: Json = False,
) -> None:
    """Add a trunk."""
    if name == SANDBOX_TRUNK:
        raise Fault(f"The name {SANDBOX_TRUNK} belongs to the test network. Choose another one.")
    over = transport or Transport.UDP
    trunk = _changed(
        Trunk(name, host, port or (5061 if over is Transport.TLS else 5060), over),
        register=register,
        username=username,
        password=secret_from(password, from_stdin=password_stdin),
        codecs=tuple(codec) if codec else None,
        srtp=srtp,
        caller_id_style=caller_id,
        strip_plus=strip_plus,
    )
    write(lambda c: changes.add_trunk(c, trunk))
    answer(_shown(trunk), f"Trunk {name} is added.", as_json=as_json)


@app.command("list")
def list_(*, as_json: Json = False) -> None:
    """List all trunks."""
    found = [_shown(trunk) for trunk in read(store.trunks)]
    if not as_json:
        brief = ("name", "host", "port", "transport", "register", "username", "codecs", "srtp")
        found = [{name: trunk[name] for name in brief} for trunk in found]
    answer(found, as_json=as_json)


@app.command()
def show(name: Name, *, as_json: Json = False) -> None:
    """Show one trunk, without its password."""
    answer(_shown(read(lambda c: store.trunk(c, name))), as_json=as_json)


@app.command("set")
def set_(
    name: Name,
    *,
    host: Annotated[str | None, typer.Option("--host", help="The carrier's SIP server.")] = None,
    port: Port = None,
    transport: Over = None,
    register: Register = None,
    username: Username = None,
    password: Password = None,
    password_stdin: PasswordStdin = False,
    codec: Codecs = None,
    srtp: Srtp = None,
    caller_id: Style = None,
    strip_plus: StripPlus = None,
    as_json: Json = False,
) -> None:
    """Change the fields that are named. Calls that live are untouched."""
    secret = secret_from(password, from_stdin=password_stdin)
    trunk = write(
        lambda c: changes.put_trunk(
            c,
            _changed(
                store.trunk(c, name),
                host=host,
                port=port,
                transport=transport,
                register=register,
                username=username,
                password=secret,
                codecs=tuple(codec) if codec else None,
                srtp=srtp,
                caller_id_style=caller_id,
                strip_plus=strip_plus,
            ),
        )
    )
    answer(_shown(trunk), f"Trunk {name} is changed.", as_json=as_json)


@app.command()
def remove(name: Name, *, as_json: Json = False) -> None:
    """Remove a trunk that no caller-ID number uses."""
    write(lambda c: changes.remove_trunk(c, name))
    answer({}, f"Trunk {name} is removed.", as_json=as_json)


def _changed(trunk: Trunk, **fields: Any) -> Trunk:
    return replace(trunk, **{name: value for name, value in fields.items() if value is not None})


def _shown(trunk: Trunk) -> Record:
    return {
        "name": trunk.name,
        "host": trunk.host,
        "port": trunk.port,
        "transport": trunk.transport.value,
        "register": trunk.register,
        "username": trunk.username,
        "password_set": trunk.password is not None,
        "codecs": list(trunk.codecs),
        "srtp": trunk.srtp,
        "caller_id_style": trunk.caller_id_style.value,
        "strip_plus": trunk.strip_plus,
    }
