"""PHP out of Debian's packages, for the receiver in docs/callbacks.md. `python -m tests.support.php` fetches it, once."""

import sys

from intellicall.telephony.asterisk.debian_tree import Tree, fetch_tree
from intellicall.telephony.asterisk.install import default_prefix


def php() -> tuple[str, ...]:
    """Return how to start PHP on a file, without any configuration of this machine."""
    tree = _tree()
    (binary,) = tree.root.glob("usr/bin/php[0-9]*")
    return (*tree.command(str(binary.relative_to(tree.root))), "-n")


def _tree() -> Tree:
    return fetch_tree(default_prefix(), "php", ("php-cli",), lambda _what, _share: None)


if __name__ == "__main__":
    sys.stdout.write(f"PHP: {_tree().root}\n")
