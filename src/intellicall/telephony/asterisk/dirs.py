"""The folders of one engine, and the asterisk.conf that names them."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from intellicall.telephony.asterisk.install import EngineInstall

SOCKET_PATH_LIMIT = 107  # sockaddr_un.sun_path without its closing zero (unix(7))


@dataclass(frozen=True, slots=True)
class EngineDirs:
    """Every folder that one engine writes to, all below its state folder (`run` elsewhere when the path would be too long).

    `etc` holds the generated configuration, `asterisk.conf` among it.
    """

    state: Path
    etc: Path
    run: Path
    log: Path
    spool: Path
    database: Path
    keys: Path

    @classmethod
    def below(cls, state_dir: Path) -> "EngineDirs":
        """Lay the folders out below `state_dir`. Nothing is created yet."""
        state = state_dir.absolute()
        run = state / "run"
        if len(os.fsencode(run / "asterisk.ctl")) > SOCKET_PATH_LIMIT:
            name = hashlib.sha256(os.fsencode(state)).hexdigest()[:16]
            run = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"intellicall-{os.geteuid()}-{name}"
        return cls(state, state / "etc", run, state / "log", state / "spool", state / "db", state / "keys")

    @property
    def configuration(self) -> Path:
        return self.etc / "asterisk.conf"

    @property
    def control_socket(self) -> Path:
        return self.run / "asterisk.ctl"

    def create(self) -> None:
        """Create what is missing, readable by the owner alone. Raises PermissionError when a folder is somebody else's."""
        for folder in (self.state, self.etc, self.run, self.log, self.spool, self.database, self.keys):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.run.stat().st_uid != os.geteuid():
            raise PermissionError(f"{self.run} belongs to another user")

    def asterisk_conf(self, install: EngineInstall, **options: str) -> str:
        """Return the text of asterisk.conf for these folders; `options` go into its section [options]."""
        lines = [
            "[directories]",
            f"astetcdir => {self.etc}",
            f"astmoddir => {install.module_dir}",
            f"astvarlibdir => {self.database}",
            f"astdbdir => {self.database}",
            f"astkeydir => {self.keys}",
            f"astdatadir => {install.data_dir}",
            f"astagidir => {self.database}",
            f"astspooldir => {self.spool}",
            f"astcachedir => {self.spool}",
            f"astrundir => {self.run}",
            f"astlogdir => {self.log}",
            "astsbindir => /usr/sbin",
            "",
            "[options]",
            *(f"{key} = {value}" for key, value in options.items()),
        ]
        return "\n".join(lines) + "\n"
