"""The receivers of docs/callbacks.md, as somebody would copy them: a real callback is taken, and nothing else."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.php import php

from intellicall.accounts.signing_secrets import SigningSecret, new_secret
from intellicall.callbacks.signing import signed

PAGE = (Path(__file__).parents[2] / "docs" / "callbacks.md").read_text(encoding="utf-8")
SNIPPETS: list[tuple[str, str]] = [(language, code) for language, code in re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)]
BODY = '{"uuid":"your-own-call-id ₹","status":"ANSWER"}'.encode()


@dataclass(frozen=True)
class Case:
    """What a receiver gets, and whether it is to take it."""

    secret: str
    headers: Mapping[str, str]
    body: bytes
    taken: bool


def cases() -> list[Case]:
    now = datetime.now(UTC)
    new, old, other = (new_secret("a", now) for _ in range(3))
    good, both = sign(now, new), sign(now, new, old)
    return [
        Case(new.text, good, BODY, taken=True),
        Case(new.text, both, BODY, taken=True),
        Case(old.text, both, BODY, taken=True),
        Case(old.text, good, BODY, taken=False),
        Case(other.text, both, BODY, taken=False),
        Case(new.text, good, BODY.replace(b"ANSWER", b"FAILED"), taken=False),
        Case(new.text, good | {"webhook-id": "another"}, BODY, taken=False),
        Case(new.text, good | {"webhook-signature": "v1,"}, BODY, taken=False),
        Case(new.text, sign(now - timedelta(minutes=6), new), BODY, taken=False),
        Case(new.text, sign(now + timedelta(minutes=6), new), BODY, taken=False),
    ]


def sign(at: datetime, *secrets: SigningSecret) -> dict[str, str]:
    return signed("0b7c4d1e9a52f3846d10c7be", BODY, at, secrets)


def test_the_page_has_them_in_the_languages_that_crms_are_written_in() -> None:
    assert [language for language, _ in SNIPPETS] == ["python", "python", "js", "php", "java", "go"]


@pytest.mark.parametrize("number", [0, 1], ids=["library", "plain"])
def test_python(number: int, tmp_path: Path) -> None:
    ask = (
        "import json, sys\nfor one in json.load(sys.stdin):\n"
        "    print(json.dumps(verified(one['secret'], one['headers'], one['body'].encode())))\n"
    )
    check(tmp_path / "receiver.py", SNIPPETS[number][1] + "\n\n" + ask, sys.executable)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
def test_node(tmp_path: Path) -> None:
    ask = (
        'for (const one of JSON.parse(require("node:fs").readFileSync(0)))\n'
        "  console.log(JSON.stringify(verified(one.secret, one.headers, Buffer.from(one.body))));\n"
    )
    check(tmp_path / "receiver.js", code("js") + ask, "node")


def test_php(tmp_path: Path) -> None:
    ask = (
        "foreach (json_decode(stream_get_contents(STDIN), true) as $one)\n"
        "    echo json_encode(verified($one['secret'], $one['headers'], $one['body'])), \"\\n\";\n"
    )
    check(tmp_path / "receiver.php", f"<?php\n{code('php')}\n{ask}", *php())


@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no Java here")
def test_java(tmp_path: Path) -> None:
    """Java reads no JSON: lines of secret, id, timestamp, signature and body, with tabs between."""
    ask = """
class Ask {
    public static void main(String[] args) throws Exception {
        var lines = new java.io.BufferedReader(new java.io.InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = lines.readLine()) != null; ) {
            String[] one = line.split("\\t");
            var headers = Map.of("webhook-id", one[1], "webhook-timestamp", one[2], "webhook-signature", one[3]);
            System.out.println(Callback.verified(one[0], headers, one[4].getBytes(StandardCharsets.UTF_8)));
        }
    }
}
"""
    imports, _, whole = code("java").partition("class Callback")
    made = cases()
    text = "\n".join("\t".join((c.secret, *c.headers.values(), c.body.decode())) for c in made)
    check(tmp_path / "Ask.java", imports + ask + "class Callback" + whole, "java", text=text, made=made)


def code(language: str) -> str:
    return next(code for name, code in SNIPPETS if name == language)


def check(file: Path, program: str, *command: str, text: str | None = None, made: list[Case] | None = None) -> None:
    """Run the receiver with every case, and compare what it says of each."""
    file.write_text(program, encoding="utf-8")
    made = made or cases()
    asked = text or json.dumps([{"secret": c.secret, "headers": c.headers, "body": c.body.decode()} for c in made])
    done = subprocess.run([*command, str(file)], input=asked.encode(), stdout=subprocess.PIPE, timeout=60, check=True)
    assert done.stdout.decode().split() == [json.dumps(case.taken) for case in made]
